//! What a node should say to whom: peers and routes merged, apart from how FRR writes it.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::model::{BfdProfile, Community, InterfaceName, Peer, Remote, RemoteAs, Route, stable_hash};
use ipnet::IpNet;

/// As in MetalLB.
pub const MOST_COMMUNITIES: usize = 63;

/// The most bytes of a key for TCP MD5 signatures (`TCP_MD5SIG_MAXKEYLEN`).
const LONGEST_PASSWORD: usize = 80;

/// The most bytes of a text that a peer gets with the end of a session, in the oldest rule (RFC 8203).
const LONGEST_FAREWELL: usize = 128;

/// A peer that covers this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The peer.
    pub peer: Peer,
    /// Its password as text, whatever [`Peer::password`] says about where it is from.
    pub password: Option<String>,
}

/// What one [`Route`] says about its prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// 0: not set.
    pub local_pref: u32,
    /// Standard and large ones.
    pub communities: BTreeSet<Community>,
    /// Names of the peers that get it; empty: all.
    pub peers: BTreeSet<String>,
}

/// Everything that is said about a prefix. Prefixes of one class are treated alike.
///
/// It does not depend on which peers there are: a new peer changes no class.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class(BTreeSet<Term>);

/// What one peer gets with the prefixes of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// 0: not set.
    pub local_pref: u32,
    /// Standard and large ones.
    pub communities: BTreeSet<Community>,
    /// Whether the terms wanted several local preferences; the lowest is taken.
    pub conflict: bool,
}

impl Class {
    /// Its name in FRR: what it says, as a number.
    pub fn id(&self) -> u64 {
        let text = |term: &Term| {
            let communities: String = term.communities.iter().map(|community| format!("{community} ")).collect();
            let peers: String = term.peers.iter().map(|peer| format!("{peer} ")).collect();
            format!("{};{communities};{peers}\n", term.local_pref)
        };
        stable_hash(self.0.iter().flat_map(|term| text(term).into_bytes()))
    }

    /// What the peer of this name gets; `None`: nothing.
    pub fn attributes(&self, peer: &str) -> Option<Attributes> {
        let terms = self.0.iter().filter(|term| term.peers.is_empty() || term.peers.contains(peer));
        terms.fold(None, |merged, term| {
            let mut merged: Attributes = merged.unwrap_or_default();
            merged.communities.extend(&term.communities);
            merged.local_pref = match (merged.local_pref, term.local_pref) {
                (0, other) | (other, 0) => other,
                (one, two) => {
                    merged.conflict |= one != two;
                    one.min(two)
                }
            };
            Some(merged)
        })
    }
}

/// A session of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// The peer.
    pub peer: Peer,
    /// Password of the session.
    pub password: Option<String>,
}

impl Neighbor {
    /// Whether the session carries IPv4 routes, and whether it carries IPv6 routes.
    pub fn carries(&self, prefix: &IpNet) -> bool {
        let both = self.peer.both_families;
        match (&self.peer.remote, prefix) {
            (Remote::Interface(_), _) => true,
            (Remote::Address(address), IpNet::V4(_)) => both || address.is_ipv4(),
            (Remote::Address(address), IpNet::V6(_)) => both || address.is_ipv6(),
        }
    }

    /// Whether both sides have the same number.
    pub fn is_internal(&self) -> bool {
        match self.peer.remote_as {
            RemoteAs::Internal => true,
            RemoteAs::External => false,
            RemoteAs::Number(number) => number == self.peer.my_asn,
        }
    }
}

/// The sessions of one VRF and what they announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Our number.
    pub asn: u32,
    /// Our identifier; `None`: FRR's choice.
    pub router_id: Option<std::net::Ipv4Addr>,
    /// By where they are.
    pub neighbors: BTreeMap<Remote, Neighbor>,
    /// What is announced to at least one of them, with the class of each.
    pub networks: BTreeMap<IpNet, u64>,
}

/// What a node should say to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// By VRF.
    pub routers: BTreeMap<Option<InterfaceName>, Router>,
    /// The classes of all networks.
    pub classes: BTreeMap<u64, Class>,
    /// Those that sessions use, by name.
    pub profiles: BTreeMap<String, BfdProfile>,
    /// Peers are told good bye with this text and get nothing any more, but their configuration stays.
    pub closing: Option<String>,
}

/// What is left out, and why. Nothing else is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Problem {
    /// FRR knows neighbours by where they are.
    #[error("peer {peer}: peer {other} is at {place} too; FRR has one session with each place: remove one of them")]
    SamePlace {
        /// Left out.
        peer: String,
        /// In force.
        other: String,
        /// Of both.
        place: String,
    },
    /// One router for each VRF.
    #[error("peer {peer}: myASN is {asn}, but {in_force} of peer {other}; FRR has one number for each VRF of a node")]
    OtherAsn {
        /// Left out.
        peer: String,
        /// What it wants.
        asn: u32,
        /// In force.
        other: String,
        /// What that wants.
        in_force: u32,
    },
    /// One router for each VRF.
    #[error("peer {peer}: routerID is not that of peer {other}, which is in force; FRR has one for each VRF of a node")]
    OtherRouterId {
        /// In force with the other's identifier.
        peer: String,
        /// Whose identifier it is.
        other: String,
    },
    /// It would not reach the kernel as it is.
    #[error("peer {peer}: FRR takes passwords of 1 to 80 bytes without blanks and control characters; choose another")]
    Password {
        /// Left out: a session without the password would not be what was asked for.
        peer: String,
    },
    /// Several advertisements with one prefix.
    #[error(
        "{prefix} and {more} more prefixes have several local preferences for peer {peer}; the lowest is announced"
    )]
    LocalPref {
        /// The first.
        prefix: IpNet,
        /// How many more.
        more: usize,
        /// To whom.
        peer: String,
    },
    /// Half of them would be another policy.
    #[error(
        "{prefix} and {more} more prefixes have {count} communities for peer {peer}; {MOST_COMMUNITIES} are possible, \
         so they are not announced to it"
    )]
    Communities {
        /// The first.
        prefix: IpNet,
        /// How many more.
        more: usize,
        /// How many communities.
        count: usize,
        /// To whom.
        peer: String,
    },
}

impl Desired {
    /// Merges the sessions of this node with its routes. Of contradicting peers the first by name is in force.
    pub fn new(sessions: &[Session], routes: &[Route]) -> (Self, Vec<Problem>) {
        let mut desired = Self::default();
        let mut problems = Vec::new();
        let mut sorted: Vec<&Session> = sessions.iter().collect();
        sorted.sort_by(|one, two| one.peer.name.cmp(&two.peer.name));
        for session in sorted {
            problems.extend(desired.add(session));
        }
        desired.announce(routes);
        problems.extend(desired.disputed());
        (desired, problems)
    }

    /// The same sessions, told good bye and without routes: what a node wants before it goes.
    #[must_use]
    pub fn closing(mut self, text: &str) -> Self {
        let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        while words.len() > LONGEST_FAREWELL {
            words.pop();
        }
        self.closing = Some(words.trim_end().to_owned());
        self.routers.values_mut().for_each(|router| router.networks.clear());
        self.classes.clear();
        self
    }

    fn add(&mut self, session: &Session) -> Option<Problem> {
        let Session { peer, password } = session;
        if password.as_ref().is_some_and(|password| !is_password(password)) {
            return Some(Problem::Password { peer: peer.name.clone() });
        }
        let router = self.routers.entry(peer.vrf.clone()).or_insert_with(|| Router {
            asn: peer.my_asn,
            router_id: None,
            neighbors: BTreeMap::new(),
            networks: BTreeMap::new(),
        });
        let first = router.neighbors.values().map(|other| &other.peer).min_by(|one, two| one.name.cmp(&two.name));
        if let Some(first) = first.filter(|first| first.my_asn != peer.my_asn) {
            let (other, in_force) = (first.name.clone(), first.my_asn);
            return Some(Problem::OtherAsn { peer: peer.name.clone(), asn: peer.my_asn, other, in_force });
        }
        if let Some(other) = router.neighbors.get(&peer.remote) {
            let other = other.peer.name.clone();
            return Some(Problem::SamePlace { peer: peer.name.clone(), other, place: peer.remote.to_string() });
        }
        let mut problem = None;
        match (router.router_id, peer.router_id) {
            (None, wanted) => router.router_id = wanted,
            (Some(in_force), Some(wanted)) if in_force != wanted => {
                let other = router.neighbors.values().find(|other| other.peer.router_id == Some(in_force));
                let other = other.map(|other| other.peer.name.clone()).unwrap_or_default();
                problem = Some(Problem::OtherRouterId { peer: peer.name.clone(), other });
            }
            (Some(_), _) => {}
        }
        let neighbor = Neighbor { peer: peer.clone(), password: password.clone() };
        router.neighbors.insert(peer.remote.clone(), neighbor);
        if let Some(profile) = &peer.bfd {
            self.profiles.insert(profile.name.clone(), profile.clone());
        }
        problem
    }

    fn announce(&mut self, routes: &[Route]) {
        let mut prefixes: BTreeMap<IpNet, Class> = BTreeMap::new();
        for route in routes {
            let Route { prefix, local_pref, communities, peers, nodes: _ } = route;
            let term = Term { local_pref: *local_pref, communities: communities.clone(), peers: peers.clone() };
            prefixes.entry(prefix.trunc()).or_default().0.insert(term);
        }
        for (prefix, class) in prefixes {
            let id = class.id();
            let mut used = false;
            for router in self.routers.values_mut() {
                let heard = router
                    .neighbors
                    .values()
                    .any(|neighbor| neighbor.carries(&prefix) && class.attributes(&neighbor.peer.name).is_some());
                if heard {
                    router.networks.insert(prefix, id);
                    used = true;
                }
            }
            if used {
                self.classes.entry(id).or_insert(class);
            }
        }
    }

    /// What routes say that cannot be had.
    fn disputed(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for router in self.routers.values() {
            let mut members: BTreeMap<u64, Vec<IpNet>> = BTreeMap::new();
            for (prefix, class) in &router.networks {
                members.entry(*class).or_default().push(*prefix);
            }
            for neighbor in router.neighbors.values() {
                let peer = &neighbor.peer.name;
                for (id, prefixes) in &members {
                    let Some(attributes) = self.classes.get(id).and_then(|class| class.attributes(peer)) else {
                        continue;
                    };
                    let mut carried = prefixes.iter().filter(|prefix| neighbor.carries(prefix));
                    let Some(&prefix) = carried.next() else { continue };
                    let (more, count) = (carried.count(), attributes.communities.len());
                    if attributes.conflict {
                        problems.push(Problem::LocalPref { prefix, more, peer: peer.clone() });
                    }
                    if count > MOST_COMMUNITIES {
                        problems.push(Problem::Communities { prefix, more, count, peer: peer.clone() });
                    }
                }
            }
        }
        problems
    }
}

/// FRR reads one word; the kernel takes so many bytes.
fn is_password(text: &str) -> bool {
    (1..=LONGEST_PASSWORD).contains(&text.len()) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: &str, place: &str, my_asn: u32) -> Session {
        let peer = Peer::new(name, my_asn, RemoteAs::External, Remote::Address(place.parse().unwrap()));
        Session { peer, password: None }
    }

    fn route(prefix: &str, local_pref: u32, communities: impl IntoIterator<Item = u16>, peers: &[&str]) -> Route {
        Route {
            prefix: prefix.parse().unwrap(),
            local_pref,
            communities: communities.into_iter().map(|number| Community::Standard(64_512, number)).collect(),
            peers: peers.iter().map(|&peer| peer.to_owned()).collect(),
            nodes: None,
        }
    }

    #[test]
    fn routes_of_one_prefix_are_merged_for_each_peer() {
        let routes = [route("192.0.2.1/32", 0, [1], &[]), route("192.0.2.1/32", 7, [2], &["b"])];
        let sessions = [session("a", "10.0.0.1", 1), session("b", "10.0.0.2", 1)];
        let (desired, problems) = Desired::new(&sessions, &routes);
        assert_eq!(problems, []);
        let class = desired.classes.values().next().unwrap();
        let (a, b) = (class.attributes("a").unwrap(), class.attributes("b").unwrap());
        assert_eq!((a.local_pref, a.communities.len(), b.local_pref, b.communities.len()), (0, 1, 7, 2));
        // A peer more or less, and the order of routes, change no class.
        let fewer = Desired::new(&sessions[..1], &[routes[1].clone(), routes[0].clone()]).0;
        assert_eq!(fewer.classes, desired.classes);
    }

    #[test]
    fn prefixes_for_nobody_are_left_out() {
        let routes = [route("192.0.2.1/32", 0, [], &["b"]), route("2001:db8::1/128", 0, [], &[])];
        let (desired, problems) = Desired::new(&[session("a", "10.0.0.1", 1)], &routes);
        assert_eq!((problems.len(), desired.classes.len()), (0, 0));
        assert!(desired.routers[&None].networks.is_empty());
    }

    #[test]
    fn what_cannot_be_had_is_told_and_costs_nobody_else_anything() {
        let mut with_id = session("b", "10.0.0.2", 1);
        with_id.peer.router_id = Some([1, 1, 1, 1].into());
        let mut other_id = session("c", "10.0.0.3", 1);
        other_id.peer.router_id = Some([2, 2, 2, 2].into());
        let mut bad_word = session("d", "10.0.0.4", 1);
        bad_word.password = Some("two words".to_owned());
        let sessions = [
            bad_word,
            other_id,
            with_id,
            session("a", "10.0.0.1", 1),
            session("e", "10.0.0.1", 1),
            session("f", "10.0.0.6", 2),
        ];
        let routes = [route("192.0.2.1/32", 1, 0..64, &["a"]), route("192.0.2.1/32", 2, [], &["a", "b"])];
        let (desired, problems) = Desired::new(&sessions, &routes);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let begins = [
            "peer c: routerID",
            "peer d: FRR takes",
            "peer e: peer a",
            "peer f: myASN is 2",
            "192.0.2.1/32 and 0",
            "192.0.2.1/32 and 0",
        ];
        assert_eq!(told.len(), begins.len(), "{told:#?}");
        for (told, begin) in told.iter().zip(begins) {
            assert!(told.starts_with(begin), "{told}");
        }
        let names: Vec<_> =
            desired.routers[&None].neighbors.values().map(|neighbor| neighbor.peer.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn a_farewell_fits_and_has_no_routes() {
        let (desired, _) = Desired::new(&[session("a", "10.0.0.1", 1)], &[route("192.0.2.1/32", 0, [], &[])]);
        let closing = desired.closing(&"ä \n ".repeat(99));
        assert!(closing.closing.as_ref().is_some_and(|text| text.len() <= LONGEST_FAREWELL && !text.contains('\n')));
        assert!(closing.routers[&None].networks.is_empty() && closing.classes.is_empty());
    }
}
