//! A segment with one contender on it, and the repetitions that are made there.

use std::{fs, net::IpAddr, path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{
    cluster::Cluster,
    contenders::{Contender, Kind, LEASE},
    faults::{Fault, Times},
    keepalived::Keepalived,
    ours::Ours,
    peer::Peer,
    plan::{ADDRESS, Plan},
    report::Trial,
    timeline::{self, Request},
};
use crate::{
    bench::busy::Busy,
    lab::{Asker, Echo, Packets, Segment, clients, eventually},
};

/// How many nodes may have it.
const NODES: u8 = 3;
/// Requests and packets a second.
const RATE: &str = "500";
/// How long after a request its answer counts. Answers take less than a millisecond or do not come; and kernels keep a
/// neighbour for every sender of requests in flight, a thousand in all namespaces together.
const ANSWER: &str = "200ms";
/// How long the clients run before the fault.
const BEFORE: Duration = Duration::from_millis(500);
/// How long a contender may take until somebody answers.
const SETTLING: Duration = Duration::from_secs(30);

/// A contender at work.
pub(super) struct Bed {
    // In this order: processes end before their namespaces go.
    cluster: Box<dyn Cluster>,
    _echoes: Vec<Echo>,
    segment: Segment,
    contender: Contender,
}

impl Bed {
    /// Puts all nodes to work and waits until one of them answers.
    pub(super) fn make(plan: &Plan, contender: &Contender, fault: Fault) -> Result<Self> {
        let segment = Segment::new(NODES)?;
        let address = IpAddr::V4(ADDRESS);
        // Every node would serve what reaches it, as with kube-proxy.
        segment.nodes.iter().try_for_each(|node| node.hold(address))?;
        let echoes =
            segment.nodes.iter().map(|node| Echo::start(&segment.lab, node, address)).collect::<Result<_>>()?;
        let cluster: Box<dyn Cluster> = match &contender.kind {
            Kind::Ours { flags } => {
                let mut flags = flags.clone();
                if fault == Fault::Killed {
                    flags.extend(["--lease".to_owned(), format!("{}s", LEASE.as_secs())]);
                    flags.extend(["--lease-renew".to_owned(), format!("{}ms", LEASE.as_millis() / 10)]);
                }
                Box::new(Ours::new(&segment, plan.speaker(), flags))
            }
            Kind::Keepalived => Box::new(Keepalived::new(&segment, contender.interval)),
            Kind::Peer(script) => Box::new(Peer::new(&segment, script.clone())?),
        };
        let mut bed = Self { cluster, _echoes: echoes, segment, contender: contender.clone() };
        for node in 0..bed.segment.nodes.len() {
            bed.cluster.start(&bed.segment, node)?;
        }
        bed.owner()?;
        // The others get to know the owner.
        thread::sleep(bed.contender.detection + BEFORE);
        Ok(bed)
    }

    /// The position of the node that answers.
    fn owner(&self) -> Result<usize> {
        eventually(SETTLING, "an answer", || {
            let mac = clients::ask(&self.segment.client, IpAddr::V4(ADDRESS))?;
            let owner = self.segment.nodes.iter().position(|node| node.mac == mac);
            owner.with_context(|| format!("{ADDRESS} is answered by {mac}, which is no node's"))
        })
    }

    /// One repetition: what the clients saw, and every request with its answer.
    pub(super) fn repeat(&mut self, fault: Fault, quick: bool) -> Result<(Trial, Vec<Request>)> {
        let owner = self.owner()?;
        let times = Times::of(&self.contender, fault, quick);
        let busy = (fault == Fault::Busy).then(|| Busy::start(&self.segment.lab)).transpose()?;
        let watch = Watch::start(&self.segment)?;
        thread::sleep(BEFORE);
        let fault_ns = jiff::Timestamp::now().as_nanosecond();
        self.undergo(fault, owner, times.fault)?;
        thread::sleep(times.after);
        let seen = watch.stop(fault_ns)?;
        drop(busy);
        Ok(seen)
    }

    /// The fault, its time and its end.
    fn undergo(&mut self, fault: Fault, owner: usize, time: Duration) -> Result<()> {
        let Self { segment, cluster, .. } = self;
        match fault {
            Fault::LinkCut => {
                let cut = segment.cut(&segment.nodes[owner])?;
                thread::sleep(time);
                cut.heal()
            }
            Fault::Killed => {
                cluster.kill(segment, owner)?;
                thread::sleep(time);
                cluster.start(segment, owner)
            }
            Fault::Frozen => {
                cluster.freeze(segment, owner, true)?;
                thread::sleep(time);
                cluster.freeze(segment, owner, false)
            }
            Fault::Evacuated => {
                cluster.evacuate(segment, owner, true)?;
                thread::sleep(time);
                cluster.evacuate(segment, owner, false)
            }
            Fault::Restarted => {
                cluster.stop(segment, owner)?;
                cluster.start(segment, owner)
            }
            Fault::Idle | Fault::Busy => {
                thread::sleep(time);
                Ok(())
            }
        }
    }
}

/// Both clients at work.
struct Watch {
    asker: Asker,
    packets: Packets,
    log: PathBuf,
}

impl Watch {
    fn start(segment: &Segment) -> Result<Self> {
        let (lab, client, address) = (&segment.lab, &segment.client, IpAddr::V4(ADDRESS));
        let log = lab.free_path("requests", "jsonl")?;
        let log_argument = log.to_string_lossy();
        let packets = Packets::start_with(lab, client, address, &["--rate", RATE])?;
        let arguments = ["--rate", RATE, "--timeout", ANSWER, "--log", &log_argument];
        let asker = Asker::start_with(lab, client, &[address], &arguments)?;
        Ok(Self { asker, packets, log })
    }

    /// Ends both and puts together what they saw; `fault_ns` is of the wall clock.
    fn stop(self, fault_ns: i128) -> Result<(Trial, Vec<Request>)> {
        let (asked, sent) = (self.asker.stop()?, self.packets.stop()?);
        ensure!(asked.sent > 0 && sent.sent > 0, "the clients did nothing: {asked:?} {sent:?}");
        let from_beginning = i64::try_from(fault_ns - i128::from(asked.began_unix_ns))?;
        let log = fs::read_to_string(&self.log).with_context(|| format!("read {}", self.log.display()))?;
        let requests = timeline::read(&log, &asked.doubles, from_beginning).context("read the asker's log")?;
        let trial = Trial {
            answer_gap_ms: asked.longest_gap_ns as f64 / 1e6,
            packet_gap_ms: sent.longest_gap_ns as f64 / 1e6,
            requests: asked.sent,
            requests_lost: asked.lost,
            packets: sent.sent,
            packets_lost: sent.lost,
            double_ms: asked.longest_double_ns as f64 / 1e6,
            takeovers: timeline::takeovers(&requests),
        };
        Ok((trial, requests))
    }
}
