//! Puts the program on interfaces: the ladder of ways, the links that hold it there, and their pins.

mod adopt;
mod climb;
mod driver;
mod ladder;
pub(super) mod observe;
mod order;

use std::collections::BTreeMap;

pub(super) use driver::{Carrier, kernel_facts};
pub use ladder::{KernelFacts, Steps, VETH_REASON, explain, plan_steps};

use crate::decide::AttachMode;

/// How one interface is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Where the decision function runs. [`AttachMode::User`]: nothing is attached here, the raw socket has to answer.
    /// `None`: the only way that the administrator wants does not work; nothing answers.
    pub mode: Option<AttachMode>,
    /// Every better way (or the wanted one) that is not in use, and why, best first.
    pub steps_down: Vec<(AttachMode, String)>,
    /// Id of the program, where one is attached.
    pub program_id: Option<u32>,
    /// Tag of that program: equal tags are equal instructions.
    pub program_tag: Option<String>,
    /// Programs of others that see a frame before ours does, in that order: what they accept, answer or drop never comes to
    /// ours. Always empty where the kernel does not tell.
    pub behind: Vec<Foreign>,
}

/// Somebody else's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its id.
    pub id: u32,
    /// Its name; unknown to an agent without CAP_SYS_ADMIN.
    pub name: Option<String>,
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "program {name} (id {})", self.id),
            None => write!(f, "program id {}", self.id),
        }
    }
}

/// How every wanted interface is served, by index.
pub type Attachments = BTreeMap<u32, Attachment>;

/// An interface could not be given the program in one way.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttachError {
    /// The kernel said no.
    #[error(transparent)]
    Program(#[from] aya::programs::ProgramError),
    /// The program is not there.
    #[error(transparent)]
    Load(#[from] super::load::ProgramLoadError),
    /// The link could not be used.
    #[error(transparent)]
    Link(#[from] aya::programs::links::LinkError),
    /// The link could not be pinned.
    #[error("the link cannot be pinned at {}", path.display())]
    Pin { path: std::path::PathBuf, source: aya::pin::PinError },
    /// `/proc` is not there.
    #[error("cannot read /proc/self/fdinfo")]
    Observe(#[source] std::io::Error),
    /// The interface vanished or got another index meanwhile.
    #[error("the interface is gone")]
    Gone,
    /// The kernel attached it without a link (before 5.9), so it would die with the agent and leave a trace behind.
    #[error("this kernel attaches XDP programs without links, which cannot be pinned (Linux 5.9 and later can)")]
    NoLink,
}
