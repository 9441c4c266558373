//! Makes the segment know what is ours: gratuitous frames by schedule, membership in the groups of owned addresses.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use arpeggio_common::abi::NodeId;

use crate::{
    causes::with_causes,
    decide::Desired,
    frames::{FrameSocket, Gratuitous, Groups, Membership, Pace, SendError},
    status::GratuitousFacts,
};

/// The schedule, the socket and the memberships.
pub(super) struct Announcer {
    socket: FrameSocket,
    schedule: Gratuitous,
    groups: Groups,
    wanted_groups: BTreeSet<Membership>,
    refresh: Option<Duration>,
    next_ns: Option<u64>,
    sent: GratuitousFacts,
}

impl Announcer {
    /// Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// No raw socket can be had.
    pub(super) fn open(node: NodeId) -> Result<Self, SendError> {
        Ok(Self {
            socket: FrameSocket::open()?,
            schedule: Gratuitous::new(node, Pace::default(), None),
            groups: Groups::default(),
            wanted_groups: BTreeSet::new(),
            refresh: None,
            next_ns: None,
            sent: GratuitousFacts::default(),
        })
    }

    /// From now on the frames say that this is their sender.
    pub(super) const fn set_node(&mut self, node: NodeId) {
        self.schedule.set_node(node);
    }

    /// What was answered all along, before this agent started: nobody needs to hear of it again.
    pub(super) fn adopt(&mut self, answered: &Desired, known: &BTreeSet<(u32, IpAddr)>) {
        self.schedule.adopt(answered, known);
    }

    /// From now on this is answered.
    pub(super) fn follow(&mut self, answered: &Desired, refresh: Option<Duration>, now_ns: u64) {
        if refresh != self.refresh {
            self.refresh = refresh;
            self.schedule.set_refresh(refresh);
        }
        self.schedule.follow(answered, now_ns);
        self.next_ns = Some(now_ns);
        self.wanted_groups.clone_from(&answered.groups);
    }

    /// When [`Self::work`] wants to be called again, monotonic nanoseconds.
    pub(super) const fn next_ns(&self) -> Option<u64> {
        self.next_ns
    }

    /// Sends what is due and joins or leaves some groups; returns what did not work out.
    pub(super) fn work(&mut self, now_ns: u64) -> Vec<String> {
        let step = self.schedule.step(now_ns);
        self.next_ns = step.next_ns;
        let mut errors = Vec::new();
        if !step.frames.is_empty() {
            let report = self.socket.send_all(&step.frames);
            self.sent.frames += report.sent;
            self.sent.failed += report.full + report.failed;
            self.sent.last_ns = Some(now_ns);
            errors.extend(report.errors.values().map(|error| with_causes(error)));
        }
        let report = self.groups.apply(&self.wanted_groups);
        if report.remaining > 0 {
            self.next_ns = Some(now_ns);
        }
        for (ifindex, (count, error)) in &report.failed {
            errors.push(format!("{count} groups on interface {ifindex}: {}", with_causes(error)));
        }
        errors
    }

    /// Interfaces changed: finds out which memberships the kernel dropped meanwhile.
    pub(super) fn verify_groups(&mut self) -> Option<String> {
        self.groups.verify().err().map(|error| with_causes(&error))
    }

    /// Frames sent so far.
    pub(super) const fn sent(&self) -> GratuitousFacts {
        self.sent
    }

    /// The groups that are joined.
    pub(super) fn joined(&self) -> BTreeSet<Membership> {
        self.groups.joined()
    }
}
