//! Processes that want the processor all the time.

use std::process::Command;

use anyhow::Result;

use crate::lab::{Lab, Running};

/// As many as the goals name.
const PROCESSES: u32 = 16;

/// Processes in an endless loop; each is ended by its id when this is dropped.
pub(super) struct Busy {
    _processes: Vec<Running>,
}

impl Busy {
    /// Starts them.
    pub(super) fn start(lab: &Lab) -> Result<Self> {
        let log = lab.directory().join("busy.log");
        let start = |_| Running::start(Command::new("sh").args(["-c", "while :; do :; done"]), &log);
        Ok(Self { _processes: (0..PROCESSES).map(start).collect::<Result<_>>()? })
    }
}
