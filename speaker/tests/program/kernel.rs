//! The object in this kernel: loaded once, its maps emptied between frames.

use std::{
    collections::BTreeMap,
    error::Error as _,
    path::PathBuf,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use arpeggio_common::{
    abi::{
        self, Client, ClientKey, DEFAULT_CAPACITY, Event, Key4, Key6, Keys, Outcome, Peer, PeerKey, Sighting,
        SightingKey, Sort, Stats, Stray, StrayKey, Vip, names,
    },
    wire::Mac,
};
use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues, RingBuf},
    programs::{Program, SchedClassifier, TestRun as _, TestRunOptions, Xdp},
    util::nr_cpus,
};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use crate::{
    case::{Case, Counts, EventSummary, Lease, Observed, SLOTS, SightingSummary, Verdict, World},
    frames::our_node,
};

/// An entry of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Xdp,
    XdpFrags,
    Tc,
}

impl Entry {
    pub(crate) const ALL: [Self; 3] = [Self::Xdp, Self::XdpFrags, Self::Tc];

    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Xdp => names::XDP_PROGRAM,
            Self::XdpFrags => names::XDP_FRAGS_PROGRAM,
            Self::Tc => names::TC_PROGRAM,
        }
    }

    /// Whether BPF_PROG_TEST_RUN takes the frame: an Ethernet header, and for tc, in newer kernels, an IP header as well.
    pub(crate) fn takes(self, frame: &[u8]) -> bool {
        match (self, frame.get(12..14)) {
            (_, None) => false,
            (Self::Xdp | Self::XdpFrags, Some(_)) => true,
            (Self::Tc, Some([0x86, 0xdd])) => frame.len() >= 14 + 40,
            (Self::Tc, Some([8, 0])) => frame.len() >= 14 + 20,
            (Self::Tc, Some(_)) => frame.len() > 14,
        }
    }

    fn verdict(self, code: u32) -> Verdict {
        match (self, code) {
            // TCX_NEXT: whoever else is at the hook sees the frame as well.
            (Self::Xdp | Self::XdpFrags, 2) | (Self::Tc, u32::MAX) => Verdict::Pass,
            (Self::Xdp | Self::XdpFrags, 1) | (Self::Tc, 2) => Verdict::Drop,
            (Self::Xdp | Self::XdpFrags, 3) | (Self::Tc, 7) => Verdict::Transmit,
            (_, other) => panic!("{self:?} returned {other}"),
        }
    }
}

/// The loaded object.
pub(crate) struct Kernel {
    ebpf: Ebpf,
    events: RingBuf<MapData>,
}

/// The one that all tables share; whoever holds the guard has the maps alone.
pub(crate) fn kernel() -> MutexGuard<'static, Kernel> {
    static KERNEL: OnceLock<Mutex<Kernel>> = OnceLock::new();
    // A test that panicked leaves nothing behind: every case begins with empty maps.
    KERNEL.get_or_init(|| Mutex::new(Kernel::load())).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder of the objects: that of `ARPEGGIO_BPF_OBJECT`, or `target/bpf` of the workspace.
pub(crate) fn object_path() -> PathBuf {
    std::env::var_os("ARPEGGIO_BPF_OBJECT").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")), PathBuf::from);
            target.join("bpf/arpeggio.o")
        },
        PathBuf::from,
    )
}

/// Loads an object and all its programs. With `level` the program explains rare verdicts up to that level of the log.
pub(crate) fn load(path: &PathBuf, level: Option<u8>) -> Ebpf {
    let mut loader = EbpfLoader::new();
    if let Some(level) = &level {
        loader.override_global(aya_log::LEVEL, level, true);
    }
    let mut ebpf = loader
        .load_file(path)
        .unwrap_or_else(|error| panic!("load {} (cargo xtask build-ebpf makes it): {error:?}", path.display()));
    for (name, program) in ebpf.programs_mut() {
        let loaded = match program {
            Program::Xdp(program) => program.load(),
            Program::SchedClassifier(program) => program.load(),
            Program::SocketFilter(program) => program.load(),
            other => panic!("{name} is of the unexpected type {:?}", other.prog_type()),
        };
        loaded.unwrap_or_else(|error| {
            // The verifier says what it could not follow in the last lines.
            let text = format!("{error}\n{}", error.source().map(ToString::to_string).unwrap_or_default());
            let lines: Vec<_> = text.lines().collect();
            panic!("the kernel refuses {name}:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        });
    }
    ebpf
}

pub(crate) fn now(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).unwrap();
    u64::try_from(time.tv_sec()).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec()).unwrap()
}

impl Kernel {
    fn load() -> Self {
        let mut ebpf = load(&object_path(), Some(0));
        let events = RingBuf::try_from(ebpf.take_map(names::EVENTS).unwrap()).unwrap();
        Self { ebpf, events }
    }

    /// The object.
    pub(crate) fn ebpf(&self) -> &Ebpf {
        &self.ebpf
    }

    /// Number of log records since the last call.
    pub(crate) fn logged(&mut self) -> usize {
        let mut logs = RingBuf::try_from(self.ebpf.map_mut("AYA_LOGS").unwrap()).unwrap();
        std::iter::from_fn(|| logs.next().map(drop)).count()
    }

    /// The tc entry.
    pub(crate) fn classifier(&self) -> &SchedClassifier {
        self.ebpf.program(names::TC_PROGRAM).unwrap().try_into().unwrap()
    }

    /// Puts `world` into the maps, for a run by other means than [`run`](Self::run).
    pub(crate) fn furnish_now(&mut self, world: &World) {
        self.furnish(world, now(ClockId::CLOCK_MONOTONIC_COARSE));
    }

    /// What is in the maps after a run by other means.
    pub(crate) fn observe_now(&mut self, verdict: Verdict, frame: Vec<u8>) -> Observed {
        self.observe(verdict, frame).0
    }

    pub(crate) fn hash<K: Pod, V: Pod>(&mut self, name: &str) -> HashMap<&mut MapData, K, V> {
        HashMap::try_from(self.ebpf.map_mut(name).unwrap()).unwrap()
    }

    fn per_cpu<V: Pod>(&mut self, name: &str) -> PerCpuArray<&mut MapData, V> {
        PerCpuArray::try_from(self.ebpf.map_mut(name).unwrap()).unwrap()
    }

    fn clear<K: Pod, V: Pod>(&mut self, name: &str) {
        let mut map = self.hash::<K, V>(name);
        let keys: Vec<K> = map.keys().collect::<Result<_, _>>().unwrap();
        for key in keys {
            map.remove(&key).unwrap();
        }
    }

    fn everywhere<V: Pod>(value: V) -> PerCpuValues<V> {
        PerCpuValues::try_from(vec![value; nr_cpus().unwrap()]).unwrap()
    }

    fn reset(&mut self) {
        self.clear::<Key4, Vip>(names::VIPS4);
        self.clear::<Key6, Vip>(names::VIPS6);
        self.clear::<SightingKey, Sighting>(names::SIGHTINGS);
        self.clear::<ClientKey, Client>(names::CLIENTS);
        self.clear::<PeerKey, Peer>(names::PEERS);
        self.clear::<StrayKey, Stray>(names::STRAYS);
        let mut stats = self.per_cpu::<Stats>(names::STATS);
        for slot in SLOTS {
            stats.set(slot, Self::everywhere(Stats::default()), 0).unwrap();
        }
        let mut outcomes = self.per_cpu::<u64>(names::OUTCOMES);
        for outcome in Outcome::ALL {
            outcomes.set(outcome as u32, Self::everywhere(0), 0).unwrap();
        }
        while self.events.next().is_some() {}
    }

    /// Puts `world` into the maps.
    fn furnish(&mut self, world: &World, now_ns: u64) {
        self.reset();
        for (key, vip) in &world.vips4 {
            self.hash::<Key4, Vip>(names::VIPS4).insert(key, vip, 0).unwrap();
        }
        for (key, vip) in &world.vips6 {
            self.hash::<Key6, Vip>(names::VIPS6).insert(key, vip, 0).unwrap();
        }
        let mut lease = Array::<_, abi::Lease>::try_from(self.ebpf.map_mut(names::LEASE).unwrap()).unwrap();
        lease.set(0, lease_at(world.lease, now_ns), 0).unwrap();
        let mut keys = Array::<_, Keys>::try_from(self.ebpf.map_mut(names::KEYS).unwrap()).unwrap();
        keys.set(0, world.keys, 0).unwrap();
        for (key, peer) in world.peers(now_ns) {
            self.hash::<PeerKey, Peer>(names::PEERS).insert(key, peer, 0).unwrap();
        }
        if let Some(earlier) = world.earlier {
            let (line, sighting) = (earlier.line(), earlier.sighting(now_ns));
            self.hash::<SightingKey, Sighting>(names::SIGHTINGS).insert(line, sighting, 0).unwrap();
        }
        if let Some(asked) = world.asked {
            let mut stats = Stats::default();
            stats.remember(asked.client, asked.mac.0, now_ns - asked.age_ns);
            self.per_cpu(names::STATS).set(asked.slot, Self::everywhere(stats), 0).unwrap();
        }
    }

    fn execute(&mut self, entry: Entry, case: &Case) -> (Verdict, Vec<u8>) {
        let mut frame = vec![0; case.frame.len() + 256];
        let options =
            TestRunOptions { data_in: Some(&case.frame), data_out: Some(&mut frame), ..TestRunOptions::default() };
        let program = self.ebpf.program(entry.program()).unwrap();
        let result = match entry {
            Entry::Xdp | Entry::XdpFrags => <&Xdp>::try_from(program).unwrap().test_run(options),
            Entry::Tc => <&SchedClassifier>::try_from(program).unwrap().test_run(options),
        };
        let result = result.unwrap_or_else(|error| panic!("{}: {entry:?} cannot run: {error:?}", case.name));
        frame.truncate(usize::try_from(result.data_size_out).unwrap());
        (entry.verdict(result.return_value), frame)
    }

    /// Runs the program over the frame of `case` and looks at everything. Times are checked here: what the program stamped
    /// lies between its start and its end.
    pub(crate) fn run(&mut self, entry: Entry, case: &Case) -> Observed {
        // Per-CPU values are written on the CPU that runs the program; one that moves would see half of them.
        let _pinned = Pinned::here();
        let begun = now(ClockId::CLOCK_MONOTONIC_COARSE);
        self.furnish(&case.world, begun);
        let (verdict, frame) = self.execute(entry, case);
        let ended = now(ClockId::CLOCK_MONOTONIC);
        let (observed, stamps) = self.observe(verdict, frame);
        let earlier = case.world.earlier.map(|earlier| earlier.at_ns(begun));
        let heard = case.world.heard_ago_ns.map(|ago_ns| begun.saturating_sub(ago_ns));
        let before = [Some(0), earlier, heard];
        for stamp in stamps.into_iter().filter(|stamp| !before.contains(&Some(*stamp))) {
            assert!((begun..=ended).contains(&stamp), "{}: the time {stamp} is not in {begun}..={ended}", case.name);
        }
        observed
    }

    /// Reads what the program left behind, and all times in it.
    fn observe(&mut self, verdict: Verdict, frame: Vec<u8>) -> (Observed, Vec<u64>) {
        let mut stamps = Vec::new();
        let outcomes = self.outcomes();
        let mut stats = BTreeMap::new();
        let map = self.per_cpu::<Stats>(names::STATS);
        for slot in SLOTS {
            let values = map.get(&slot, 0).unwrap();
            let merged = values.iter().fold(Stats::default(), |sum, value| sum.merge(value));
            stamps.push(merged.last_request_ns);
            let counts = counts(&merged);
            if counts != Counts::default() {
                stats.insert(slot, counts);
            }
        }
        let mut sightings = BTreeMap::new();
        for pair in self.hash::<SightingKey, Sighting>(names::SIGHTINGS).iter() {
            let (key, sighting) = pair.unwrap();
            // Of an answer: when we asked.
            stamps.extend((key.sort() != Some(Sort::Answer)).then_some(sighting.last_seen_ns()));
            stamps.push(sighting.told_ns());
            sightings.insert(key, SightingSummary::from(&sighting));
        }
        let mut peers = BTreeMap::new();
        for pair in self.hash::<PeerKey, Peer>(names::PEERS).iter() {
            let (key, peer) = pair.unwrap();
            if peer == Peer::UNHEARD {
                continue;
            }
            stamps.push(peer.last_seen_ns());
            peers.insert(key, (Mac(peer.mac()), peer.count(), peer.answered_ns() != 0));
        }
        let mut clients = BTreeMap::new();
        for pair in self.hash::<ClientKey, Client>(names::CLIENTS).iter() {
            let (key, client) = pair.unwrap();
            stamps.push(client.last_seen_ns());
            clients.insert(key, Mac(client.mac()));
        }
        let mut events = Vec::new();
        while let Some(record) = self.events.next() {
            let event = Event::from_record(&record).unwrap();
            stamps.push(event.at_ns());
            events.push(EventSummary::from(&event));
        }
        (Observed { verdict, frame, outcomes, stats, sightings, peers, clients, events }, stamps)
    }

    fn outcomes(&mut self) -> BTreeMap<Outcome, u64> {
        let map = self.per_cpu::<u64>(names::OUTCOMES);
        let count = |outcome: Outcome| map.get(&(outcome as u32), 0).unwrap().iter().sum::<u64>();
        Outcome::ALL.into_iter().map(|outcome| (outcome, count(outcome))).filter(|(_, count)| *count != 0).collect()
    }
}

/// The public counters of a slot.
pub(crate) fn counts(stats: &Stats) -> Counts {
    Counts {
        requests: stats.requests,
        replies: stats.replies,
        suppressed: stats.suppressed,
        heartbeats: stats.heartbeats,
        claims: stats.claims,
    }
}

/// What stands in LEASE at the time `now_ns`.
pub(crate) fn lease_at(lease: Lease, now_ns: u64) -> abi::Lease {
    let until_ns = match lease {
        Lease::Never => u64::MAX,
        Lease::NotBegun => return abi::Lease::NONE,
        Lease::In(ns) => now_ns.saturating_add_signed(ns),
    };
    abi::Lease { until_ns, node: Some(our_node()) }
}

/// Slots in STATS.
pub(crate) const CAPACITY: u32 = DEFAULT_CAPACITY;

/// Keeps the thread on one CPU.
struct Pinned(CpuSet);

impl Pinned {
    fn here() -> Self {
        let before = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let mut one = CpuSet::new();
        one.set(sched_getcpu().unwrap()).unwrap();
        sched_setaffinity(Pid::from_raw(0), &one).unwrap();
        Self(before)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Nothing to be done if it fails, and nothing lost.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}
