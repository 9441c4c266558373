//! From what was typed to what we run with: the only place where values of the configuration file are judged.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt::Display,
    net::IpAddr,
    num::NonZeroU64,
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use arpeggio_common::model::{Announcement, InterfaceName, Keys, NodeName};
use arpeggio_succession::{Pace, PaceError, generation::MOST_COUNTED};
use serde::{
    Deserialize,
    de::{IntoDeserializer, value},
};
use serde_saphyr::Spanned;

use super::{
    Bgp, Config, Defaults, LeaseFault, LeaseTimes,
    raw::{Listed, RawAnnouncement, RawBgp, RawConfig, RawInterface, RawL2, RawLease, RawSuccession, Text},
    succession::{Preset, ProxyArp, SuccessionConfig},
};
use crate::{AttachPolicy, Problem};

/// Every owned address costs a frame each time.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
/// Keeps sums with the clock far from its end.
const LONGEST_REFRESH: Duration = Duration::from_secs(24 * 3600);

/// In bytes: as long as a node's name may be.
const LONGEST_CLUSTER: usize = 253;
/// When a list of announcements is empty.
const NOTHING: &str = "if nothing is to be announced";

/// Whether a file says what is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// It has to: without a list it was cut off.
    Announcements,
    /// It does not.
    Settings,
}

/// Judges every value; `defaults` stand in for what the file does not give.
pub(super) fn validate(raw: RawConfig, content: Content, defaults: &Defaults) -> Result<Config, Vec<Problem>> {
    let RawConfig { node, cluster, generation, announcements, interfaces, gratuitous, lease, succession, bgp } = raw;
    let mut judge = Judge::default();
    let node = judge.node(node.as_ref(), defaults);
    let cluster = cluster.as_ref().and_then(|text| judge.cluster(text)).unwrap_or_default();
    let generation = generation.as_ref().and_then(|text| judge.generation(text));
    let is_cut_off = announcements.is_none() && content == Content::Announcements;
    let list = if announcements.is_some() { judge.list(&announcements, (0, "announcements"), NOTHING) } else { &[] };
    let (announcements, pools) = judge.announcements(list);
    let policies = judge.policies(&interfaces.unwrap_or_default());
    let refresh = gratuitous.and_then(|gratuitous| gratuitous.refresh).and_then(|refresh| judge.refresh(&refresh));
    let lease = lease.map_or(Some(defaults.lease), |lease| judge.lease(&lease, defaults.lease));
    let succession = judge.succession(&succession.unwrap_or_default(), defaults.pace);
    let addresses = announcements.keys().chain(pools.keys()).map(|address| (*address, pools.get(address).cloned()));
    let judged = |bgp: &RawBgp| {
        let node = node.as_ref()?;
        Some(Arc::new(Bgp::judge(bgp, node, &addresses.collect(), &mut judge.problems)))
    };
    let bgp = bgp.as_ref().and_then(judged).unwrap_or_default();
    // Last: a file with other faults need not be cut off.
    if is_cut_off && judge.problems.is_empty() {
        judge.list::<()>(&None, (0, "announcements"), NOTHING);
    }
    match (node, lease, succession) {
        (Some(node), Some(lease), Some(succession)) if judge.problems.is_empty() => {
            Ok(Config { node, cluster, generation, announcements, pools, policies, refresh, lease, succession, bgp })
        }
        // A value is only missing where a problem was found.
        _ => Err(judge.problems),
    }
}

/// Collects what is wrong and goes on.
#[derive(Default)]
struct Judge {
    problems: Vec<Problem>,
}

impl Judge {
    fn refuse<T>(&mut self, at: &Spanned<T>, field: String, text: impl Into<String>) {
        self.problems.push(Problem::new(at.referenced.line(), field, text));
    }

    /// A list that has to be written, be it empty: a file that is cut off must withdraw nothing. `line` is where its owner
    /// stands.
    fn list<'l, T>(&mut self, list: &'l Listed<T>, (line, field): (u64, &str), when: &str) -> &'l [T] {
        let line = list.as_ref().map_or(line, |list| list.referenced.line());
        if let Some(list) = list.as_ref().and_then(|list| list.value.as_ref()) {
            return list;
        }
        let name = field.rsplit('.').next().unwrap_or(field);
        let what = if list.is_some() { "nothing stands below it" } else { "it is missing" };
        let text = format!("{what}, as in a file that is cut off; write the rest, or \"{name}: []\" {when}");
        self.problems.push(Problem::new(line, field, text));
        &[]
    }

    /// A value whose type knows its own rule. The path is only built for a fault: there may be a hundred thousand values.
    fn read<'t, T>(&mut self, text: &'t Text, field: impl FnOnce() -> String) -> Option<T>
    where
        T: TryFrom<&'t str>,
        T::Error: Display,
    {
        T::try_from(&text.value).map_err(|error| self.refuse(text, field(), error.to_string())).ok()
    }

    /// One of the words of an enumeration.
    fn word<'t, T: Deserialize<'t>>(&mut self, text: &'t Text, field: impl FnOnce() -> String) -> Option<T> {
        let word: Result<T, value::Error> = T::deserialize(text.value.as_str().into_deserializer());
        word.map_err(|error| self.refuse(text, field(), format!("{error}; write one of them"))).ok()
    }

    fn duration(&mut self, text: &Text, field: &str) -> Option<Duration> {
        let parsed = humantime::parse_duration(&text.value);
        let refuse = |error| {
            let text_of =
                format!("{:?} is not a time ({error}); write a number and a unit, like 500ms, 10s or 2m", text.value);
            self.refuse(text, field.to_owned(), text_of);
        };
        parsed.map_err(refuse).ok()
    }

    /// By the flag, the file or the host name, in this order. A name in the file is judged even when the flag beats it.
    fn node(&mut self, text: Option<&Text>, defaults: &Defaults) -> Option<NodeName> {
        let own = match text {
            Some(text) => Some(self.read(text, || "node".to_owned())?),
            None => None,
        };
        let node = defaults.node_flag.clone().or(own).or_else(|| defaults.host_name.clone());
        if node.is_none() {
            let text =
                "this node has no name, and its host name cannot be a node name; write one, or start with --node-name";
            self.problems.push(Problem::new(0, "node", text));
        }
        node
    }

    fn cluster(&mut self, text: &Text) -> Option<Arc<str>> {
        let name = text.value.as_str();
        if (1..=LONGEST_CLUSTER).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(name.into());
        }
        let rule = "cannot name a cluster; write 1 to 253 letters, digits and signs without white space";
        self.refuse(text, "cluster".to_owned(), format!("{name:?} {rule}"));
        None
    }

    fn generation(&mut self, text: &Text) -> Option<NonZeroU64> {
        let number = text.value.parse().ok().filter(|number: &NonZeroU64| number.get() <= MOST_COUNTED);
        if number.is_none() {
            let rule = "is no number from 1 to 4503599627370495; count up with every change of the file";
            self.refuse(text, "generation".to_owned(), format!("{:?} {rule}", text.value));
        }
        number
    }

    fn announcements(
        &mut self,
        raw: &[Spanned<RawAnnouncement>],
    ) -> (BTreeMap<IpAddr, Arc<Announcement>>, BTreeMap<IpAddr, Arc<str>>) {
        let (mut announcements, mut pools) = (BTreeMap::new(), BTreeMap::new());
        let mut seen = BTreeMap::new();
        for (index, entry) in raw.iter().enumerate() {
            let Some(address) = self.address(entry, index) else { continue };
            let RawAnnouncement { address: text, pool, l2 } = &entry.value;
            let line = text.as_ref().map_or_else(|| entry.referenced.line(), |text| text.referenced.line());
            match seen.entry(address) {
                Entry::Vacant(vacant) => _ = vacant.insert(line),
                Entry::Occupied(first) => {
                    let text = format!("{address} is announced already on line {}; keep one of them", first.get());
                    self.problems.push(Problem::new(line, format!("announcements[{index}].address"), text));
                }
            }
            if let Some(pool) = pool {
                pools.insert(address, pool.value.as_str().into());
            }
            match (l2, pool) {
                (Some(l2), _) => {
                    let read = self.l2(address, l2, index, line);
                    announcements.extend(read.map(|announcement| (address, Arc::new(announcement))));
                }
                (None, Some(_)) => {}
                (None, None) => {
                    let text =
                        "nothing is said about the address, as in a file that is cut off; name candidates below l2";
                    self.problems.push(Problem::new(line, format!("announcements[{index}].l2"), text));
                }
            }
        }
        (announcements, pools)
    }

    /// The canonical address: an IPv4-mapped one is the same address to clients.
    fn address(&mut self, entry: &Spanned<RawAnnouncement>, index: usize) -> Option<IpAddr> {
        let field = || format!("announcements[{index}].address");
        let Some(text) = &entry.value.address else {
            self.refuse(entry, field(), "there is no address; every announcement needs one");
            return None;
        };
        match text.value.parse::<IpAddr>() {
            Ok(address) => Some(address.to_canonical()),
            Err(_no_more_said) => {
                let text_of =
                    format!("{:?} is not an IP address; write one without prefix length, like 192.0.2.10", text.value);
                self.refuse(text, field(), text_of);
                None
            }
        }
    }

    fn l2(&mut self, address: IpAddr, l2: &Spanned<Option<RawL2>>, index: usize, line: u64) -> Option<Announcement> {
        let nothing = RawL2::default();
        let RawL2 { candidates, interfaces, mode } = l2.value.as_ref().unwrap_or(&nothing);
        let faults = self.problems.len();
        let field = format!("announcements[{index}].l2.candidates");
        let candidates = self.list(candidates, (l2.referenced.line(), &field), "if no node may have it");
        let candidates = self.candidates(candidates, index);
        let interfaces: BTreeSet<InterfaceName> = (interfaces.iter().flatten().enumerate())
            .filter_map(|(nth, name)| self.read(name, || format!("announcements[{index}].l2.interfaces[{nth}]")))
            .collect();
        let mode = mode.as_ref().and_then(|mode| self.word(mode, || format!("announcements[{index}].l2.mode")));
        match Announcement::new(address, candidates, interfaces, mode.unwrap_or_default()) {
            Ok(announcement) => (self.problems.len() == faults).then_some(announcement),
            Err(error) => {
                let field = format!("announcements[{index}].address");
                self.problems.push(Problem::new(line, field, error.to_string()));
                None
            }
        }
    }

    fn candidates(&mut self, raw: &[Text], index: usize) -> Vec<NodeName> {
        let mut seen: BTreeMap<NodeName, u64> = BTreeMap::new();
        let mut order = Vec::with_capacity(raw.len());
        for (nth, text) in raw.iter().enumerate() {
            let field = || format!("announcements[{index}].l2.candidates[{nth}]");
            let Some(name) = self.read::<NodeName>(text, field) else { continue };
            match seen.entry(name.clone()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(text.referenced.line());
                    order.push(name);
                }
                Entry::Occupied(first) => {
                    let text_of =
                        format!("candidate {name} is listed already on line {}; name each node once", first.get());
                    self.refuse(text, field(), text_of);
                }
            }
        }
        order
    }

    fn policies(&mut self, raw: &[Spanned<RawInterface>]) -> BTreeMap<InterfaceName, AttachPolicy> {
        let mut policies = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for (index, entry) in raw.iter().enumerate() {
            let RawInterface { name, attach } = &entry.value;
            let policy = match attach {
                Some(attach) => self.word(attach, || format!("interfaces[{index}].attach")),
                None => Some(AttachPolicy::default()),
            };
            let field = || format!("interfaces[{index}].name");
            let Some(text) = name else {
                self.refuse(entry, field(), "there is no name; every entry names an interface");
                continue;
            };
            let Some(name) = self.read::<InterfaceName>(text, field) else { continue };
            if let Some(first) = seen.insert(name.clone(), text.referenced.line()) {
                let text_of = format!("interface {name} has a policy already on line {first}; keep one of them");
                self.refuse(text, field(), text_of);
            }
            if let Some(policy) = policy {
                policies.insert(name, policy);
            }
        }
        policies
    }

    fn refresh(&mut self, text: &Text) -> Option<Duration> {
        let field = "gratuitous.refresh";
        let refresh = self.duration(text, field)?;
        if (SHORTEST_REFRESH..=LONGEST_REFRESH).contains(&refresh) {
            return Some(refresh);
        }
        let rule =
            "is not between 1s and 24h; choose a time in between, or leave the field out to switch the refresh off";
        self.refuse(text, field.to_owned(), format!("{:?} {rule}", text.value));
        None
    }

    /// What the file leaves open is taken from `default`.
    fn lease(&mut self, raw: &RawLease, default: LeaseTimes) -> Option<LeaseTimes> {
        let RawLease { renew, duration } = raw;
        let [renew_field, duration_field] = ["lease.renew", "lease.duration"];
        let read = |text: &Option<Text>, field, default, judge: &mut Self| match text {
            Some(text) => judge.duration(text, field),
            None => Some(default),
        };
        // Both are read before either can fail.
        let (renewal, length) =
            (read(renew, renew_field, default.renew(), self), read(duration, duration_field, default.duration(), self));
        let faults = LeaseTimes::new(renewal?, length?);
        let line = |text: &Option<Text>| text.as_ref().map(|text| text.referenced.line());
        let refuse = |fault: &LeaseFault| {
            let by_length = line(duration).map(|line| (line, duration_field));
            let by_renewal = line(renew).map(|line| (line, renew_field));
            let (line, field) = match fault {
                LeaseFault::Renewal(_) => by_renewal,
                LeaseFault::Long(_) => by_length,
                LeaseFault::Short { .. } => by_length.or(by_renewal),
            }
            .unwrap_or((0, "lease"));
            self.problems.push(Problem::new(line, field, fault.to_string()));
        };
        faults.map_err(|faults| faults.iter().for_each(refuse)).ok()
    }

    /// The preset of the file is overruled by its other fields; what the file leaves open is taken from `default`.
    fn succession(&mut self, raw: &RawSuccession, default: Pace) -> Option<SuccessionConfig> {
        let RawSuccession { failover, heartbeat, misses, witnesses, evacuate, key_file, proxy_arp } = raw;
        let preset = failover.as_ref().map(|text| self.parse::<Preset>(text, "succession.failover"));
        let interval = heartbeat.as_ref().map(|text| self.duration(text, "succession.heartbeat"));
        let count = misses.as_ref().map(|text| self.parse::<u32>(text, "succession.misses"));
        let evacuate = evacuate.as_ref().map(|text| self.parse::<bool>(text, "succession.evacuate"));
        let proxy_arp = proxy_arp.as_ref().map(|text| self.word(text, || "succession.proxy_arp".to_owned()));
        let witnesses = self.witnesses(witnesses.as_deref().unwrap_or_default());
        let key_file = key_file.as_ref().and_then(|text| self.key_file(text));
        let base = preset.map_or(Some(default), |preset| preset.map(Preset::pace))?;
        let interval = interval.unwrap_or_else(|| Some(Duration::from_nanos(base.interval_ns())))?;
        let count = count.unwrap_or_else(|| Some(base.misses()))?;
        let refuse = |error: PaceError| {
            let (at, field) = match error {
                PaceError::Interval(_) => (heartbeat, "succession.heartbeat"),
                PaceError::Misses(_) => (misses, "succession.misses"),
            };
            let line = at.as_ref().map_or(0, |text| text.referenced.line());
            self.problems.push(Problem::new(line, field, error.to_string()));
        };
        let pace = Pace::new(interval, count).map_err(refuse).ok()?;
        let (evacuate, proxy_arp) =
            (evacuate.unwrap_or(Some(false))?, proxy_arp.unwrap_or_else(|| Some(ProxyArp::default()))?);
        Some(SuccessionConfig { pace, witnesses, evacuate, key_file, keys: Keys::default(), proxy_arp })
    }

    fn key_file(&mut self, text: &Text) -> Option<PathBuf> {
        let path = PathBuf::from(&text.value);
        if path.is_absolute() {
            return Some(path);
        }
        let rule = "does not begin with a slash; write the whole path of the file of keys";
        self.refuse(text, "succession.key_file".to_owned(), format!("{:?} {rule}", text.value));
        None
    }

    fn witnesses(&mut self, raw: &[Text]) -> BTreeSet<IpAddr> {
        let mut witnesses = BTreeSet::new();
        for (index, text) in raw.iter().enumerate() {
            let field = format!("succession.witnesses[{index}]");
            let Some(address) = self.parse::<IpAddr>(text, &field) else { continue };
            let address = address.to_canonical();
            if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
                self.refuse(text, field, format!("{address} is no machine on the segment; name one that answers"));
                continue;
            }
            witnesses.insert(address);
        }
        witnesses
    }

    fn parse<T: FromStr>(&mut self, text: &Text, field: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let refuse = |error: T::Err| {
            let reason = error.to_string();
            let reason = if reason.contains(&text.value) { reason } else { format!("{:?}: {reason}", text.value) };
            self.refuse(text, field.to_owned(), reason);
        };
        text.value.parse().map_err(refuse).ok()
    }
}
