//! What a check says: one finding for each fact that matters.

use serde::Serialize;

/// Whether a fact stands in the way. The order is that of gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could, or not in every case.
    Warn,
    /// The agent cannot do its work.
    Fail,
}

impl Verdict {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Area {
    /// The running kernel.
    Kernel,
    /// Where programs and maps are pinned.
    Pins,
    /// What this process may do.
    Privileges,
    /// Which interfaces are used and how.
    Interface,
    /// What a network card does to frames before the program sees them.
    Nic,
    /// Settings of the kernel's own ARP and IP.
    Sysctl,
}

impl Area {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Pins => "pins",
            Self::Privileges => "privileges",
            Self::Interface => "interface",
            Self::Nic => "nic",
            Self::Sysctl => "sysctl",
        }
    }
}

/// One fact and what it means for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// The thing: `tcx`, `eth0`, `CAP_BPF`.
    pub subject: String,
    /// Whether it stands in the way.
    pub verdict: Verdict,
    /// The fact and its meaning, one sentence.
    pub text: String,
    /// What to do about it; absent when there is nothing to do.
    pub remedy: Option<String>,
}

impl Finding {
    fn new(verdict: Verdict, area: Area, subject: &str, text: String, remedy: Option<String>) -> Self {
        Self { area, subject: subject.to_owned(), verdict, text, remedy }
    }

    pub(super) fn ok(area: Area, subject: &str, text: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, area, subject, text.into(), None)
    }

    pub(super) fn warn(area: Area, subject: &str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, area, subject, text.into(), Some(remedy.into()))
    }

    pub(super) fn fail(area: Area, subject: &str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, area, subject, text.into(), Some(remedy.into()))
    }
}

/// Everything that was found, in the order in which it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// The gravest of the findings.
    pub verdict: Verdict,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// `findings` in the order in which they are shown.
    pub fn new(findings: Vec<Finding>) -> Self {
        Self { verdict: findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok), findings }
    }

    /// How many findings have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}
