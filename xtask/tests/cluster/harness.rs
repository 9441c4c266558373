//! Runs scenarios that share clusters. Every lane has a cluster of its own, made by the first scenario that runs in it; all are
//! removed after the last scenario, and then nothing of them may be left. The logs are part of the message of a scenario that fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libtest_mimic::{Arguments, Failed, Trial};
use xtask::{
    lab::{
        cluster::{Cluster, Options},
        leftovers,
    },
    ui,
};

/// A scenario: its name as a sentence, and what happens.
pub(crate) type Scenario = (&'static str, fn(&Cluster));

/// Name of the last trial of every run.
const LAST: &str = "nothing_is_left_of_the_cluster";
/// The slowest scenarios are named at the end.
const SLOWEST: usize = 12;
/// Lines of each log in the message of a failure.
const TAIL: usize = 15;

/// Runs the scenarios that the command line asks for, in as many lanes as it asks for threads (`--test-threads`, one otherwise).
pub(crate) fn run(options: Options, scenarios: &[Scenario]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    let count = *arguments.test_threads.get_or_insert(1);
    let lanes = Arc::new(Lanes::new(options, count));
    let mut trials: Vec<Trial> = scenarios
        .iter()
        .map(|&(name, scenario)| {
            let lanes = Arc::clone(&lanes);
            Trial::test(name, move || lanes.play(name, scenario))
        })
        .collect();
    let last = Arc::clone(&lanes);
    trials.push(Trial::test(LAST, move || last.end()));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The last trial was not among those asked for.
    drop(lanes.all());
    let mut times = lock(&lanes.times);
    times.sort_unstable_by(|one, other| other.cmp(one));
    for (time, name) in times.iter().take(SLOWEST) {
        ui::say(format_args!("{:6.1} s {name}", time.as_secs_f64()));
    }
    conclusion.exit_code()
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where scenarios run, one at a time in each lane: what a scenario does to a cluster would be seen by another.
struct Lanes {
    options: Options,
    count: usize,
    /// Those that no scenario runs in; the one that was used last is at the end, and used first.
    idle: Mutex<Vec<Lane>>,
    returned: Condvar,
    /// How long each scenario took.
    times: Mutex<Vec<(Duration, &'static str)>>,
}

/// The cluster of a lane, once it is there.
#[derive(Default)]
struct Lane {
    cluster: Option<Cluster>,
    /// There is none and never will be: starting is not tried twice.
    over: bool,
}

impl Lanes {
    fn new(options: Options, count: usize) -> Self {
        let idle = Mutex::new((0..count).map(|_| Lane::default()).collect());
        Self { options, count, idle, returned: Condvar::new(), times: Mutex::default() }
    }

    /// A lane that nobody else has.
    fn one(&self) -> Lane {
        let mut idle = lock(&self.idle);
        loop {
            if let Some(lane) = idle.pop() {
                return lane;
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Every lane, once no scenario runs any more.
    fn all(&self) -> Vec<Lane> {
        let mut idle = lock(&self.idle);
        while idle.len() < self.count {
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::replace(&mut *idle, (0..self.count).map(|_| Lane { cluster: None, over: true }).collect())
    }

    fn give_back(&self, lane: Lane) {
        lock(&self.idle).push(lane);
        self.returned.notify_all();
    }

    fn play(&self, name: &'static str, scenario: fn(&Cluster)) -> Result<(), Failed> {
        let mut lane = self.one();
        let outcome = self.in_lane(&mut lane, name, scenario);
        self.give_back(lane);
        outcome
    }

    #[expect(clippy::disallowed_methods, reason = "how long it takes is shown, not judged")]
    fn in_lane(&self, lane: &mut Lane, name: &'static str, scenario: fn(&Cluster)) -> Result<(), Failed> {
        let cluster = lane.cluster(&self.options)?;
        let begin = std::time::Instant::now();
        let failed = catch_unwind(AssertUnwindSafe(|| scenario(cluster))).err().map(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            Failed::from(format!("{said}\nThe logs end with:\n{}", cluster.log_tails(TAIL)))
        });
        lock(&self.times).push((begin.elapsed(), name));
        let Some(failed) = failed else { return Ok(()) };
        // Nobody knows what it has left: the next scenario gets a cluster of its own.
        lane.cluster = None;
        Err(failed)
    }

    /// Removes the clusters and looks for what they left.
    fn end(&self) -> Result<(), Failed> {
        let mut lanes = self.all();
        if lanes.iter().all(|lane| lane.cluster.is_none())
            && let Some(first) = lanes.first_mut()
        {
            first.cluster(&self.options)?;
        }
        for cluster in lanes.into_iter().filter_map(|lane| lane.cluster) {
            let tag = cluster.segment().lab.tag().to_owned();
            if leftovers(&tag).is_empty() {
                return Err("nothing can be found even of a cluster that runs".into());
            }
            drop(cluster);
            let left = leftovers(&tag);
            if !left.is_empty() {
                return Err(format!("left behind: {left:#?}").into());
            }
        }
        Ok(())
    }
}

impl Lane {
    #[expect(clippy::disallowed_methods, reason = "how long the start takes is shown, not judged")]
    fn cluster(&mut self, options: &Options) -> Result<&Cluster, Failed> {
        if self.over {
            return Err("there is no cluster: it did not start, or was removed".into());
        }
        if self.cluster.is_none() {
            let begin = std::time::Instant::now();
            match Cluster::start(options) {
                Ok(cluster) => {
                    let memory = cluster.memory_kib().unwrap_or(0) / 1024;
                    ui::say(format_args!("the cluster is up after {:.1?}, {memory} MiB", begin.elapsed()));
                    self.cluster = Some(cluster);
                }
                Err(error) => {
                    self.over = true;
                    return Err(format!("the cluster did not start: {error:#}").into());
                }
            }
        }
        self.cluster.as_ref().ok_or_else(|| "there is no cluster".into())
    }
}
