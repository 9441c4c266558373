//! The address maps of a real kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Instant,
};

use arpeggio_common::{
    abi::{Action, EventKind, Flags, PeerKey, SightingKind},
    wire::{Arp, Mac, Nonce, Tag},
};
use arpeggio_speaker::{
    dataplane::{Dataplane, Options, Sighted, TableError},
    decide::{AttachPolicy, Desired, DesiredVip},
    frames::FrameSocket,
};

use crate::sandbox::{CLIENT, NODE, address, apply, ask, desired, index_of, node, sandbox, veth, vip};

const UNPINNED: Options = Options { pin_dir: None, capacity: 16_384, log_level: 0 };

fn load(count: u32) -> Desired {
    let place = |number: u32| match number % 2 {
        0 => (3, IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))),
        _ => (3, IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(number)))),
    };
    Desired { vips: (0..count).map(|number| (place(number), vip(Action::Answer))).collect(), ..Desired::default() }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "this test measures")]
fn ten_thousand_addresses_load_in_under_a_second_and_one_change_is_one_write() {
    sandbox(|_| {
        let mut dataplane = Dataplane::open(&UNPINNED).unwrap();
        let mut wanted = load(10_000);
        let start = Instant::now();
        let applied = apply(&mut dataplane, &wanted);
        let loading = start.elapsed();
        assert_eq!((applied.written, applied.removed, applied.taken.len()), (10_000, 0, 10_000));
        assert!(loading.as_secs_f64() < 1.0, "{loading:?}");

        let start = Instant::now();
        let applied = apply(&mut dataplane, &wanted);
        let again = start.elapsed();
        assert_eq!((applied.written, applied.removed, applied.taken.len()), (0, 0, 0), "the second run does nothing");

        wanted.vips.insert((3, IpAddr::from([10, 0, 0, 0])), vip(Action::Suppress));
        let start = Instant::now();
        let applied = apply(&mut dataplane, &wanted);
        println!("10,000 addresses: loaded in {loading:?}, checked in {again:?}, one changed in {:?}", start.elapsed());
        assert_eq!((applied.written, applied.removed), (1, 0));
        assert_eq!(apply(&mut dataplane, &Desired::default()).removed, 10_000);
        assert!(dataplane.maps().entries().unwrap().is_empty());
    });
}

#[test]
fn random_states_one_after_the_other_are_reached() {
    sandbox(|_| {
        let mut dataplane = Dataplane::open(&Options { capacity: 24, ..UNPINNED }).unwrap();
        // A small generator (xorshift): the states differ, the test does not.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..200 {
            let wanted: BTreeMap<_, _> = (0..random() % 24)
                .map(|_| {
                    let last = u8::try_from(random() % 20).unwrap();
                    let place = match random() % 2 {
                        0 => address(last),
                        _ => IpAddr::V6(Ipv6Addr::from_bits((0xfd00 << 112) + u128::from(last))),
                    };
                    let action = Action::ALL[usize::try_from(random() % 3).unwrap()];
                    let flags = if random() % 2 == 0 { Flags::NONE } else { Flags::EVACUATING };
                    let ifindex = u32::try_from(random() % 3 + 1).unwrap();
                    (
                        (ifindex, place),
                        DesiredVip {
                            mac: NODE,
                            action,
                            flags,
                            buckets: random(),
                            may_own: random() % 2 == 0,
                            generation: 0,
                        },
                    )
                })
                .collect();
            let wanted = Desired { vips: wanted, ..Desired::default() };
            apply(&mut dataplane, &wanted);
            let entries = dataplane.maps().entries().unwrap();
            assert_eq!(entries.keys().collect::<Vec<_>>(), wanted.vips.keys().collect::<Vec<_>>());
            for (place, vip) in &entries {
                let wanted = &wanted.vips[place];
                let found = (vip.mac(), vip.action(), vip.flags(), vip.buckets());
                assert_eq!(found, (wanted.mac.0, Some(wanted.action), wanted.flags, wanted.buckets));
            }
            let again = apply(&mut dataplane, &wanted);
            assert_eq!((again.written, again.removed), (0, 0));
        }
    });
}

#[test]
fn what_does_not_fit_is_told_and_the_rest_is_installed() {
    sandbox(|_| {
        let mut dataplane = Dataplane::open(&Options { capacity: 100, ..UNPINNED }).unwrap();
        let applied = dataplane.apply(&load(130));
        assert_eq!((applied.written, applied.taken.len(), applied.errors.len()), (100, 100, 1));
        assert!(matches!(applied.errors[0], TableError::Full { left_out: 30, wanted: 130, capacity: 100 }));
        let text = applied.errors[0].to_string();
        assert!(text.contains("30 of 130 addresses") && text.contains("--capacity 130"), "{text}");
        assert_eq!(dataplane.maps().entries().unwrap().len(), 100);
    });
}

#[test]
fn a_new_mac_of_the_interface_rewrites_its_entries() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        let mut wanted = desired(index, "va", AttachPolicy::Tcx);
        apply(&mut dataplane, &wanted);
        assert_eq!(ask("va"), Some(NODE));
        let moved = Mac([0x02, 0, 0, 0, 0xa0, 0x99]);
        for vip in wanted.vips.values_mut() {
            vip.mac = moved;
        }
        let applied = apply(&mut dataplane, &wanted);
        assert_eq!((applied.written, applied.removed, applied.taken), (1, 0, vec![(index, address(10))]));
        assert_eq!(ask("va"), Some(moved));
    });
}

#[test]
fn a_line_that_is_used_again_starts_at_zero() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        let mut wanted = desired(index, "va", AttachPolicy::Tcx);
        apply(&mut dataplane, &wanted);
        assert_eq!(ask("va"), Some(NODE));
        let slots = BTreeSet::from([0]);
        let stats = dataplane.maps().stats(&slots).unwrap()[&0];
        assert_eq!((stats.requests, stats.replies, stats.last_client_mac()), (1, 1, CLIENT.0));
        wanted.vips = BTreeMap::from([((index, address(11)), vip(Action::Answer))]);
        apply(&mut dataplane, &wanted);
        assert_eq!(dataplane.maps().entries().unwrap()[&(index, address(11))].slot(), 0);
        assert_eq!(dataplane.maps().stats(&slots).unwrap()[&0], Default::default());
        assert!(dataplane.maps().stats(&BTreeSet::from([64])).is_err(), "beyond the end");
    });
}

#[test]
fn rivals_are_seen_counted_and_reported() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        apply(&mut dataplane, &desired(index, "va", AttachPolicy::Tcx));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut events = dataplane.events().unwrap();
            let rival = Mac([0x02, 0, 0, 0, 0xba, 0xd0]);
            let known = BTreeSet::from([PeerKey::new(index, node("rival"))]);
            dataplane.live().unwrap().know(&known).unwrap();
            let nonce = Nonce::statement(1);
            let tag = Tag { node: node("rival"), generation: 4, nonce, proof: 0 };
            let claim = Arp::announcement(rival, [192, 0, 2, 10], tag);
            FrameSocket::open().unwrap().send(index_of("vap"), &claim).unwrap();
            let waiting = tokio::time::timeout(std::time::Duration::from_secs(5), events.next());
            let event = waiting.await.expect("an event within five seconds").unwrap();
            assert_eq!((event.kind(), event.mac()), (Some(EventKind::Conflict), rival.0));
            assert_eq!((event.key().ifindex(), event.node()), (index, Some(node("rival"))));
            let sightings = dataplane.maps().sightings().unwrap();
            let sighting = sightings[&(index, address(10))];
            assert_eq!((sighting.mac(), sighting.kind(), sighting.count()), (rival.0, Some(SightingKind::Claim), 1));
            assert_eq!(sighting.last_seen_ns() / 1_000_000_000, event.at_ns() / 1_000_000_000);
            assert_eq!((event.generation(), sighting.generation()), (4, 4));
            let seen = Sighted { speaker: Some(sighting), ..Sighted::default() };
            assert_eq!(dataplane.maps().sighted(&(index, address(10))).unwrap(), seen);
            assert_eq!(dataplane.maps().sighted(&(index, address(11))).unwrap(), Sighted::default());
            // Another thread reads the same by descriptors of its own.
            let maps = dataplane.maps().duplicate().unwrap();
            let peers = std::thread::spawn(move || maps.peers().unwrap()).join().unwrap();
            let peer = dataplane.maps().peer(index, node("rival")).unwrap().unwrap();
            assert_eq!(peers, BTreeMap::from([((index, node("rival")), peer)]));
            assert_eq!((peer.mac(), peer.count()), (rival.0, 1));
            assert_eq!(dataplane.maps().peer(index + 1, node("rival")).unwrap(), None);
            let outcomes = dataplane.maps().outcomes().unwrap();
            assert_eq!(outcomes[&arpeggio_common::abi::Outcome::Conflict], 1);
        });
    });
}

/// Keeps what the program logs.
struct Kept(std::sync::Mutex<Vec<String>>);

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

static KEPT: Kept = Kept(std::sync::Mutex::new(Vec::new()));

#[test]
fn the_program_explains_rare_verdicts_when_asked_to() {
    log::set_logger(&KEPT).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    for level in [0, 4] {
        sandbox(move |sandbox| {
            let index = veth("va");
            let mut dataplane = Dataplane::open(&Options { log_level: level, ..sandbox.options(16) }).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap();
            runtime.block_on(async {
                let log = dataplane.program_log().unwrap();
                apply(&mut dataplane, &desired(index, "va", AttachPolicy::Tcx));
                let tag = Tag { node: node("rival"), generation: 4, nonce: Nonce::statement(1), proof: 0 };
                let claim = Arp::announcement(Mac([0x02, 0, 0, 0, 0xba, 0xd0]), [192, 0, 2, 10], tag);
                FrameSocket::open().unwrap().send(index_of("vap"), &claim).unwrap();
                let _ = tokio::time::timeout(std::time::Duration::from_millis(300), log.run()).await;
            });
            let told = KEPT.0.lock().unwrap().iter().any(|text| text.contains("another MAC speaks for an address"));
            assert_eq!(told, level > 0);
        });
    }
}

#[test]
fn maps_are_read_whole_whatever_their_size() {
    sandbox(|_| {
        let index = veth("va");
        for count in [1, 511, 512, 513, 3_000] {
            let mut dataplane = Dataplane::open(&UNPINNED).unwrap();
            let mut wanted = load(count);
            wanted.interfaces = desired(index, "va", AttachPolicy::Tcx).interfaces;
            wanted.vips.insert((index, address(10)), vip(Action::Answer));
            apply(&mut dataplane, &wanted);
            let entries = dataplane.maps().entries().unwrap();
            assert_eq!(entries.keys().collect::<Vec<_>>(), wanted.vips.keys().collect::<Vec<_>>());
            // One line of counters has something in it, whether all lines are read or only that one.
            assert_eq!(ask("va"), Some(NODE));
            let slots: BTreeSet<u32> = entries.values().map(|vip| vip.slot()).collect();
            let asked = entries[&(index, address(10))].slot();
            let all = dataplane.maps().stats(&slots).unwrap();
            assert_eq!(all.keys().copied().collect::<BTreeSet<_>>(), slots);
            for (slot, stats) in all {
                assert_eq!(stats.replies > 0, slot == asked, "{slot}");
                assert_eq!(dataplane.maps().stats(&BTreeSet::from([slot])).unwrap()[&slot], stats);
            }
        }
    });
}
