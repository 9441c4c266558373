//! Makes FRR what it should be: reads, plans, tells, and reads again.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    config::{Config, Daemon, Vrf},
    desired::Desired,
    facts::{self, SessionFacts},
    observe,
    plan::{self, Command, Conflict, Object},
    render,
    vty::{Vty, VtyError},
};

/// How long a daemon may take for one answer.
const LIMIT: Duration = Duration::from_secs(5);

/// A line that a daemon did not take. It stopped nothing else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {daemon} refuses {line:?} with code {code}: {text}")]
pub struct Refused {
    /// Who.
    pub daemon: Daemon,
    /// What it is about.
    pub object: Object,
    /// The line, without a password.
    pub line: String,
    /// FRR's code.
    pub code: u8,
    /// FRR's words.
    pub text: String,
}

/// How it went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// FRR's version.
    pub version: Option<(u32, u32)>,
    /// Lines that were taken.
    pub changed: usize,
    /// Lines that were not.
    pub refused: Vec<Refused>,
    /// What foreign configuration stands in the way of.
    pub conflicts: Vec<Conflict>,
    /// Lines that were taken and have not led to what is wanted.
    pub unsettled: Vec<Command>,
    /// Peers whose BFD follows when their session is up: reconcile again then.
    pub awaiting: BTreeSet<String>,
    /// Daemons that are not to be had. With bgpd nothing is known or changed; without bfdd everything but BFD is.
    pub faults: Vec<VtyError>,
    /// All sessions that FRR has, also foreign ones.
    pub sessions: Vec<SessionFacts>,
}

impl Outcome {
    /// Whether FRR is as it should be.
    pub fn is_settled(&self) -> bool {
        self.refused.is_empty()
            && self.conflicts.is_empty()
            && self.unsettled.is_empty()
            && self.awaiting.is_empty()
            && self.faults.is_empty()
    }
}

/// Makes FRR what it should be, once. Its sockets are in `directory`.
pub async fn reconcile(directory: &Path, desired: &Desired) -> Outcome {
    Driver::new(directory.to_owned()).reconcile(desired).await
}

/// Makes FRR what it should be, again and again, and notices when it was restarted.
#[derive(Debug)]
pub struct Driver {
    directory: PathBuf,
    limit: Duration,
    bgpd: Option<Vty>,
    bfdd: Option<Vty>,
}

impl Driver {
    /// For the sockets in this directory.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, limit: LIMIT, bgpd: None, bfdd: None }
    }

    /// With another limit for each answer.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Makes FRR what it should be. Whatever state an earlier call or a restart left is read anew.
    pub async fn reconcile(&mut self, desired: &Desired) -> Outcome {
        let mut outcome = Outcome::default();
        // Connections are kept only to notice their end: a new one costs less than to find out whether an old one is good.
        (self.bgpd, self.bfdd) = (None, None);
        let mut bgpd = match Vty::connect(&self.directory, Daemon::Bgpd, self.limit).await {
            Ok(vty) => vty,
            Err(error) => {
                outcome.faults.push(error);
                return outcome;
            }
        };
        let mut bfdd = match Vty::connect(&self.directory, Daemon::Bfdd, self.limit).await {
            Ok(vty) => Some(vty),
            Err(error) => {
                // Nobody misses it where nobody uses BFD.
                if !desired.profiles.is_empty() {
                    outcome.faults.push(error);
                }
                None
            }
        };
        if let Err(error) = self.converge(desired, (&mut bgpd, &mut bfdd), &mut outcome).await {
            outcome.faults.push(error);
            return outcome;
        }
        (self.bgpd, self.bfdd) = (Some(bgpd), bfdd);
        outcome
    }

    /// The sessions as they are now, over the connections of the last [`Self::reconcile`]. `None`: they are of no use any more.
    pub async fn look(&mut self) -> Option<Vec<SessionFacts>> {
        let bgpd = self.bgpd.as_mut()?;
        let found = sessions(bgpd, self.bfdd.as_mut()).await.ok();
        if found.is_none() {
            (self.bgpd, self.bfdd) = (None, None);
        }
        found
    }

    /// Waits until one of the daemons ends, and then until bgpd can be had again: time to reconcile.
    pub async fn restarted(&mut self) {
        match (&mut self.bgpd, &mut self.bfdd) {
            (Some(bgpd), Some(bfdd)) => tokio::select! {
                () = bgpd.ended() => {}
                () = bfdd.ended() => {}
            },
            (Some(bgpd), None) => bgpd.ended().await,
            (None, _) => {}
        }
        (self.bgpd, self.bfdd) = (None, None);
        // The pause comes first: a daemon that takes connections and ends them must not keep anybody busy.
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if Vty::connect(&self.directory, Daemon::Bgpd, self.limit).await.is_ok() {
                return;
            }
        }
    }

    async fn converge(
        &self,
        desired: &Desired,
        (bgpd, bfdd): (&mut Vty, &mut Option<Vty>),
        outcome: &mut Outcome,
    ) -> Result<(), VtyError> {
        outcome.sessions = sessions(bgpd, bfdd.as_mut()).await?;
        let (observed, version) = observed(bgpd, bfdd.as_mut()).await?;
        outcome.version = version;
        let up = established(&outcome.sessions);
        let planned = compute(desired, &observed, &up, bfdd.is_some());
        outcome.conflicts = planned.conflicts;
        outcome.awaiting = planned.awaiting;
        self.next_hops(desired, version, outcome).await;
        if planned.commands.is_empty() {
            return Ok(());
        }
        for group in planned.commands.chunk_by(|one, two| (one.daemon, &one.context) == (two.daemon, &two.context)) {
            let vty = match group.first().map(|command| command.daemon) {
                Some(Daemon::Bgpd) => Some(&mut *bgpd),
                Some(Daemon::Bfdd) => bfdd.as_mut(),
                Some(Daemon::Zebra) | None => None,
            };
            if let Some(vty) = vty {
                tell(vty, group, outcome).await?;
            }
        }
        let (after, _) = self::observed(bgpd, bfdd.as_mut()).await?;
        let left = compute(desired, &after, &up, bfdd.is_some()).commands;
        let refused: BTreeSet<(&Object, &str)> =
            outcome.refused.iter().map(|refused| (&refused.object, refused.line.as_str())).collect();
        let is_refused = |command: &Command| {
            let mut lines = command.context.iter().cloned().chain([command.shown()]);
            lines.any(|line| refused.contains(&(&command.object, line.as_str())))
        };
        outcome.unsettled = left.into_iter().filter(|command| !is_refused(command)).collect();
        outcome.sessions = sessions(bgpd, bfdd.as_mut()).await?;
        Ok(())
    }

    /// Peers that are reached by a default route: what FRR 10 does by itself.
    async fn next_hops(&self, desired: &Desired, version: Option<(u32, u32)>, outcome: &mut Outcome) {
        if desired.routers.is_empty() || version.is_none_or(|(major, _)| major >= 10) {
            return;
        }
        let told = async {
            let mut zebra = Vty::connect(&self.directory, Daemon::Zebra, self.limit).await?;
            let running = zebra.run("show running-config").await?.text;
            let commands: Vec<Command> = plan::next_hops(&running);
            for group in commands.chunk_by(|_, _| true) {
                tell(&mut zebra, group, outcome).await?;
            }
            Ok(())
        };
        if let Err(error) = told.await {
            outcome.faults.push(error);
        }
    }
}

fn established(sessions: &[SessionFacts]) -> BTreeSet<(Vrf, String)> {
    let up = sessions.iter().filter(|session| session.is_established());
    up.map(|session| (session.vrf.clone(), session.neighbor.clone())).collect()
}

fn compute(desired: &Desired, observed: &Config, up: &BTreeSet<(Vrf, String)>, bfd: bool) -> plan::Plan {
    let tags = render::tags(desired, observed);
    let mut wanted = render::render(desired, &tags);
    if !bfd {
        wanted.profiles.clear();
    }
    plan::plan(&wanted, observed, up)
}

async fn observed(bgpd: &mut Vty, bfdd: Option<&mut Vty>) -> Result<(Config, Option<(u32, u32)>), VtyError> {
    let mut config = Config::default();
    let text = bgpd.run("show running-config").await?.text;
    observe::read(&text, &mut config);
    if let Some(bfdd) = bfdd {
        observe::read(&bfdd.run("show running-config").await?.text, &mut config);
    }
    Ok((config, observe::version(&text)))
}

async fn sessions(bgpd: &mut Vty, bfdd: Option<&mut Vty>) -> Result<Vec<SessionFacts>, VtyError> {
    let mut sessions = facts::sessions(&bgpd.run("show bgp vrf all neighbors json").await?.text);
    if let Some(bfdd) = bfdd {
        let peers = bfdd.run("show bfd peers json").await?.text;
        let counters = bfdd.run("show bfd peers counters json").await?.text;
        facts::add_bfd(&mut sessions, &peers, &counters);
    }
    Ok(sessions)
}

/// Tells a daemon commands of one place. Each begins from the top, so that a refused line leads no other one astray.
async fn tell(vty: &mut Vty, group: &[Command], outcome: &mut Outcome) -> Result<(), VtyError> {
    let context = group.first().map(|command| command.context.as_slice()).unwrap_or_default();
    let mut lines = vec!["end", "configure terminal"];
    lines.extend(context.iter().map(String::as_str));
    let before = lines.len();
    lines.extend(group.iter().map(|command| command.line.as_str()));
    lines.push("end");
    let answers = vty.run_all(&lines).await?;
    // What cannot be entered is what is wrong, not the lines that should be in it.
    let entered = answers.iter().zip(&lines).take(before).skip(2).find(|(answer, _)| !answer.is_done());
    for (command, answer) in group.iter().zip(answers.iter().skip(before)) {
        let (answer, line) = match entered {
            Some((answer, line)) => (answer, (*line).to_owned()),
            None => (answer, command.shown()),
        };
        if answer.is_done() {
            outcome.changed += 1;
        } else {
            let (daemon, object, code) = (command.daemon, command.object.clone(), answer.code);
            let text = answer.text.split_whitespace().collect::<Vec<_>>().join(" ");
            outcome.refused.push(Refused { daemon, object, line, code, text });
        }
    }
    Ok(())
}
