//! The decision over these tables: the same as in the kernel, with the same traces.

use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, EventKind, Flags},
    wire::{Arp, Mac, Neighbor, Nonce, OPTIONED_FRAME, Tag},
};
use arpeggio_speaker_ebpf::{Frame, decide};

use super::*;
use crate::{dataplane::plan, decide::DesiredVip};

const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 9]);
const VIP4: [u8; 4] = [10, 0, 0, 5];
const VIP6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
const ASKER4: [u8; 4] = [10, 0, 0, 9];
const ASKER6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

fn place4() -> Place {
    (3, VIP4.into())
}

fn place6() -> Place {
    (3, VIP6.into())
}

fn node(number: u64) -> NodeId {
    NodeId::from_number(number).unwrap()
}

/// What a node says of itself in a question asked long ago.
fn tag(number: u64) -> Tag {
    Tag { node: node(number), generation: 4, nonce: Nonce::question(5), proof: 0 }
}

fn lease(until_ns: u64) -> Lease {
    Lease { until_ns, node: Some(node(1)) }
}

fn tables(action: Action) -> (UserTables, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::channel(1);
    let mut tables = UserTables::new(sender);
    let vip = DesiredVip { mac: OURS, action, flags: Flags::NONE, buckets: ALL_BUCKETS, may_own: true, generation: 0 };
    tables.set(&plan(&BTreeMap::new(), &BTreeMap::from([(place4(), vip), (place6(), vip)]), 8).set);
    tables.set_lease(lease(u64::MAX));
    (tables, receiver)
}

fn run(tables: &mut UserTables, frame: &mut [u8]) -> Outcome {
    run_at(tables, frame, 1_000)
}

/// The frame came at this time.
fn run_at(tables: &mut UserTables, frame: &mut [u8], at_ns: u64) -> Outcome {
    tables.begin_frame(at_ns);
    let outcome = Frame::over(frame, |frame| decide(frame, tables, 3));
    tables.count_outcome(outcome);
    outcome
}

#[test]
fn both_families_are_answered_counted_and_remembered() {
    let (mut tables, _events) = tables(Action::Answer);
    let mut request = Arp::request(Mac::BROADCAST, CLIENT, ASKER4, VIP4);
    assert_eq!(run(&mut tables, &mut request), Outcome::Answered);
    assert_eq!(request, Arp::correction(CLIENT, OURS, OURS, VIP4, ASKER4));
    let mut solicitation: [u8; OPTIONED_FRAME] = Neighbor::solicitation(CLIENT, ASKER6, VIP6);
    assert_eq!(run(&mut tables, &mut solicitation), Outcome::Answered);
    assert_eq!(&solicitation[..6], &CLIENT.0);
    let counted: Vec<(u64, u64)> = tables.stats().values().map(|stats| (stats.requests, stats.replies)).collect();
    assert_eq!(counted, [(1, 1), (1, 1)]);
    let clients = tables.clients();
    assert_eq!(clients[&(place4(), ASKER4.into())].mac(), CLIENT.0);
    assert_eq!(clients[&(place6(), ASKER6.into())].mac(), CLIENT.0);
    assert!(tables.outcomes().is_empty(), "answers are counted per address");
}

#[test]
fn without_a_lease_nothing_is_answered() {
    let (mut tables, _events) = tables(Action::Answer);
    for over in [0, monotonic_ns()] {
        tables.set_lease(lease(over));
        let mut request = Arp::request(Mac::BROADCAST, CLIENT, ASKER4, VIP4);
        assert_eq!(run(&mut tables, &mut request), Outcome::LeaseOver);
        assert_eq!(request, Arp::request(Mac::BROADCAST, CLIENT, ASKER4, VIP4), "the frame is left alone");
    }
    assert_eq!(tables.outcomes(), BTreeMap::from([(Outcome::LeaseOver, 2)]));
}

#[test]
fn a_rival_is_seen_with_the_time_of_its_frame_and_reported_as_long_as_there_is_room() {
    let (mut tables, mut events) = tables(Action::Answer);
    tables.know(&[7, 8].map(|rival| PeerKey::new(3, node(rival))).into());
    // The second one a second later: it is an event again.
    for (rival, at_ns) in [(7, 1_000), (8, 2_000_000_000)] {
        let mut claim = Arp::announcement(Mac([2, 0, 0, 0, 0, rival]), VIP4, tag(u64::from(rival)));
        assert_eq!(run_at(&mut tables, &mut claim, at_ns), Outcome::Conflict);
    }
    let seen = tables.sightings()[&place4()];
    assert_eq!((seen.mac(), seen.last_seen_ns(), seen.count()), ([2, 0, 0, 0, 0, 8], 2_000_000_000, 2));
    let event = events.try_recv().unwrap();
    assert_eq!((event.kind(), event.mac()), (Some(EventKind::Conflict), [2, 0, 0, 0, 0, 7]));
    assert_eq!((event.node(), seen.node()), (Some(node(7)), Some(node(8))));
    assert_eq!(tables.sighted(&place4()), Sighted { speaker: Some(seen), ..Sighted::default() });
    let heard: Vec<_> =
        tables.peers().into_iter().map(|(key, peer)| (key, peer.mac()[5], peer.last_seen_ns())).collect();
    assert_eq!(heard, [((3, node(7)), 7, 1_000), ((3, node(8)), 8, 2_000_000_000)]);
    assert_eq!((events.try_recv().ok(), tables.events_lost()), (None, 1));
    assert_eq!(tables.outcomes(), BTreeMap::from([(Outcome::Conflict, 2)]));
}

#[test]
fn removed_entries_take_their_counters_along_and_changed_ones_keep_them() {
    let (mut tables, _events) = tables(Action::Answer);
    let _ = run(&mut tables, &mut Arp::request(Mac::BROADCAST, CLIENT, ASKER4, VIP4));
    let vip = |slot, action| Vip::new(OURS.0, action, slot, ALL_BUCKETS);
    tables.set(&[Write { place: place4(), vip: vip(0, Action::Suppress), fresh_slot: false }]);
    let mut request = Arp::request(Mac::BROADCAST, CLIENT, ASKER4, VIP4);
    assert_eq!(run(&mut tables, &mut request), Outcome::Suppressed);
    let stats = tables.stats()[&0];
    assert_eq!((stats.requests, stats.suppressed), (1, 1));
    tables.remove(&[place4()]);
    assert!(!tables.stats().contains_key(&0));
    assert_eq!(run(&mut tables, &mut request), Outcome::ForeignTarget);
    tables.set(&[Write { place: place4(), vip: vip(0, Action::Answer), fresh_slot: true }]);
    assert_eq!(tables.stats()[&0], Stats::default());
}

#[test]
fn a_heartbeat_is_answered_in_our_name_and_its_sender_is_a_peer() {
    let (mut tables, _events) = tables(Action::Answer);
    tables.know(&[PeerKey::new(3, node(5))].into());
    for count in 1..3 {
        let mut heartbeat = Arp::probe(OURS, CLIENT, [0; 4], VIP4, tag(5));
        assert_eq!(run(&mut tables, &mut heartbeat), Outcome::HeartbeatAnswered);
        let (message, trailer) = heartbeat.split_at(42);
        assert_eq!(message, Arp::correction(CLIENT, OURS, OURS, VIP4, [0; 4]));
        let ours = Tag { generation: 0, ..tag(1) };
        assert_eq!(trailer, &Arp::probe(OURS, CLIENT, [0; 4], VIP4, ours)[42..], "the tag is ours now");
        let peer = tables.peers()[&(3, node(5))];
        assert_eq!((peer.mac(), peer.last_seen_ns(), peer.count()), (CLIENT.0, 1_000, count));
    }
    assert!(tables.clients().is_empty(), "a peer is no client");
}
