//! What is done to the owner, and for how long clients are watched.

use std::{fmt, time::Duration};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::contenders::{Contender, Kind};

/// What happens to the owner of the address, or to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The owner's link is cut, and mended later.
    LinkCut,
    /// The owner's agent or daemon gets SIGKILL, and is started again later.
    Killed,
    /// The owner's agent or daemon gets SIGSTOP, and SIGCONT five seconds later.
    Frozen,
    /// The owner is evacuated, as before maintenance.
    Evacuated,
    /// The owner's agent or daemon is stopped in order and started again.
    Restarted,
    /// Nothing, for a minute.
    Idle,
    /// Nothing, for a minute beside sixteen busy processes.
    Busy,
}

impl Fault {
    /// All, in the order in which they are measured.
    pub const ALL: [Self; 7] =
        [Self::LinkCut, Self::Killed, Self::Frozen, Self::Evacuated, Self::Restarted, Self::Idle, Self::Busy];

    /// Whether this can be done to the contender.
    pub(super) fn concerns(self, contender: &Contender) -> bool {
        self != Self::Evacuated || matches!(contender.kind, Kind::Ours { .. })
    }

    /// Nothing is done to anybody: failovers are false ones.
    pub(super) fn is_quiet(self) -> bool {
        matches!(self, Self::Idle | Self::Busy)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::LinkCut => "link cut",
            Self::Killed => "killed",
            Self::Frozen => "stopped for 5 s",
            Self::Evacuated => "evacuated",
            Self::Restarted => "restarted",
            Self::Idle => "idle for a minute",
            Self::Busy => "busy for a minute",
        })
    }
}

/// How long things take in a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// From the fault to its end.
    pub(super) fault: Duration,
    /// From there on: whatever the return of the node does to clients happens in this time.
    pub(super) after: Duration,
}

impl Times {
    /// What this contender needs under this fault, with a quarter more and half a second for a machine that is slow.
    pub(super) fn of(contender: &Contender, fault: Fault, quick: bool) -> Self {
        let settled = contender.detection * 5 / 4 + Duration::from_millis(500);
        let minute = if quick { Duration::from_secs(3) } else { Duration::from_mins(1) };
        let during = match fault {
            Fault::LinkCut => settled,
            Fault::Killed => contender.lease.unwrap_or_default() + settled,
            Fault::Frozen => Duration::from_secs(5),
            // An owner that is to go waits two seconds for a successor.
            Fault::Evacuated => Duration::from_secs(2) + settled,
            // The time without the agent ends with its start.
            Fault::Restarted => Duration::ZERO,
            Fault::Idle | Fault::Busy => return Self { fault: minute, after: Duration::ZERO },
        };
        Self { fault: during, after: settled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(lease: Option<u64>) -> Contender {
        Contender {
            name: "a".to_owned(),
            kind: Kind::Keepalived,
            interval: Duration::from_millis(100),
            detection: Duration::from_millis(400),
            lease: lease.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_repetition_outlasts_what_it_waits_for() {
        let seconds = |lease, fault| {
            let times = Times::of(&contender(lease), fault, false);
            (times.fault.as_secs_f64(), times.after.as_secs_f64())
        };
        assert_eq!(seconds(None, Fault::LinkCut), (1.0, 1.0));
        assert_eq!(seconds(Some(3), Fault::Killed), (4.0, 1.0));
        assert_eq!(seconds(Some(3), Fault::Frozen), (5.0, 1.0));
        assert_eq!(seconds(None, Fault::Idle), (60.0, 0.0));
        assert_eq!(Times::of(&contender(None), Fault::Busy, true).fault.as_secs(), 3);
    }

    #[test]
    fn only_ours_can_be_evacuated() {
        let ours = Contender { kind: Kind::Ours { flags: Vec::new() }, ..contender(None) };
        assert!(Fault::Evacuated.concerns(&ours) && !Fault::Evacuated.concerns(&contender(None)));
        assert!(Fault::ALL.iter().all(|fault| *fault == Fault::Evacuated || fault.concerns(&contender(None))));
    }
}
