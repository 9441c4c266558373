//! Ordinary requests whose sender uses an address of ours (RFC 5227 section 2.4), and what is suppressed after the lease.

use arpeggio_common::{
    abi::{Action, EventKind, Outcome, SUPPRESSION_NS, SightingKind},
    wire::Mac,
};

use super::entries::questions;
use crate::{
    case::{Case, Earlier, KEY4, KEY6, Lease},
    frames::{
        OTHER4, OTHER6, OURS, REQUEST, RIVAL, SOLICITATION, VIP4, VIP6, ZERO4, arp, at, link_option, neighbor,
        rival_node, with,
    },
};

/// Somebody at `mac` who says that it has `sender` asks for another address.
fn asking(mac: Mac, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    arp((Mac::BROADCAST, mac), REQUEST, (mac, sender), (Mac::ZERO, target))
}

/// The same in neighbour discovery.
fn soliciting(mac: Mac, source: [u8; 16], target: [u8; 16]) -> Vec<u8> {
    let mut group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0];
    group[13..].copy_from_slice(&target[13..]);
    let to = Mac([0x33, 0x33, 0xff, target[13], target[14], target[15]]);
    neighbor((to, mac), (source, group), (SOLICITATION, 0), target, &link_option(1, mac))
}

pub(super) fn rows() -> Vec<Case> {
    let frames = |mac| [("ARP", asking(mac, VIP4, OTHER4)), ("ND", soliciting(mac, VIP6, OTHER6))];
    let mut rows = Vec::new();
    for (family, frame) in frames(RIVAL) {
        let case =
            |what: &str| Case::new(format!("{family} request with our address as sender, {what}"), frame.clone());
        // Counted at the address that is used.
        let used = |case: Case| case.passed(Outcome::ForeignTarget).sighted(RIVAL, SightingKind::Use);
        rows.push(used(case("answered here")).told(EventKind::Conflict, RIVAL));
        rows.push(used(case("suppressed").action(Action::Suppress)));
        rows.push(case("after the lease").lease(Lease::In(-1)).passed(Outcome::ForeignTarget));
    }
    for (family, frame) in frames(OURS) {
        rows.push(Case::new(format!("our own {family} request"), frame).passed(Outcome::ForeignTarget));
    }
    // Its checksum is left to whoever is asked.
    let broken = with(soliciting(RIVAL, VIP6, OTHER6), at::CHECKSUM, &[0, 0]);
    let broken = Case::new("NS with our address as source and a wrong checksum", broken).passed(Outcome::ForeignTarget);
    rows.push(broken.sighted(RIVAL, SightingKind::Use).told(EventKind::Conflict, RIVAL));
    rows.push(Case::new("ARP probe for another address", asking(RIVAL, ZERO4, OTHER4)).passed(Outcome::ForeignTarget));
    rows
}

/// With another speaker heard lately, no kernel of ours may answer beside it although our lease is over.
pub(super) fn after_lease() -> Vec<Case> {
    let mut rows = Vec::new();
    for (name, frame, _) in questions() {
        let key = if name == "ARP" { KEY4.widen() } else { KEY6 };
        let taken = |age_ns| Earlier { key, mac: RIVAL, node: Some(rival_node()), kind: SightingKind::Claim, age_ns };
        for (what, action, heard_ago_ns, taken_over, suppressed) in [
            ("suppressed, a speaker is heard", Action::Suppress, Some(1_000_000), None, true),
            ("suppressed, a speaker was heard long ago", Action::Suppress, Some(SUPPRESSION_NS), None, false),
            ("suppressed, nobody was ever heard", Action::Suppress, None, None, false),
            ("observed, a speaker is heard", Action::Observe, Some(1_000_000), None, false),
            ("ours, nobody took it", Action::Answer, Some(1_000_000), None, false),
            ("ours, claimed before", Action::Answer, Some(1_000_000), Some(20_000_000_000), false),
            ("ours, taken over since", Action::Answer, Some(1_000_000), Some(1_000_000), true),
        ] {
            let case = Case::new(format!("{name} after the lease: {what}"), frame.clone())
                .action(action)
                .lease(Lease::In(-10_000_000_000))
                .world(|world| {
                    world.heard_ago_ns = heard_ago_ns;
                    world.earlier = taken_over.map(taken);
                });
            let case = if let Some(age_ns) = taken_over { case.still(taken(age_ns)) } else { case };
            let case = if heard_ago_ns.is_some() { case.heard_before() } else { case };
            rows.push(if suppressed {
                case.dropped(Outcome::SuppressedBeyond)
            } else {
                case.passed(Outcome::LeaseOver)
            });
        }
    }
    rows
}
