//! The program in the kernel and its host build decide alike, whatever comes.

use arpeggio_common::{
    abi::{Action, Vip},
    wire::Mac,
};
use proptest::{prelude::*, sample::Index};

use crate::{
    case::{Case, Lease},
    frames::{
        ALL_NODES6, CLIENT, CLIENT4, CLIENT6, LINUX_NONCE, OURS, OVERRIDE, RIVAL, RIVAL_NODE, SOLICITED, VIP4,
        advertisement, arp_reply, arp_request, at, duplicate_detection, link_option, padded, pulse, solicitation,
        source_option, summed, unicast_solicitation, with, with_tag,
    },
    host,
    kernel::{Entry, kernel},
    table::unknown_action,
};

/// Valid frames of every kind.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let option = source_option();
    let beat = with_tag(&with(arp_request(), 28, &[0; 4]), RIVAL_NODE);
    let claim = with(arp_request(), 28, &VIP4);
    vec![
        arp_request(),
        padded(arp_request(), 60),
        with(arp_request(), 0, &OURS.0),
        with(with(arp_request(), 0, &OURS.0), 28, &[0; 4]),
        with(beat.clone(), 0, &OURS.0),
        beat,
        with_tag(&claim, RIVAL_NODE),
        with_tag(&arp_reply(OURS, [0; 4]), RIVAL_NODE),
        arp_reply(OURS, CLIENT4),
        arp_reply(OURS, [0; 4]),
        arp_reply(Mac::BROADCAST, CLIENT4),
        solicitation(&option),
        solicitation(&[]),
        solicitation(&option.repeat(5)),
        unicast_solicitation(&pulse(1, CLIENT, RIVAL_NODE)),
        solicitation(&pulse(1, CLIENT, RIVAL_NODE)),
        duplicate_detection(&LINUX_NONCE),
        advertisement(Mac::ALL_NODES, ALL_NODES6, OVERRIDE, &link_option(2, RIVAL)),
        advertisement(Mac::ALL_NODES, ALL_NODES6, OVERRIDE, &pulse(2, RIVAL, RIVAL_NODE)),
        advertisement(OURS, CLIENT6, SOLICITED, &pulse(2, RIVAL, RIVAL_NODE)),
    ]
}

/// One change of a frame.
#[derive(Clone, Debug)]
enum Change {
    Byte(Index, u8),
    Bit(Index, u8),
    Cut(Index),
    Grow(u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(index, value)| Change::Byte(index, value)),
        4 => (any::<Index>(), 0u8..8).prop_map(|(index, bit)| Change::Bit(index, bit)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (0u8..200).prop_map(Change::Grow),
    ];
    prop::collection::vec(change, 0..4)
}

fn changed(mut frame: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        match change {
            Change::Byte(index, value) => *index.get_mut(&mut frame) = *value,
            Change::Bit(index, bit) => *index.get_mut(&mut frame) ^= 1 << bit,
            Change::Cut(index) => {
                let length = 14 + index.index(frame.len() - 13);
                frame.truncate(length);
            }
            Change::Grow(more) => frame.extend(0..*more),
        }
    }
    frame
}

fn entries() -> impl Strategy<Value = (u8, u64, bool)> {
    let shares = prop_oneof![3 => Just(u64::MAX), 1 => any::<u64>(), 1 => Just(0)];
    (prop_oneof![4 => Just(1u8), 1 => 0u8..4], shares, prop::bool::weighted(0.2))
}

proptest! {
    // Each case is one frame through one entry: quick enough for a machine that is emulated.
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_kernel_and_the_host_build_decide_alike(
        seed in prop::sample::select(seeds()),
        changes in changes(),
        mended in prop::bool::weighted(0.8),
        (code, shares, evacuating) in entries(),
        expired in prop::bool::weighted(0.1),
        entry in prop::sample::select(Entry::ALL.to_vec()),
    ) {
        let mut frame = changed(seed, &changes);
        // A wrong checksum hides everything behind it.
        if mended && frame[12..14] == [0x86, 0xdd] && frame.len() > at::OPTIONS {
            frame = summed(frame);
        }
        let case = Case::new("random", frame).entries(|vip| {
            let vip = unknown_action(Vip::new(OURS.0, Action::Answer, vip.slot(), shares), code);
            if evacuating { vip.with_flags(arpeggio_common::abi::Flags::EVACUATING) } else { vip }
        });
        let case = if expired { case.lease(Lease::In(-1)) } else { case };
        let entry = if entry.takes(&case.frame) { entry } else { Entry::Xdp };
        prop_assert_eq!(kernel().run(entry, &case), host::run(&case), "{:02x?}", case.frame);
    }
}
