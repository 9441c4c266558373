//! Finds out whether a stranger that answers for an address answers for every one: asks the segment for two that nobody has.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use arpeggio_common::wire::Mac;
use arpeggio_succession::{Happened, Proxy, Report};
use tokio::{sync::mpsc, time::sleep};
use tracing::{debug, info, warn};

use super::{
    agent::Agent,
    situation::{signer, speaker},
};
use crate::{
    clock::monotonic_ns,
    decide::{Proxies, unused},
    frames::{Asking, Enquiry},
    world::ProxyArp,
};

/// Rounds of questions, and how long each waits for answers: a Linux host answers for others with up to 800 ms of delay.
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_millis(500);
/// Answers that may wait for the agent.
const WAITING: usize = 16;

/// Who answered for two addresses that nobody is known to have.
pub(super) struct Answered {
    /// Interface, and whether it is IPv4.
    of: (u32, bool),
    answers: [BTreeSet<Mac>; 2],
}

/// What is known of proxies, and where answers come in.
pub(super) struct ProxyFinder {
    proxies: Proxies,
    tell: mpsc::Sender<Answered>,
    told: mpsc::Receiver<Answered>,
}

impl Default for ProxyFinder {
    fn default() -> Self {
        let (tell, told) = mpsc::channel(WAITING);
        Self { proxies: Proxies::default(), tell, told }
    }
}

impl ProxyFinder {
    /// The next answers. Cancel safe.
    pub(super) async fn next(&mut self) -> Answered {
        match self.told.recv().await {
            Some(answered) => answered,
            // Cannot be: the other end is beside this one.
            None => std::future::pending().await,
        }
    }
}

impl Agent {
    /// Strangers that answer for addresses of ours may answer for all.
    pub(super) fn suspect_proxies(&mut self, reports: &[Report]) {
        for report in reports {
            let strange = matches!(report.happened, Happened::AddressInUse | Happened::AddressConflict);
            let (ifindex, address) = report.place;
            if strange
                && report.other.is_some_and(|other| other.node.is_none())
                && self.finder.proxies.suspect(ifindex, address, report.at_ns)
            {
                self.ask_for_unused(ifindex, address);
            }
        }
    }

    /// What is known for long is asked for again.
    pub(super) fn look_at_proxies_again(&mut self) {
        for (ifindex, address) in self.finder.proxies.due(monotonic_ns()) {
            self.ask_for_unused(ifindex, address);
        }
    }

    /// Asks beside everything else; [`ProxyFinder::next`] yields what came back.
    fn ask_for_unused(&self, ifindex: u32, address: IpAddr) {
        let Some((world, _)) = &self.current else { return };
        let Some(link) = world.links.0.get(&ifindex) else { return };
        let Some(speaker) = speaker(signer(&world.config), link) else { return };
        let config = &world.config;
        let gateways = self.surroundings.gateways.get(&ifindex);
        let taken = |one: IpAddr| {
            config.announcements.contains_key(&one)
                || config.pools.contains_key(&one)
                || gateways.is_some_and(|gateways| gateways.contains(&one))
        };
        let Some(addresses) = unused(link, address, taken, || fastrand::u64(..)) else {
            debug!(%address, interface = link.name, "no address is unused there: it cannot be told whether a proxy answers");
            return;
        };
        let asking = Asking { speaker, as_client: true, others: BTreeSet::new(), witnesses: BTreeSet::new() };
        let tell = self.finder.tell.clone();
        tokio::task::spawn_local(async move {
            let answers = ask(ifindex, addresses, asking).await;
            // Fails only when the agent ends.
            let _ = tell.send(Answered { of: (ifindex, address.is_ipv4()), answers }).await;
        });
    }

    /// Takes note of what came back, and decides anew when that changes anything.
    pub(super) fn proxies_answered(&mut self, answered: Answered) {
        if !self.finder.proxies.answered(answered.of, &answered.answers, monotonic_ns()) {
            return;
        }
        let known = self.finder.proxies.known();
        let before = std::mem::replace(&mut self.surroundings.proxies, known.clone());
        let Some(world) = self.current.as_ref().map(|(world, _)| world.clone()) else { return };
        let respected = world.config.succession.proxy_arp == ProxyArp::Respect;
        for Proxy { ifindex, ipv4, mac } in known.difference(&before) {
            let (interface, family) = (self.interface_name(*ifindex), if *ipv4 { "IPv4" } else { "IPv6" });
            let then = if respected { "addresses are left to it" } else { "what it answers is ignored" };
            warn!(interface, %mac, "a proxy answers there for every {family} address: {then} (succession.proxy_arp)");
        }
        for Proxy { ifindex, mac, .. } in before.difference(&known) {
            info!(interface = self.interface_name(*ifindex), %mac, "no proxy any more");
        }
        self.publishing.forget_rivals(&known);
        self.decide(world);
        self.reconcile();
    }
}

/// Who answers for each of the addresses. What cannot be asked is answered by nobody.
async fn ask(ifindex: u32, addresses: [IpAddr; 2], asking: Asking) -> [BTreeSet<Mac>; 2] {
    let interfaces = [(ifindex, asking)].into();
    let mut enquiries = addresses.map(|address| Enquiry::open(address, &interfaces).ok());
    for _ in 0..ROUNDS {
        enquiries.iter_mut().flatten().for_each(Enquiry::ask);
        sleep(PATIENCE).await;
    }
    enquiries.map(|enquiry| {
        let answers = enquiry.and_then(|enquiry| enquiry.finish().remove(&ifindex)?.ok());
        answers.map(|answers| answers.macs).unwrap_or_default()
    })
}
