//! Our own agents.

use std::{net::IpAddr, path::PathBuf};

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;

use super::{
    cluster::{Cluster, node},
    plan::ADDRESS,
};
use crate::{
    lab::{Segment, SpeakerOptions, SpeakerProcess, static_config},
    sh,
};

/// An agent on each node.
pub(super) struct Ours {
    agents: Vec<Option<SpeakerProcess>>,
    config: String,
    options: SpeakerOptions,
}

impl Ours {
    /// Agents of this program with these flags, for a segment of so many nodes.
    pub(super) fn new(segment: &Segment, program: PathBuf, flags: Vec<String>) -> Self {
        let candidates: Vec<&str> = segment.nodes.iter().map(|node| node.name.as_str()).collect();
        Self {
            agents: segment.nodes.iter().map(|_| None).collect(),
            config: static_config(&[IpAddr::V4(ADDRESS)], &candidates, "native"),
            options: SpeakerOptions { program: Some(program), flags, ..SpeakerOptions::default() },
        }
    }

    fn agent(&self, node: usize) -> Result<&SpeakerProcess> {
        self.agents.get(node).and_then(Option::as_ref).with_context(|| format!("no agent runs on node {}", node + 1))
    }

    fn take(&mut self, node: usize) -> Result<SpeakerProcess> {
        let agent = self.agents.get_mut(node).and_then(Option::take);
        agent.with_context(|| format!("no agent runs on node {}", node + 1))
    }
}

impl Cluster for Ours {
    fn start(&mut self, segment: &Segment, position: usize) -> Result<()> {
        let agent = SpeakerProcess::start(&segment.lab, node(segment, position)?, &self.config, &self.options)?;
        if let Some(place) = self.agents.get_mut(position) {
            *place = Some(agent);
        }
        Ok(())
    }

    fn stop(&mut self, _segment: &Segment, node: usize) -> Result<()> {
        self.take(node)?.terminate()
    }

    fn kill(&mut self, _segment: &Segment, node: usize) -> Result<()> {
        self.take(node)?.kill()
    }

    fn freeze(&mut self, _segment: &Segment, node: usize, frozen: bool) -> Result<()> {
        self.agent(node)?.signal(if frozen { Signal::SIGSTOP } else { Signal::SIGCONT })
    }

    fn evacuate(&mut self, _segment: &Segment, node: usize, evacuated: bool) -> Result<()> {
        let arguments: &[&str] = if evacuated { &["evacuate"] } else { &["evacuate", "--undo"] };
        sh::run(self.agent(node)?.cli(arguments))
    }
}
