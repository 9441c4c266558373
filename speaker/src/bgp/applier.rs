//! The thread that makes FRR what it should be, for as long as somebody wants something.

use std::{io, path::PathBuf, sync::Arc, thread, time::Duration};

use arpeggio_bgp::{Driver, Outcome, SessionFacts};
use tokio::{
    runtime::Builder,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

use super::{
    report::{BgpReport, Engine},
    wish::{Wish, wish},
};
use crate::{
    clock::{monotonic_ns, wall_ahead_ns},
    world::BgpInputs,
};

/// How long a daemon may take for one answer, and for all of them.
const LIMIT: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(60);
/// Everything is compared this often although nothing seems to have changed.
const RESYNC: Duration = Duration::from_secs(30);
/// After what FRR did not take: it may know more of the node by then.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two looks at sessions, while one of them is to come up, and while all are up.
const EAGER: Duration = Duration::from_millis(250);
const CALM: Duration = Duration::from_secs(1);
/// Between two attempts to reach FRR.
const FIRST_TRY: Duration = Duration::from_millis(200);
const LAST_TRY: Duration = Duration::from_secs(2);
/// Between two looks for the directory of the sockets.
const LOOK: Duration = Duration::from_secs(10);

/// What peers are told when this node is to announce nothing any more; `None`: it takes part.
pub type Closing = Option<String>;

/// The running thread. Dropping it ends the thread, and leaves FRR as it is.
#[derive(Debug)]
pub struct Applier {
    reports: watch::Receiver<Arc<BgpReport>>,
    closing: watch::Sender<Closing>,
}

impl Applier {
    /// Starts the thread. The sockets of FRR are in `directory`, now or later. `closing`: nothing is to be announced, from the beginning.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(
        directory: PathBuf,
        inputs: watch::Receiver<Option<Arc<BgpInputs>>>,
        closing: Closing,
    ) -> io::Result<Self> {
        let (closing, close) = watch::channel(closing);
        let (tell, reports) = watch::channel(Arc::default());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let work = Work { directory, inputs, closing: close, tell, known: None, plan: Plan::default() };
        thread::Builder::new().name("bgp".to_owned()).spawn(move || runtime.block_on(work.run()))?;
        Ok(Self { reports, closing })
    }

    /// Every report that says something else than the one before.
    pub fn reports(&self) -> watch::Receiver<Arc<BgpReport>> {
        self.reports.clone()
    }

    /// The newest report.
    pub fn report(&self) -> Arc<BgpReport> {
        Arc::clone(&self.reports.borrow())
    }

    /// The next report that says something else; `None`: the thread ended. Cancel safe.
    pub async fn changed(&mut self) -> Option<Arc<BgpReport>> {
        self.reports.changed().await.ok()?;
        Some(Arc::clone(&self.reports.borrow_and_update()))
    }

    /// Tells peers good bye with this text, or takes part again.
    pub fn close(&self, closing: Closing) {
        self.closing.send_if_modified(|before| {
            let changed = *before != closing;
            *before = closing;
            changed
        });
    }
}

struct Work {
    directory: PathBuf,
    inputs: watch::Receiver<Option<Arc<BgpInputs>>>,
    closing: watch::Receiver<Closing>,
    tell: watch::Sender<Arc<BgpReport>>,
    /// What was wanted last, and of what it was made.
    known: Option<(Arc<BgpInputs>, Closing, Arc<Wish>)>,
    plan: Plan,
}

/// When what is done next.
#[derive(Debug, Default)]
struct Plan {
    /// When all of it is compared; `None`: now.
    compare_at: Option<Instant>,
    /// Peers whose BFD follows when their session is up.
    awaiting: Vec<String>,
    /// FRR answered the last time.
    connected: bool,
    /// Attempts in a row that failed.
    failures: u32,
    /// Nothing of ours is in FRR, and nothing is wanted.
    clean: bool,
}

impl Work {
    async fn run(mut self) {
        let mut driver = Driver::new(self.directory.clone()).with_limit(LIMIT);
        loop {
            let pause = self.step(&mut driver).await;
            tokio::select! {
                biased;
                there = self.inputs.changed() => if there.is_err() { return },
                there = self.closing.changed() => if there.is_err() { return },
                () = driver.restarted(), if self.plan.connected => {
                    warn!("a daemon of FRR was restarted: everything is told again");
                    self.plan.compare_at = None;
                }
                () = sleep(pause) => {}
            }
        }
    }

    /// Does what is due, and returns for how long nothing is.
    async fn step(&mut self, driver: &mut Driver) -> Duration {
        let Some(wish) = self.wish() else { return RESYNC };
        if !self.directory.is_dir() {
            let problem = (!wish.peers.is_empty()).then(|| {
                format!(
                    "there is no directory {}: FRR does not run here, and peers are told nothing; start it, or give --frr-socket-dir",
                    self.directory.display()
                )
            });
            self.plan = Plan::default();
            self.say(BgpReport::resting(Engine::Absent, &wish, problem));
            return LOOK;
        }
        if wish.peers.is_empty() {
            return self.rest(driver, &wish).await;
        }
        self.plan.clean = false;
        if self.plan.connected
            && self.plan.compare_at.is_some_and(|at| Instant::now() < at)
            && let Some(sessions) = driver.look().await
        {
            self.looked(&sessions);
            return self.pause();
        }
        let outcome = reconcile(driver, &wish).await;
        self.reconciled(&wish, &outcome);
        self.pause()
    }

    /// Nobody wants anything: what an earlier agent left in FRR goes, once, and FRR is left alone.
    async fn rest(&mut self, driver: &mut Driver, wish: &Arc<Wish>) -> Duration {
        if !self.plan.clean && self.directory.join("bgpd.vty").exists() {
            let outcome = reconcile(driver, wish).await;
            self.plan.clean = outcome.faults.is_empty() && outcome.unsettled.is_empty();
            if outcome.changed > 0 {
                info!(lines = outcome.changed, "no peer selects this node any more: FRR forgets what it was told");
            }
            *driver = Driver::new(self.directory.clone()).with_limit(LIMIT);
        }
        self.plan = Plan { clean: self.plan.clean, ..Plan::default() };
        self.say(BgpReport::resting(Engine::Idle, wish, None));
        RESYNC
    }

    /// What is wanted, made anew only where something changed; `None`: it is not known yet.
    fn wish(&mut self) -> Option<Arc<Wish>> {
        let inputs = self.inputs.borrow_and_update().clone()?;
        let closing = self.closing.borrow_and_update().clone();
        if let Some((before, was, wish)) = &self.known
            && Arc::ptr_eq(before, &inputs)
            && *was == closing
        {
            return Some(Arc::clone(wish));
        }
        let mut new = wish(&inputs);
        if let Some(text) = &closing {
            new = new.closing(text);
        }
        let kept = self.known.as_ref().map(|(_, _, before)| before).filter(|before| ***before == new);
        let new = kept.cloned().unwrap_or_else(|| Arc::new(new));
        if self.known.as_ref().is_none_or(|(_, _, before)| !Arc::ptr_eq(before, &new)) {
            self.plan.compare_at = None;
            self.plan.clean = false;
        }
        self.known = Some((inputs, closing, Arc::clone(&new)));
        Some(new)
    }

    fn reconciled(&mut self, wish: &Arc<Wish>, outcome: &Outcome) {
        let failed = !outcome.faults.is_empty();
        self.plan.connected = !failed;
        self.plan.failures = if failed { self.plan.failures.saturating_add(1) } else { 0 };
        self.plan.awaiting = outcome.awaiting.iter().cloned().collect();
        let taken = outcome.refused.is_empty() && outcome.unsettled.is_empty();
        self.plan.compare_at = (!failed).then(|| Instant::now() + if taken { RESYNC } else { AGAIN });
        if outcome.changed > 0 {
            info!(lines = outcome.changed, prefixes = wish.prefixes(), peers = wish.peers.len(), "FRR was told");
        }
        let report = self.tell.borrow().after(wish, outcome, now_s());
        self.say(report);
    }

    fn looked(&mut self, sessions: &[SessionFacts]) {
        let up = |name: &String| sessions.iter().any(|it| it.is_established() && it.peer.as_ref() == Some(name));
        if self.plan.awaiting.iter().any(up) {
            self.plan.compare_at = None;
        }
        let report = self.tell.borrow().with_sessions(sessions, now_s());
        self.say(report);
    }

    fn pause(&self) -> Duration {
        if !self.plan.connected {
            return FIRST_TRY.saturating_mul(1 << self.plan.failures.min(8)).min(LAST_TRY);
        }
        let Some(at) = self.plan.compare_at else { return Duration::ZERO };
        let report = self.tell.borrow();
        let eager = report.sessions.iter().any(|session| !session.is_up()) || !self.plan.awaiting.is_empty();
        at.saturating_duration_since(Instant::now()).min(if eager { EAGER } else { CALM })
    }

    /// Whoever waits for a report is woken only where it says something else.
    fn say(&self, report: BgpReport) {
        let before = Arc::clone(&self.tell.borrow());
        for turn in report.turns(&before) {
            if turn.up {
                info!(peer = %turn.peer, "{}", turn.text);
            } else {
                warn!(peer = %turn.peer, "{}", turn.text);
            }
        }
        for problem in report.problems.iter().filter(|problem| !before.problems.contains(problem)) {
            warn!("{problem}");
        }
        let same = report.says_the_same(&before);
        self.tell.send_if_modified(|shown| {
            *shown = Arc::new(report);
            !same
        });
    }
}

async fn reconcile(driver: &mut Driver, wish: &Wish) -> Outcome {
    timeout(DEADLINE, driver.reconcile(&wish.desired)).await.unwrap_or_else(|_elapsed| {
        warn!("FRR took longer than {DEADLINE:?} for what it was told; it is told again");
        let daemon = arpeggio_bgp::Daemon::Bgpd;
        let silent = arpeggio_bgp::vty::VtyError::Silent { daemon, limit: DEADLINE };
        Outcome { faults: vec![silent], ..Outcome::default() }
    })
}

fn now_s() -> u64 {
    monotonic_ns().saturating_add(wall_ahead_ns()) / 1_000_000_000
}
