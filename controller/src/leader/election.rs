//! Who leads: the election as a state machine over the lease that was read and the time that it is.
//!
//! The rules are those of client-go's leader election, so both can be mixed in one lease. Times in the lease are for people:
//! whether its holder is gone is told by our own monotonic clock, from when we last saw the lease change. A write names the
//! version that was read, so of two candidates the API server lets one through.

use std::time::{Duration, Instant};

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long others wait after the last renewal that they saw.
    pub duration: Duration,
    /// How long the holder goes on without being able to renew. Shorter than `duration`: it stops before others begin.
    pub deadline: Duration,
    /// Time between two renewals, and between two looks of a candidate.
    pub retry: Duration,
}

/// Times that do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimesFault {
    /// The holder would go on when others begin.
    #[error("the lease duration {duration:?} must be longer than the renew deadline {deadline:?}")]
    Duration {
        /// See [`Times::duration`].
        duration: Duration,
        /// See [`Times::deadline`].
        deadline: Duration,
    },
    /// There would be no second attempt.
    #[error("the renew deadline {deadline:?} must be longer than 1.2 times the retry period {retry:?}")]
    Deadline {
        /// See [`Times::deadline`].
        deadline: Duration,
        /// See [`Times::retry`].
        retry: Duration,
    },
}

impl Times {
    /// Client-go's.
    pub const DEFAULT: Self =
        Self { duration: Duration::from_secs(15), deadline: Duration::from_secs(10), retry: Duration::from_secs(2) };

    /// The same rules that client-go enforces.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn new(duration: Duration, deadline: Duration, retry: Duration) -> Result<Self, TimesFault> {
        if duration <= deadline {
            return Err(TimesFault::Duration { duration, deadline });
        }
        if deadline <= retry.mul_f64(1.2) {
            return Err(TimesFault::Deadline { deadline, retry });
        }
        Ok(Self { duration, deadline, retry })
    }

    /// How long a request of the leader may take at most: one that began while it led is over before another leads.
    pub fn request(&self) -> Duration {
        self.duration - self.deadline
    }
}

/// What is decided by in a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Empty: nobody, it was given back.
    pub holder: String,
    /// When it was renewed, as its writer's clock had it.
    pub renewed: Option<String>,
    /// How often it changed hands.
    pub transitions: i32,
    /// Version of the object.
    pub version: String,
}

#[derive(Clone, Debug)]
struct Observed {
    record: Record,
    at: Instant,
}

/// What to do about the lease now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody else holds it: look again later.
    Wait,
    /// There is none: create it.
    Create,
    /// Replace this version by one that names us.
    Update {
        /// Only this version.
        version: String,
        /// How often it will have changed hands.
        transitions: i32,
        /// Whether we already hold it: the time of taking it stays.
        renewal: bool,
    },
}

/// Our part in the election.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    times: Times,
    observed: Option<Observed>,
    /// Leading until then, unless renewed.
    until: Option<Instant>,
}

impl Election {
    /// A candidate that knows nothing yet. `identity` is different for every process.
    pub const fn new(identity: String, times: Times) -> Self {
        Self { identity, times, observed: None, until: None }
    }

    /// Who we are.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Until when we lead if nothing is renewed; `None` or past: we do not.
    pub const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether we lead.
    pub fn leads(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// The version to replace without reading first: while leading, nobody else should have written.
    pub fn renewal(&self, now: Instant) -> Option<Step> {
        let record = &self.observed.as_ref()?.record;
        (self.leads(now) && record.holder == self.identity).then(|| self.update(record))
    }

    /// What the API server said when asked for the lease; `None`: there is none.
    pub fn read(&mut self, record: Option<Record>, now: Instant) -> Step {
        let Some(record) = record else {
            self.observed = None;
            return Step::Create;
        };
        let is_news = self.observed.as_ref().is_none_or(|observed| observed.record != record);
        let at = match &self.observed {
            Some(observed) if !is_news => observed.at,
            Some(_) | None => now,
        };
        let free = record.holder.is_empty()
            || record.holder == self.identity
            || now.saturating_duration_since(at) >= self.times.duration;
        if record.holder != self.identity {
            self.until = None;
        }
        let step = if free { self.update(&record) } else { Step::Wait };
        self.observed = Some(Observed { record, at });
        step
    }

    /// Our write went through: `record` is what is there now. `began`: when the request was sent; others count from when they
    /// see it, so from then on we are sure.
    pub fn written(&mut self, record: Record, began: Instant) {
        self.until = Some(began + self.times.deadline);
        self.observed = Some(Observed { record, at: began });
    }

    /// Our write was refused because another was faster, or the lease is gone: what we knew is wrong.
    pub fn refused(&mut self) {
        self.observed = None;
    }

    /// We give it up, or were told to stop.
    pub fn resign(&mut self) {
        self.until = None;
    }

    /// The version to write an empty holder to, if it is ours.
    pub fn release(&self) -> Option<Step> {
        let record = &self.observed.as_ref()?.record;
        (record.holder == self.identity).then(|| self.update(record))
    }

    fn update(&self, record: &Record) -> Step {
        let renewal = record.holder == self.identity;
        Step::Update {
            version: record.version.clone(),
            transitions: record.transitions.saturating_add(i32::from(!renewal)),
            renewal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
    fn start() -> Instant {
        Instant::now()
    }

    fn election(identity: &str) -> Election {
        Election::new(identity.to_owned(), Times::DEFAULT)
    }

    fn record(holder: &str, renewed: &str, version: &str) -> Record {
        let (holder, version) = (holder.to_owned(), version.to_owned());
        Record { holder, renewed: Some(renewed.to_owned()), transitions: 3, version }
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn update(version: &str, transitions: i32, renewal: bool) -> Step {
        Step::Update { version: version.to_owned(), transitions, renewal }
    }

    #[test]
    fn times_have_to_fit_together() {
        let refused =
            |duration, deadline, retry| Times::new(seconds(duration), seconds(deadline), seconds(retry)).is_err();
        assert!(!refused(15, 10, 2));
        assert!(refused(10, 10, 2) && refused(15, 2, 2) && refused(5, 10, 2));
        assert_eq!(Times::DEFAULT.request(), seconds(5));
    }

    #[test]
    fn a_lease_that_is_not_there_or_was_given_back_is_taken_at_once() {
        let start = start();
        assert_eq!(election("a").read(None, start), Step::Create);
        assert_eq!(election("a").read(Some(record("", "1", "7")), start), update("7", 4, false));
    }

    #[test]
    fn a_foreign_lease_is_taken_when_it_did_not_change_for_its_duration_whatever_its_clock_says() {
        // Its writer's clock is years behind or ahead: only that the text changes says that it lives.
        for renewed in ["1999-01-01T00:00:00Z", "2199-01-01T00:00:00Z"] {
            let (start, mut a) = (start(), election("a"));
            for second in (0..15).step_by(2) {
                assert_eq!(a.read(Some(record("b", renewed, "7")), start + seconds(second)), Step::Wait);
            }
            assert_eq!(a.read(Some(record("b", renewed, "7")), start + seconds(15)), update("7", 4, false));
        }
        let (start, mut a) = (start(), election("a"));
        for second in 0..100 {
            let now = start + seconds(second);
            assert_eq!(a.read(Some(record("b", &second.to_string(), &second.to_string())), now), Step::Wait);
        }
    }

    #[test]
    fn leading_ends_by_itself_when_nothing_is_renewed() {
        let (start, mut a) = (start(), election("a"));
        a.read(None, start);
        a.written(record("a", "1", "1"), start);
        assert!(a.leads(start + seconds(9)));
        assert!(!a.leads(start + seconds(10)), "before others may begin at 15");
        assert_eq!(a.renewal(start + seconds(9)), Some(update("1", 3, true)));
        assert_eq!(a.renewal(start + seconds(10)), None, "read first");
        // The API server was away; the lease is still ours when it is back.
        assert_eq!(a.read(Some(record("a", "1", "1")), start + seconds(60)), update("1", 3, true));
        a.written(record("a", "2", "2"), start + seconds(60));
        assert!(a.leads(start + seconds(69)));
    }

    #[test]
    fn a_slow_request_counts_from_when_it_was_sent() {
        let (start, mut a) = (start(), election("a"));
        a.written(record("a", "1", "1"), start);
        assert_eq!(a.until(), Some(start + seconds(10)));
    }

    #[test]
    fn who_sees_another_holder_stops_at_once() {
        let (start, mut a) = (start(), election("a"));
        a.written(record("a", "1", "1"), start);
        assert_eq!(a.read(Some(record("b", "2", "2")), start + seconds(1)), Step::Wait);
        assert!(!a.leads(start + seconds(1)));
        assert_eq!(a.renewal(start + seconds(1)), None);
    }

    #[test]
    fn a_refused_write_leads_to_reading_and_not_to_the_end_of_leading() {
        let (start, mut a) = (start(), election("a"));
        a.written(record("a", "1", "1"), start);
        a.refused();
        assert_eq!(a.renewal(start + seconds(1)), None);
        assert!(a.leads(start + seconds(1)), "somebody may only have put a label on it");
        assert_eq!(a.read(Some(record("a", "1", "2")), start + seconds(1)), update("2", 3, true));
    }

    #[test]
    fn giving_back_writes_over_our_own_version_only() {
        let (start, mut a) = (start(), election("a"));
        assert_eq!(a.release(), None);
        a.read(Some(record("b", "1", "1")), start);
        assert_eq!(a.release(), None);
        a.written(record("a", "1", "2"), start);
        a.resign();
        assert!(!a.leads(start));
        assert_eq!(a.release(), Some(update("2", 3, true)));
    }

    /// The lease of an API server: takes a write only over the version that is there.
    #[derive(Default)]
    struct Server {
        lease: Option<Record>,
        version: u64,
    }

    impl Server {
        fn write(&mut self, step: &Step, holder: &str, renewed: u64) -> Option<Record> {
            let (there, transitions) = match (step, &self.lease) {
                (Step::Create, None) => (true, 0),
                (Step::Update { version, transitions, .. }, Some(lease)) => (lease.version == *version, *transitions),
                (Step::Create | Step::Update { .. } | Step::Wait, _) => (false, 0),
            };
            if !there {
                return None;
            }
            self.version += 1;
            let (holder, version) = (holder.to_owned(), self.version.to_string());
            self.lease = Some(Record { holder, renewed: Some(renewed.to_string()), transitions, version });
            self.lease.clone()
        }
    }

    /// Three candidates whose requests fail, are slow, or get lost after they were carried out; at no moment do two of them
    /// lead, and while the API server works somebody does again in time.
    #[test]
    fn at_most_one_leads_whatever_fails() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (start, mut server) = (start(), Server::default());
            let mut candidates: Vec<_> = ["a", "b", "c"].into_iter().map(election).collect();
            let mut led = 0;
            for tick in 0..400_u64 {
                let now = start + Duration::from_millis(tick * 500);
                let index = random.usize(..candidates.len());
                let broken = (100..200).contains(&tick) && random.u8(..10) < 8;
                let (request_lost, answer_lost) = (broken && random.bool(), broken && random.bool());
                let candidate = &mut candidates[index];
                let step =
                    candidate.renewal(now).or_else(|| (!broken).then(|| candidate.read(server.lease.clone(), now)));
                if let Some(step) = step.filter(|step| *step != Step::Wait && !request_lost) {
                    let identity = candidate.identity().to_owned();
                    match server.write(&step, &identity, tick) {
                        Some(_) if answer_lost => {}
                        Some(record) => candidate.written(record, now),
                        None => candidate.refused(),
                    }
                }
                let leaders = candidates.iter().filter(|candidate| candidate.leads(now)).count();
                assert!(leaders <= 1, "seed {seed}, tick {tick}");
                led += leaders;
            }
            assert!(led > 250, "seed {seed}: somebody led at {led} ticks only");
        }
    }
}
