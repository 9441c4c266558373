//! Corrects the caches of single clients: those who asked for an address that moved here. It takes its time, so it has a thread
//! of its own, beside that of the succession.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::IpAddr,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use arpeggio_common::{
    abi::{Action, Client, bucket_of},
    wire::Mac,
};

use super::{healing::Healing, tables::SharedTables};
use crate::{
    clock::monotonic_ns,
    dataplane::Place,
    frames::{
        FrameSocket, ResponderLive,
        messages::{Saying, Speaker, StaleClient, own_correction},
    },
};

/// Who asked longer ago has forgotten the answer, in nanoseconds.
const RECENT_NS: u64 = 600_000_000_000;
/// Between two goes; with [`AT_ONCE`] 2,000 frames a second.
const GO: Duration = Duration::from_millis(10);
/// Between two looks for senders of stray traffic.
const HEAL: Duration = Duration::from_millis(250);
/// Frames in one go.
const AT_ONCE: usize = 20;
/// Addresses that are taken over together come within this of each other: clients are looked through once for all.
const BATCH: Duration = Duration::from_millis(5);

/// What is to be corrected.
#[derive(Debug)]
pub(super) enum Job {
    /// The raw sockets were started, or ended.
    Follow(Option<ResponderLive>),
    /// These shares of an address are ours.
    Correct { place: Place, gained: Gained },
    /// Whoever sends traffic for the address to us is to be told its owner.
    Heal { place: Place, from: Mac, owner: Mac },
}

/// What moved here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gained {
    /// Who we are there.
    pub(super) speaker: Speaker,
    /// The generation of the order that we have it by.
    pub(super) generation: u64,
    /// The shares of clients.
    pub(super) buckets: u64,
}

/// What moved here, and where.
type Wanted = BTreeMap<Place, Gained>;

/// One client to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Errand {
    place: Place,
    speaker: Speaker,
    generation: u64,
    told: StaleClient,
    share: u32,
}

/// The thread.
pub(super) struct Corrector {
    jobs: Receiver<Vec<Job>>,
    tables: SharedTables,
    socket: FrameSocket,
    errands: VecDeque<Errand>,
    healing: Healing,
    healed_ns: u64,
}

impl Corrector {
    /// Starts the thread; it ends when the sender of `jobs` is gone.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn start(
        jobs: Receiver<Vec<Job>>,
        tables: SharedTables,
        socket: FrameSocket,
        healing: Healing,
    ) -> io::Result<()> {
        let corrector = Self { jobs, tables, socket, errands: VecDeque::new(), healing, healed_ns: 0 };
        std::thread::Builder::new().name("corrections".into()).spawn(move || corrector.run()).map(drop)
    }

    fn run(mut self) {
        while let Ok(wanted) = self.take_jobs() {
            if !wanted.is_empty() {
                self.plan(&wanted);
            }
            self.go();
            self.heal();
        }
    }

    /// Waits for jobs, or for the next go.
    fn take_jobs(&mut self) -> Result<Wanted, RecvTimeoutError> {
        let mut wanted = Wanted::new();
        let first = match (self.errands.is_empty(), self.healing.active()) {
            (false, _) => self.jobs.recv_timeout(GO),
            (true, true) => self.jobs.recv_timeout(HEAL),
            (true, false) => self.jobs.recv().map_err(|_gone| RecvTimeoutError::Disconnected),
        };
        let mut next = first;
        loop {
            match next {
                Ok(jobs) => jobs.into_iter().for_each(|job| self.take(job, &mut wanted)),
                Err(RecvTimeoutError::Timeout) => return Ok(wanted),
                Err(RecvTimeoutError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            }
            next = self.jobs.recv_timeout(BATCH);
        }
    }

    fn take(&mut self, job: Job, wanted: &mut Wanted) {
        match job {
            Job::Follow(user) => self.tables.follow(user),
            Job::Correct { place, gained } => {
                let before = wanted.get(&place).map_or(0, |before| before.buckets);
                wanted.insert(place, Gained { buckets: gained.buckets | before, ..gained });
            }
            Job::Heal { place, from, owner } => self.healing.begin(place, from, owner, monotonic_ns()),
        }
    }

    fn heal(&mut self) {
        let now_ns = monotonic_ns();
        let due = now_ns.saturating_sub(self.healed_ns) >= u64::try_from(HEAL.as_nanos()).unwrap_or(u64::MAX);
        if due && self.healing.active() {
            self.healed_ns = now_ns;
            self.healing.work(&self.tables, &self.socket, now_ns);
        }
    }

    fn plan(&mut self, wanted: &Wanted) {
        match self.tables.clients() {
            Ok(clients) => self.errands.extend(errands(clients, wanted, monotonic_ns())),
            Err(error) => tracing::warn!("caches of clients are not corrected: {error}"),
        }
    }

    fn go(&mut self) {
        let mut left = AT_ONCE;
        while left > 0
            && let Some(errand) = self.errands.pop_front()
        {
            // What was lost since is another node's to tell.
            let role = self.tables.role(&errand.place);
            if role.is_none_or(|role| role.action != Action::Answer || role.buckets >> errand.share & 1 == 0) {
                continue;
            }
            let saying = Saying { generation: errand.generation, now_ns: monotonic_ns() };
            if let Some(frame) = own_correction(errand.place, &errand.speaker, errand.told, saying) {
                // A client that is not told now asks by itself when its entry is old.
                let _ = self.socket.send(frame.ifindex(), frame.bytes());
                left -= 1;
            }
        }
    }
}

/// Pure: whom to tell, those first who asked last.
fn errands(clients: BTreeMap<(Place, IpAddr), Client>, wanted: &Wanted, now_ns: u64) -> Vec<Errand> {
    let mut found: Vec<(u64, Errand)> = clients
        .into_iter()
        .filter(|(_, client)| now_ns.saturating_sub(client.last_seen_ns()) <= RECENT_NS)
        .filter(|((_, address), _)| !address.is_unspecified())
        .filter_map(|((place, address), client)| {
            let Gained { speaker, generation, buckets } = *wanted.get(&place)?;
            let share = bucket_of(address);
            let told = StaleClient { mac: Mac(client.mac()), address };
            let errand = Errand { place, speaker, generation, told, share };
            (buckets >> share & 1 == 1).then_some((client.last_seen_ns(), errand))
        })
        .collect();
    found.sort_by_key(|(seen_ns, _)| std::cmp::Reverse(*seen_ns));
    found.into_iter().map(|(_, errand)| errand).collect()
}

#[cfg(test)]
mod tests {
    use arpeggio_common::abi::{ALL_BUCKETS, NodeId, bucket};

    use super::*;
    use crate::frames::messages::{SUBNETS, Signer};

    const GENERATION: u64 = 3;
    const NOW: u64 = 10_000_000_000_000;

    fn own() -> Speaker {
        let signer = Signer { node: NodeId::from_number(9).unwrap(), key: None };
        Speaker { signer, mac: Mac([2, 0, 0, 0, 0, 1]), ipv4: [None; SUBNETS], link_local: None }
    }

    fn place(last: u8) -> Place {
        (7, [192, 0, 2, last].into())
    }

    fn client(last: u8, host: u8, ago_ns: u64) -> ((Place, IpAddr), Client) {
        ((place(last), [192, 0, 2, host].into()), Client::new([2, 0, 0, 0, 1, host], NOW - ago_ns))
    }

    fn hosts(errands: &[Errand]) -> Vec<IpAddr> {
        errands.iter().map(|errand| errand.told.address).collect()
    }

    #[test]
    fn only_recent_clients_of_what_moved_are_told_the_latest_first() {
        let unspecified = ((place(10), IpAddr::from([0, 0, 0, 0])), Client::new([2; 6], NOW));
        let clients = BTreeMap::from([
            client(10, 1, 50),
            client(10, 2, 5),
            client(11, 3, 5),
            client(10, 4, RECENT_NS + 1),
            unspecified,
            client(10, 5, 0),
        ]);
        let found = errands(
            clients,
            &Wanted::from([(place(10), Gained { speaker: own(), generation: GENERATION, buckets: ALL_BUCKETS })]),
            NOW,
        );
        assert_eq!(hosts(&found), [[192, 0, 2, 5], [192, 0, 2, 2], [192, 0, 2, 1]].map(IpAddr::from));
        assert!(found.iter().all(|errand| (errand.speaker, errand.generation) == (own(), GENERATION)));
    }

    #[test]
    fn of_a_shared_address_only_those_of_the_gained_shares_are_told() {
        let clients: BTreeMap<_, _> = (1..=200).map(|host| client(10, host, 0)).collect();
        let gained = 0xff00;
        let found = errands(
            clients,
            &Wanted::from([(place(10), Gained { speaker: own(), generation: GENERATION, buckets: gained })]),
            NOW,
        );
        assert!(!found.is_empty() && found.len() < 60, "{}", found.len());
        assert!(found.iter().all(|errand| gained >> bucket_of(errand.told.address) & 1 == 1));
    }

    #[test]
    fn shares_are_those_of_the_program() {
        assert_eq!(bucket_of([192, 0, 2, 1].into()), bucket([0, 0, 0, 0xc000_0201]));
        assert_eq!(bucket_of("2001:db8::1".parse().unwrap()), bucket([0x2001_0db8, 0, 0, 1]));
    }
}
