//! Neighbour solicitations: who is answered and how, and who is not.

use arpeggio_common::{
    abi::{Key6, Outcome},
    wire::Mac,
};

use super::{advertised, neighbor_answer, over};
use crate::{
    case::{Case, IFINDEX},
    frames::{
        ALL_NODES6, CLIENT, CLIENT6, GROUP, LINUX_NONCE, NOBODY6, OTHER6, OURS, RIVAL, SOLICITATION, STRANGER, VIP6,
        VIP6_GROUP, VIP6_GROUP_MAC, at, cut, duplicate_detection, link_option, neighbor, padded, solicitation,
        source_option, summed, unicast_solicitation, with,
    },
    oracle::{self, Answer},
};

/// fe80::2 asks the group of 2001:db8::10:a, and our answer, as they stand on the wire.
const GOLDEN_QUESTION: &[u8] = b"\x33\x33\xff\x10\x00\x0a\x02\x00\x00\x00\x00\x02\x86\xdd\
    \x60\x00\x00\x00\x00\x20\x3a\xff\
    \xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\
    \xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\x10\x00\x0a\
    \x87\x00\x4b\x2d\x00\x00\x00\x00\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a\
    \x01\x01\x02\x00\x00\x00\x00\x02";
const GOLDEN_ANSWER: &[u8] = b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x86\xdd\
    \x60\x00\x00\x00\x00\x20\x3a\xff\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a\
    \xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\
    \x88\x00\xb9\x79\x60\x00\x00\x00\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a\
    \x02\x01\x02\x00\x00\x00\x00\x01";
/// The same address asked for by duplicate address detection without options, and the answer to all nodes.
const GOLDEN_DETECTION_ANSWER: &[u8] = b"\x33\x33\x00\x00\x00\x01\x02\x00\x00\x00\x00\x01\x86\xdd\
    \x60\x00\x00\x00\x00\x18\x3a\xff\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a\
    \xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\
    \x88\x00\xfd\x02\x20\x00\x00\x00\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x0a";

fn unlinked() -> Answer {
    match advertised() {
        Answer::Neighbor { ethernet, addresses, solicited, overrides, target, .. } => {
            Answer::Neighbor { ethernet, addresses, solicited, overrides, target, link: None }
        }
        arp @ Answer::Arp { .. } => arp,
    }
}

pub(super) fn solicitations() -> Vec<Case> {
    let option = source_option();
    let answered = |name: &str, frame: Vec<u8>| {
        let answer = over(&frame, neighbor_answer());
        Case::new(name, frame).answered(answer)
    };
    let bare = oracle::write(&unlinked());
    let global = neighbor((VIP6_GROUP_MAC, CLIENT), (OTHER6, VIP6_GROUP), (SOLICITATION, 0), VIP6, &option);
    let global_answer = oracle::write(&Answer::Neighbor {
        ethernet: (CLIENT, OURS),
        addresses: (VIP6, OTHER6),
        solicited: true,
        overrides: true,
        target: VIP6,
        link: Some(OURS),
    });
    let to_group = |to: Mac| neighbor((to, CLIENT), (CLIENT6, VIP6_GROUP), (SOLICITATION, 0), VIP6, &option);
    let marked = with(solicitation(&option), 14, &[0x6e, 0xab, 0xcd, 0xef]);
    vec![
        Case::new("NS, literally", GOLDEN_QUESTION.to_vec()).answered(GOLDEN_ANSWER.to_vec()),
        answered("NS with a source option", solicitation(&option)),
        answered("NS to us alone with a source option", unicast_solicitation(&option)),
        Case::new("NS to us alone without options: the neighbour is still there", unicast_solicitation(&[]))
            .answered(bare.clone()),
        Case::new("NS to the group without options", solicitation(&[])).answered(bare.clone()),
        Case::new("NS without options, padded", padded(solicitation(&[]), 100)).answered(padded(bare, 100)),
        answered("NS with a nonce only", solicitation(&LINUX_NONCE)),
        answered("NS with an option nobody knows", solicitation(&[200, 1, 1, 2, 3, 4, 5, 6])),
        answered(
            "NS with the MAC of another: the answer goes back where the frame came from",
            solicitation(&link_option(1, RIVAL)),
        ),
        answered("NS with a source option, padded", padded(solicitation(&option), 128)),
        answered("NS with traffic class and flow label", marked),
        answered("NS with reserved bits", summed(with(solicitation(&option), 58, &[0xff, 0xff, 0xff, 0xff]))),
        answered("NS to the IPv6 group, to our MAC", to_group(OURS)),
        answered("NS to the IPv6 group, to everybody", to_group(Mac::BROADCAST)),
        Case::new("NS from a global address", global).answered_to(OTHER6, CLIENT, global_answer),
    ]
}

pub(super) fn duplicate_detection_rows() -> Vec<Case> {
    let to_all = |link| Answer::Neighbor {
        ethernet: (Mac::ALL_NODES, OURS),
        addresses: (VIP6, ALL_NODES6),
        solicited: false,
        overrides: true,
        target: VIP6,
        link,
    };
    let unicast = neighbor((OURS, CLIENT), (NOBODY6, VIP6), (SOLICITATION, 0), VIP6, &[]);
    let unicast_nonce = neighbor((OURS, CLIENT), (NOBODY6, VIP6), (SOLICITATION, 0), VIP6, &LINUX_NONCE);
    // A source option that is the inside of another option is none.
    let hidden = [&[200, 2, 0, 0, 0, 0, 0, 0][..], &source_option()].concat();
    let hidden = duplicate_detection(&hidden);
    let hidden_answer = over(&hidden, oracle::write(&to_all(Some(OURS))));
    let behind = [&LINUX_NONCE[..], &source_option()].concat();
    vec![
        Case::new("DAD without options, literally", duplicate_detection(&[])).answered_to(
            NOBODY6,
            CLIENT,
            GOLDEN_DETECTION_ANSWER.to_vec(),
        ),
        Case::new("DAD without options", padded(duplicate_detection(&[]), 80)).answered_to(
            NOBODY6,
            CLIENT,
            padded(oracle::write(&to_all(None)), 80),
        ),
        Case::new("DAD with a nonce, as Linux sends it", duplicate_detection(&LINUX_NONCE)).answered_to(
            NOBODY6,
            CLIENT,
            oracle::write(&to_all(Some(OURS))),
        ),
        Case::new("DAD with something like a source option inside another", hidden).answered_to(
            NOBODY6,
            CLIENT,
            hidden_answer,
        ),
        Case::new("DAD with a source option", duplicate_detection(&source_option())).passed(Outcome::BadProbe),
        Case::new("DAD with a source option behind a nonce", duplicate_detection(&behind)).passed(Outcome::BadProbe),
        Case::new("DAD to us alone", unicast).passed(Outcome::BadProbe),
        Case::new("DAD to us alone with a nonce", unicast_nonce).passed(Outcome::BadProbe),
    ]
}

pub(super) fn refused() -> Vec<Case> {
    let ns = || solicitation(&source_option());
    let to = |ethernet: Mac, destination| {
        neighbor((ethernet, CLIENT), (CLIENT6, destination), (SOLICITATION, 0), VIP6, &source_option())
    };
    let group_target = |world: &mut crate::case::World| {
        let vip = world.vips6[0].1;
        world.vips6.push((Key6::new(IFINDEX, ALL_NODES6), vip));
    };
    let for_group =
        neighbor((Mac::ALL_NODES, CLIENT), (CLIENT6, ALL_NODES6), (SOLICITATION, 0), ALL_NODES6, &source_option());
    let asking =
        |target| neighbor((VIP6_GROUP_MAC, CLIENT), (CLIENT6, VIP6_GROUP), (SOLICITATION, 0), target, &source_option());
    let mut neighbour = VIP6;
    neighbour[0] = 0x3f;
    let mut rows = vec![
        Case::new("NS with code 1", summed(with(ns(), at::CODE, &[1]))).passed(Outcome::BadCode),
        Case::new("NS with checksum 0", with(ns(), at::CHECKSUM, &[0, 0])).passed(Outcome::BadChecksum),
        Case::new("NS with checksum 0xffff", with(ns(), at::CHECKSUM, &[0xff, 0xff])).passed(Outcome::BadChecksum),
        Case::new("NS with one bit of the option changed", with(ns(), 85, &[3])).passed(Outcome::BadChecksum),
        Case::new("NS with one bit of the source changed", with(ns(), 37, &[3])).passed(Outcome::BadChecksum),
        Case::new("NS for a group in the maps", for_group.clone()).world(group_target).passed(Outcome::BadTarget),
        Case::new("NS for a group", for_group).passed(Outcome::ForeignTarget),
        Case::new("NS for another address", asking(OTHER6)).passed(Outcome::ForeignTarget),
        Case::new("NS for another address of the same group", asking(neighbour)).passed(Outcome::ForeignTarget),
        Case::new("NS while the maps are empty", ns())
            .world(|world| world.vips6.clear())
            .passed(Outcome::ForeignTarget),
        Case::new("NS for an address of another interface", ns())
            .world(|world| world.vips6[0].0 = Key6::new(IFINDEX + 1, VIP6))
            .passed(Outcome::ForeignTarget),
        Case::new("NS to all nodes", to(Mac::ALL_NODES, ALL_NODES6)).passed(Outcome::BadDestination),
        Case::new("NS to another address", to(OURS, OTHER6)).passed(Outcome::BadDestination),
        Case::new("NS to another station", to(STRANGER, VIP6)).passed(Outcome::OtherMac),
        Case::new("NS by a group", with(ns(), 6, &GROUP.0)).passed(Outcome::BadSender),
        Case::new("NS by everybody", with(ns(), 6, &Mac::BROADCAST.0)).passed(Outcome::BadSender),
    ];
    let by_group =
        neighbor((VIP6_GROUP_MAC, CLIENT), (ALL_NODES6, VIP6_GROUP), (SOLICITATION, 0), VIP6, &source_option());
    rows.push(Case::new("NS from the address of a group", by_group).passed(Outcome::BadSender));
    for version in [0, 4, 5, 7, 15] {
        rows.push(Case::new(format!("NS in an IP header of version {version}"), with(ns(), 14, &[version << 4])));
    }
    for hops in [0, 1, 64, 254] {
        let case = Case::new(format!("NS with hop limit {hops}"), with(ns(), at::HOP_LIMIT, &[hops]));
        rows.push(case.passed(Outcome::BadHopLimit));
    }
    rows
}

pub(super) fn lengths() -> Vec<Case> {
    let mut rows = Vec::new();
    let ns = || solicitation(&source_option());
    for length in 0..58 {
        rows.push(Case::new(format!("NS cut to {length} bytes: no type"), cut(ns(), length)));
    }
    for length in 58..86 {
        rows.push(Case::new(format!("NS cut to {length} bytes"), cut(ns(), length)).passed(Outcome::Truncated));
    }
    rows.push(Case::new("NS cut to 86 bytes: whole", cut(padded(ns(), 90), 86)).answered(neighbor_answer()));
    for (length, outcome) in [
        (0u16, Outcome::BadOption),
        (8, Outcome::BadOption),
        (23, Outcome::BadOption),
        (25, Outcome::BadOption),
        (31, Outcome::BadOption),
        (33, Outcome::BadOption),
        (39, Outcome::BadOption),
        (40, Outcome::Truncated),
        (24 + 16 * 8, Outcome::Truncated),
        (24 + 17 * 8, Outcome::TooManyOptions),
        (0xffff, Outcome::BadOption),
        (0xfff8, Outcome::TooManyOptions),
    ] {
        let frame = summed(with(ns(), at::PAYLOAD_LENGTH, &length.to_be_bytes()));
        rows.push(Case::new(format!("NS of 86 bytes with payload length {length}"), frame).passed(outcome));
    }
    // The option lies behind the end that the header states: it is padding.
    let short = summed(with(ns(), at::PAYLOAD_LENGTH, &[0, 24]));
    let answer = over(&short, oracle::write(&unlinked()));
    rows.push(Case::new("NS of 86 bytes with payload length 24", short).answered(answer));
    rows
}
