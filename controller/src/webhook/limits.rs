//! How much of the webhooks' server a source may use: who floods it takes nothing from the API servers.
//!
//! A source is an address: that of an API server, or of a pod. Connections beyond its share are closed before anything is
//! computed for them; reviews beyond its share wait for their turn, before their body is read.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::clock;

/// Sources that are remembered without a connection, until their allowance is whole again.
const REMEMBERED: usize = 4096;

/// The shares.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of a source.
    pub of_source: usize,
    /// Connections of all. Beyond that a source is admitted with at most [`Self::few`], up to [`Self::most`].
    pub all: usize,
    /// See [`Self::all`].
    pub few: usize,
    /// See [`Self::all`].
    pub most: usize,
    /// New connections of a source at once.
    pub burst: u32,
    /// New connections of a source a second after that.
    pub rate: u32,
    /// Reviews at once: of a source, and of all.
    pub reviews: (usize, usize),
    /// Conversions at once: of a source, and of all.
    pub conversions: (usize, usize),
    /// How long a request may wait for its turn: the API server gives up after 10 s.
    pub turn: Duration,
    /// How long a body may take to arrive.
    pub body: Duration,
    /// How long a connection may be silent: longer than the API server keeps one that it does not use (90 s).
    pub idle: Duration,
}

impl Limits {
    /// Memory: at most 32 reviews of 3 MiB and 4 conversions of 32 MiB. An API server asks for a few dozen things at once.
    pub const DEFAULT: Self = Self {
        of_source: 96,
        all: 384,
        few: 8,
        most: 512,
        burst: 128,
        rate: 64,
        reviews: (8, 32),
        conversions: (2, 4),
        turn: Duration::from_secs(8),
        body: Duration::from_secs(5),
        idle: Duration::from_secs(120),
    };
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A review.
    Review,
    /// A conversion.
    Conversion,
}

/// Everybody that is connected.
#[derive(Debug)]
pub struct Sources {
    limits: Limits,
    doors: Mutex<Doors>,
    reviews: Arc<Semaphore>,
    conversions: Arc<Semaphore>,
}

impl Sources {
    /// Nobody yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            doors: Mutex::default(),
            reviews: Arc::new(Semaphore::new(limits.reviews.1)),
            conversions: Arc::new(Semaphore::new(limits.conversions.1)),
        }
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A new connection; `None`: it is to be closed.
    pub(super) fn enter(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let source = source.to_canonical();
        let is_admitted = self.doors().admit(source, clock::now(), &self.limits);
        is_admitted.then(|| Place { sources: Arc::clone(self), source })
    }

    /// The turn of a request, held while it is read and answered; `None`: it did not come in time.
    pub(super) async fn turn(&self, source: IpAddr, sort: Sort) -> Option<Turn> {
        let (own, all) = {
            let mut doors = self.doors();
            let turns = doors.turns(source.to_canonical(), &self.limits);
            match sort {
                Sort::Review => (Arc::clone(&turns.reviews), Arc::clone(&self.reviews)),
                Sort::Conversion => (Arc::clone(&turns.conversions), Arc::clone(&self.conversions)),
            }
        };
        let both =
            async { Some(Turn { _own: own.acquire_owned().await.ok()?, _all: all.acquire_owned().await.ok()? }) };
        timeout(self.limits.turn, both).await.ok().flatten()
    }

    fn doors(&self) -> MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Place {
    pub(super) fn idle(&self) -> Duration {
        self.sources.limits.idle
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sources.doors().leave(self.source);
    }
}

/// The turn of a request, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Who is connected how often. Pure.
#[derive(Debug, Default)]
struct Doors {
    sources: BTreeMap<IpAddr, Source>,
    open: usize,
}

#[derive(Debug)]
struct Source {
    open: usize,
    /// New connections that it may make now, as of `since`.
    left: u32,
    since: Option<Instant>,
    turns: Turns,
}

#[derive(Debug)]
struct Turns {
    reviews: Arc<Semaphore>,
    conversions: Arc<Semaphore>,
}

impl Source {
    fn new(limits: &Limits) -> Self {
        let turns = Turns {
            reviews: Arc::new(Semaphore::new(limits.reviews.0)),
            conversions: Arc::new(Semaphore::new(limits.conversions.0)),
        };
        Self { open: 0, left: limits.burst, since: None, turns }
    }

    fn refill(&mut self, now: Instant, limits: &Limits) {
        let since = *self.since.get_or_insert(now);
        let millis = now.saturating_duration_since(since).as_millis() * u128::from(limits.rate);
        let more = u32::try_from(millis / 1000).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(limits.burst);
            self.since = Some(now);
        }
    }
}

impl Doors {
    fn admit(&mut self, source: IpAddr, now: Instant, limits: &Limits) -> bool {
        if self.sources.len() >= REMEMBERED {
            self.sources.retain(|_, source| {
                source.refill(now, limits);
                source.open > 0 || source.left < limits.burst
            });
            if self.sources.len() >= REMEMBERED && !self.sources.contains_key(&source) {
                return false;
            }
        }
        let entry = self.sources.entry(source).or_insert_with(|| Source::new(limits));
        entry.refill(now, limits);
        let share = if self.open < limits.all { limits.of_source } else { limits.few };
        if entry.left == 0 || entry.open >= share || self.open >= limits.most {
            return false;
        }
        entry.left -= 1;
        entry.open += 1;
        self.open += 1;
        true
    }

    fn leave(&mut self, source: IpAddr) {
        self.open = self.open.saturating_sub(1);
        if let Some(source) = self.sources.get_mut(&source) {
            source.open = source.open.saturating_sub(1);
        }
    }

    fn turns(&mut self, source: IpAddr, limits: &Limits) -> &Turns {
        &self.sources.entry(source).or_insert_with(|| Source::new(limits)).turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { of_source: 4, all: 8, few: 2, most: 10, burst: 6, rate: 2, ..Limits::DEFAULT };

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_source_has_its_share_and_no_more() {
        let (mut doors, now) = (Doors::default(), clock::now());
        let admitted = (0..10).filter(|_| doors.admit(ip(1), now, &LIMITS)).count();
        assert_eq!(admitted, 4);
        assert!(doors.admit(ip(2), now, &LIMITS), "another is not concerned");
        doors.leave(ip(1));
        assert!(doors.admit(ip(1), now, &LIMITS));
    }

    #[test]
    fn who_comes_again_and_again_has_to_wait() {
        let (mut doors, now) = (Doors::default(), clock::now());
        let mut come = |at: Duration| {
            let admitted = doors.admit(ip(1), now + at, &LIMITS);
            if admitted {
                doors.leave(ip(1));
            }
            admitted
        };
        let admitted = (0..10).filter(|_| come(Duration::ZERO)).count();
        assert_eq!(admitted, 6, "the burst");
        let admitted = (0..100).filter(|step| come(Duration::from_millis(step * 100))).count();
        assert!((18..=20).contains(&admitted), "two a second: {admitted}");
    }

    #[test]
    fn a_full_house_has_room_for_those_with_few() {
        let (mut doors, now) = (Doors::default(), clock::now());
        for source in [1, 2] {
            assert_eq!((0..9).filter(|_| doors.admit(ip(source), now, &LIMITS)).count(), 4);
        }
        assert!(doors.admit(ip(3), now, &LIMITS) && doors.admit(ip(3), now, &LIMITS));
        assert!(!doors.admit(ip(3), now, &LIMITS) && !doors.admit(ip(4), now, &LIMITS), "up to the most");
        doors.leave(ip(1));
        assert!(doors.admit(ip(4), now, &LIMITS));
    }

    #[test]
    fn sources_are_forgotten_when_they_are_gone() {
        let (mut doors, now) = (Doors::default(), clock::now());
        for number in 0..20_000_u32 {
            let source = IpAddr::from(number.to_be_bytes());
            if doors.admit(source, now + Duration::from_millis(number.into()), &LIMITS) {
                doors.leave(source);
            }
        }
        assert!(doors.sources.len() <= REMEMBERED && doors.open == 0, "{}", doors.sources.len());
        assert!(doors.admit(ip(1), now + Duration::from_secs(60), &LIMITS));
    }
}
