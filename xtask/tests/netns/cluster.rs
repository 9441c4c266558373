//! Several speakers on one segment, all with the same order of candidates.

use std::net::IpAddr;

use serde_json::Value;
use xtask::lab::{Account, Asker, Echo, Packets, PacketsAccount, Segment, SpeakerProcess, eventually};

use crate::harness::{SOON, address, answered_by, both, owned_by, start, v4};

/// Requests a second and packets a second.
const RATE: u32 = 500;

/// Nodes with speakers and echoes, and the segment they are on.
pub(crate) struct Cluster {
    pub(crate) speakers: Vec<Option<SpeakerProcess>>,
    _echoes: Vec<Echo>,
    pub(crate) segment: Segment,
    flags: Vec<String>,
}

/// A client's two streams.
pub(crate) struct Streams {
    asker: Asker,
    packets: Packets,
}

impl Streams {
    pub(crate) fn stop(self) -> (Account, PacketsAccount) {
        (self.asker.stop().unwrap(), self.packets.stop().unwrap())
    }
}

impl Cluster {
    /// `nodes` speakers with these flags; returns when the first node owns both addresses and every other knows it.
    pub(crate) fn start(nodes: u8, flags: &[&str]) -> Self {
        let segment = Segment::new(nodes).unwrap();
        let hold = |node: &xtask::lab::Node| {
            node.hold(v4()).unwrap();
            Echo::start(&segment.lab, node, v4()).unwrap()
        };
        let echoes = segment.nodes.iter().map(hold).collect();
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut cluster = Self { speakers: Vec::new(), _echoes: echoes, segment, flags };
        // The first before the others: it finds the addresses free.
        for index in 0..usize::from(nodes) {
            let speaker = cluster.speaker(index);
            cluster.speakers.push(Some(speaker));
        }
        cluster.owned_by(0);
        for index in 1..usize::from(nodes) {
            cluster.wait_standing(index, "standby");
        }
        cluster
    }

    fn speaker(&self, index: usize) -> SpeakerProcess {
        let flags: Vec<_> = self.flags.iter().map(String::as_str).collect();
        start(&self.segment, &self.segment.nodes[index], &owned_by(&self.candidates(), "auto"), &flags)
    }

    /// Every node, in order.
    pub(crate) fn candidates(&self) -> Vec<&str> {
        self.segment.nodes.iter().map(|node| node.name.as_str()).collect()
    }

    pub(crate) fn running(&self, index: usize) -> &SpeakerProcess {
        self.speakers[index].as_ref().unwrap()
    }

    /// Ends a speaker at once; its pins stay.
    pub(crate) fn kill(&mut self, index: usize) {
        self.speakers[index].take().unwrap().kill().unwrap();
    }

    /// Starts a speaker that was ended.
    pub(crate) fn restart(&mut self, index: usize) {
        self.speakers[index] = Some(self.speaker(index));
    }

    pub(crate) fn mac(&self, index: usize) -> &str {
        &self.segment.nodes[index].mac
    }

    /// Waits until this node, and nobody else, answers for both addresses.
    pub(crate) fn owned_by(&self, index: usize) {
        answered_by(&self.segment, &self.segment.nodes[index]);
    }

    /// Waits until every node that is asked for its status says that it stands so for both addresses.
    pub(crate) fn wait_standing(&self, index: usize, standing: &str) {
        let speaker = self.running(index);
        eventually(SOON, standing, || {
            let status = speaker.status()?;
            for vip in both() {
                let found = standing_of(&status, vip);
                anyhow::ensure!(found == standing, "{vip} is {found} at node {index}: {status:#}");
            }
            Ok(())
        })
        .unwrap();
    }

    /// Starts both streams of the client and waits until both flow.
    pub(crate) fn streams(&self) -> Streams {
        let (lab, client) = (&self.segment.lab, &self.segment.client);
        let packets = Packets::start(lab, client, v4(), RATE).unwrap();
        Streams { asker: Asker::start(lab, client, &both(), RATE).unwrap(), packets }
    }

    /// Asks this many seconds long, 500 times a second, and returns the account.
    pub(crate) fn ask_for(&self, seconds: u32) -> Account {
        Asker::ask(&self.segment.lab, &self.segment.client, &both(), RATE, RATE * seconds).unwrap()
    }
}

/// What a node says it is for an address.
pub(crate) fn standing_of(status: &Value, vip: IpAddr) -> String {
    address(status, vip)["ownership"]["standing"].as_str().unwrap_or_default().to_owned()
}
