//! Runs scenarios that share one cluster. The cluster is made by the first scenario that runs and removed after the last,
//! and then nothing of it may be left. Its logs are part of the message of a scenario that fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// The cluster once it is there, and how it is to be made.
struct Shared {
    options: Options,
    cluster: Option<Cluster>,
    /// There is none and never will be: starting is not tried twice.
    over: bool,
    /// How long each scenario took.
    times: Vec<(Duration, &'static str)>,
}

/// Name of the last trial of every run.
const LAST: &str = "nothing_is_left_of_the_cluster";
/// The slowest scenarios are named at the end.
const SLOWEST: usize = 12;
/// Lines of each log in the message of a failure.
const TAIL: usize = 15;

/// Runs the scenarios that the command line asks for.
pub(crate) fn run(options: Options, scenarios: &[Scenario]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One cluster: what a scenario does to it would be seen by another.
    arguments.test_threads = Some(1);
    let shared = Arc::new(Mutex::new(Shared { options, cluster: None, over: false, times: Vec::new() }));
    let mut trials: Vec<Trial> = scenarios
        .iter()
        .map(|&(name, scenario)| {
            let shared = Arc::clone(&shared);
            Trial::test(name, move || play(&shared, name, scenario))
        })
        .collect();
    let last = Arc::clone(&shared);
    trials.push(Trial::test(LAST, move || end(&last)));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The last trial was not among those asked for.
    let mut shared = lock(&shared);
    shared.cluster = None;
    shared.times.sort_unstable_by(|one, other| other.cmp(one));
    for (time, name) in shared.times.iter().take(SLOWEST) {
        ui::say(format_args!("{:6.1} s {name}", time.as_secs_f64()));
    }
    conclusion.exit_code()
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is shown, not judged")]
fn play(shared: &Mutex<Shared>, name: &'static str, scenario: fn(&Cluster)) -> Result<(), Failed> {
    let mut shared = lock(shared);
    let cluster = shared.cluster()?;
    let begin = std::time::Instant::now();
    let failed = catch_unwind(AssertUnwindSafe(|| scenario(cluster))).err().map(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
        Failed::from(format!("{said}\nThe logs end with:\n{}", cluster.log_tails(TAIL)))
    });
    shared.times.push((begin.elapsed(), name));
    let Some(failed) = failed else { return Ok(()) };
    // Nobody knows what it has left: the next scenario gets a cluster of its own.
    shared.cluster = None;
    Err(failed)
}

impl Shared {
    #[expect(clippy::disallowed_methods, reason = "how long the start takes is shown, not judged")]
    fn cluster(&mut self) -> Result<&Cluster, Failed> {
        if self.over {
            return Err("there is no cluster: it did not start, or was removed".into());
        }
        if self.cluster.is_none() {
            let begin = std::time::Instant::now();
            match Cluster::start(&self.options) {
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

/// Removes the cluster and looks for what it left.
fn end(shared: &Mutex<Shared>) -> Result<(), Failed> {
    let mut shared = lock(shared);
    let tag = shared.cluster()?.segment().lab.tag().to_owned();
    if leftovers(&tag).is_empty() {
        return Err("nothing can be found even of a cluster that runs".into());
    }
    shared.cluster = None;
    shared.over = true;
    let left = leftovers(&tag);
    if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left:#?}").into()) }
}
