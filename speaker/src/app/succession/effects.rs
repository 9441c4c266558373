//! What leaves this node for the succession: questions, claims, signs of life, and what is handed to those who correct caches.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
};

use arpeggio_common::{program::with_causes, wire::Mac};
use arpeggio_succession::{Orders, To};

use super::{
    Situation,
    corrections::{Gained, Job},
};
use crate::{
    dataplane::Place,
    frames::{
        Frame, FrameSocket, Gratuitous, Pace,
        messages::{self, Saying, Signer, Speaker},
    },
    status::GratuitousFacts,
};

/// The same trouble is told once in this time, in nanoseconds.
const TROUBLE_NS: u64 = 10_000_000_000;

/// Addresses that are not announced any more and whose count is kept all the same.
const SPARE: usize = 64;

/// Sends.
pub(super) struct Outlet {
    socket: FrameSocket,
    claims: Gratuitous,
    corrections: SyncSender<Vec<Job>>,
    jobs: Vec<Job>,
    speakers: BTreeMap<u32, Speaker>,
    /// By which order something is said.
    orders: Arc<Orders>,
    witnesses: BTreeMap<u32, BTreeSet<IpAddr>>,
    sent: GratuitousFacts,
    sent_of: BTreeMap<IpAddr, u64>,
    /// When what kind of trouble was told last.
    told_ns: BTreeMap<(u32, &'static str), u64>,
    troubles: Vec<String>,
}

impl Outlet {
    /// In the name of `me`.
    pub(super) fn new(me: Signer, socket: FrameSocket, corrections: SyncSender<Vec<Job>>) -> Self {
        Self {
            socket,
            claims: Gratuitous::new(me, Pace::default(), None),
            corrections,
            jobs: Vec::new(),
            speakers: BTreeMap::new(),
            orders: Arc::default(),
            witnesses: BTreeMap::new(),
            sent: GratuitousFacts::default(),
            sent_of: BTreeMap::new(),
            told_ns: BTreeMap::new(),
            troubles: Vec::new(),
        }
    }

    /// This node has another name now: nothing of what it claimed before is its own.
    pub(super) fn rename(&mut self, me: Signer) {
        self.claims = Gratuitous::new(me, Pace::default(), None);
    }

    /// The world changed.
    pub(super) fn follow(&mut self, situation: &Situation, refresh_changed: bool, now_ns: u64) {
        self.speakers.clone_from(&situation.speakers);
        self.orders = Arc::clone(&situation.orders);
        if self.sent_of.len() > 2 * self.orders.places.len() + SPARE {
            let known: BTreeSet<IpAddr> = self.orders.places.keys().map(|(_, address)| *address).collect();
            self.sent_of.retain(|address, _| known.contains(address));
        }
        self.claims.follow(situation.signer, Arc::clone(&situation.orders));
        self.witnesses.clone_from(&situation.witnesses);
        if refresh_changed {
            self.claims.set_refresh(situation.refresh);
        }
        for (ifindex, speaker) in &self.speakers {
            self.claims.moved(*ifindex, speaker.mac, now_ns);
        }
        self.jobs.push(Job::Follow(situation.user.clone()));
    }

    /// The interfaces that are to have another MAC than now.
    pub(super) fn moved(&self, speakers: &BTreeMap<u32, Speaker>) -> BTreeSet<u32> {
        let is_other = |(index, now): &(&u32, &Speaker)| self.speakers.get(index).is_some_and(|was| was.mac != now.mac);
        speakers.iter().filter(is_other).map(|(index, _)| *index).collect()
    }

    /// The address is ours since before this agent started.
    pub(super) fn adopt(&mut self, place: Place) {
        if let Some(speaker) = self.speakers.get(&place.0) {
            self.claims.adopt(place, speaker.mac);
        }
    }

    /// Asks for an address.
    pub(super) fn ask(&mut self, place: Place, to: To, now_ns: u64) {
        let Some(speaker) = self.speakers.get(&place.0) else { return };
        match messages::question(speaker, place, to, self.saying(place, now_ns)) {
            Some(frame) => self.send(&frame, now_ns),
            None => self.trouble(place.0, "asking", now_ns, || {
                format!("cannot ask for {} on interface {}: it has no link-local address", place.1, place.0)
            }),
        }
    }

    fn saying(&self, place: Place, now_ns: u64) -> Saying {
        Saying { generation: self.orders.places.get(&place).map_or(0, |order| order.generation), now_ns }
    }

    /// One claim, to one other speaker.
    pub(super) fn inform(&mut self, place: Place, to: Mac, now_ns: u64) {
        let saying = self.saying(place, now_ns);
        let speaker = self.speakers.get(&place.0);
        if let Some(frame) = speaker.and_then(|speaker| messages::claim_to(place, speaker, to, saying)) {
            self.send(&frame, now_ns);
        }
    }

    /// Makes somebody send something.
    pub(super) fn provoke(&mut self, ifindex: u32, now_ns: u64) {
        let Some(speaker) = self.speakers.get(&ifindex).copied() else { return };
        let witnesses = self.witnesses.get(&ifindex).cloned().unwrap_or_default();
        for frame in witnesses.into_iter().filter_map(|witness| messages::sign_of_life(&speaker, ifindex, witness)) {
            self.send(&frame, now_ns);
        }
    }

    /// Begins the rounds of claims.
    pub(super) fn claim(&mut self, place: Place, now_ns: u64) {
        if let Some(speaker) = self.speakers.get(&place.0) {
            self.claims.claim(place, speaker.mac, now_ns);
        }
    }

    /// One round of claims.
    pub(super) fn defend(&mut self, place: Place) {
        self.claims.defend(place);
    }

    /// No claims any more.
    pub(super) fn quiet(&mut self, place: Place) {
        self.claims.quiet(place);
    }

    /// Hands clients over to be told that these shares of an address are ours.
    pub(super) fn correct_clients(&mut self, place: Place, buckets: u64) {
        if let Some(speaker) = self.speakers.get(&place.0) {
            let generation = self.orders.places.get(&place).map_or(0, |order| order.generation);
            self.jobs.push(Job::Correct { place, gained: Gained { speaker: *speaker, generation, buckets } });
        }
    }

    /// Whoever still sends traffic for the address to us is told its owner.
    pub(super) fn heal(&mut self, place: Place, owner: Mac) {
        if let Some(speaker) = self.speakers.get(&place.0) {
            self.jobs.push(Job::Heal { place, from: speaker.mac, owner });
        }
    }

    /// Hands over what there is to correct.
    fn hand_over(&mut self, now_ns: u64) {
        if self.jobs.is_empty() {
            return;
        }
        match self.corrections.try_send(std::mem::take(&mut self.jobs)) {
            // With the next ones.
            Err(TrySendError::Full(jobs)) => self.jobs = jobs,
            Ok(()) => {}
            Err(TrySendError::Disconnected(_)) => self.trouble(0, "corrections", now_ns, || {
                "the thread that corrects caches of clients ended; start the agent again and look into its log"
                    .to_owned()
            }),
        }
    }

    /// Sends the claims that are due, and hands over what is to be corrected after them; when there are more, monotonic nanoseconds.
    pub(super) fn work(&mut self, now_ns: u64) -> Option<u64> {
        let step = self.claims.step(now_ns);
        if !step.frames.is_empty() {
            let report = self.socket.send_all(&step.frames);
            self.sent.frames += report.sent;
            self.sent.failed += report.full + report.failed;
            self.sent.last_ns = Some(now_ns);
            for address in step.frames.iter().filter_map(claimed) {
                *self.sent_of.entry(address).or_default() += 1;
            }
            for (ifindex, error) in report.errors {
                self.trouble(ifindex, "claims", now_ns, || with_causes(&error));
            }
        }
        self.hand_over(now_ns);
        step.next_ns
    }

    fn send(&mut self, frame: &Frame, now_ns: u64) {
        if let Err(error) = self.socket.send(frame.ifindex(), frame.bytes()) {
            self.trouble(frame.ifindex(), "frames", now_ns, || with_causes(&error));
        }
    }

    /// Something did not work out; told again only after a while.
    pub(super) fn trouble(&mut self, ifindex: u32, kind: &'static str, now_ns: u64, text: impl FnOnce() -> String) {
        let told_ns = self.told_ns.entry((ifindex, kind)).or_default();
        if *told_ns == 0 || now_ns.saturating_sub(*told_ns) >= TROUBLE_NS {
            *told_ns = now_ns;
            self.troubles.push(text());
        }
    }

    /// What did not work out since the last call.
    pub(super) fn troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// Claims of an address sent so far.
    pub(super) fn sent_of(&self, address: IpAddr) -> Option<u64> {
        self.sent_of.get(&address).copied()
    }

    /// Claims sent so far.
    pub(super) const fn sent(&self) -> GratuitousFacts {
        self.sent
    }
}

/// The address that a claim is about, by its place in the frame: the sender of ARP (RFC 826), the target of an advertisement
/// (RFC 4861 section 4.4).
fn claimed(frame: &Frame) -> Option<IpAddr> {
    let bytes = frame.bytes();
    if bytes.get(12..14)? == [8, 6] {
        bytes.get(28..)?.first_chunk::<4>().map(|address| IpAddr::from(*address))
    } else {
        bytes.get(62..)?.first_chunk::<16>().map(|address| IpAddr::from(*address))
    }
}
