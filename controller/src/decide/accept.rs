//! Whether each object of the configuration is in force as it is written, and what its author is told if not.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::{
    api::names::{INVALID, PENDING, VALID},
    model::{Configuration, Fault},
};

use super::{
    allocate::{Allocation, Holder},
    types::{AcceptanceWish, Notice, NoticeKind},
};
use crate::cluster::{Acceptance, Changes, ConfigurationKind, Configured, ConfiguredName, Snapshot};

/// Reason of the event when an object is not in force as written.
const REFUSED: &str = "ConfigurationRefused";
/// Reason of the event when it is again.
const ACCEPTED: &str = "ConfigurationAccepted";
/// What the condition of an object without a fault says.
const IN_FORCE: &str = "in force as written";
/// What it says of a pool before the addresses that are somebody's own.
const HELD: &str = ", but these addresses belong to others and are given to no Service: ";
/// Addresses of one pool that are named.
const MOST_HELD: usize = 20;
/// Reason of the event when there are such addresses.
const NOT_GIVEN: &str = "AddressesNotGiven";
/// What it says of an object of which a part is left out before that part.
const LEFT_OUT: &str = "in force, but for this: ";
/// Reason of the event when there is such a part.
const PARTLY: &str = "PartLeftOut";
/// Faults of one object that are told; whoever mends these sees the rest.
const MOST_FAULTS: usize = 20;
/// Longest sentence of a fault, in bytes: a condition holds 32768 characters.
const MOST_BYTES: usize = 1500;

/// What has to be looked at. `pools`: those whose counters may differ.
pub(super) fn touched(snapshot: &Snapshot, changes: &Changes, pools: &BTreeSet<String>) -> BTreeSet<ConfiguredName> {
    if changes.everything || changes.configuration {
        return snapshot.configured.keys().cloned().collect();
    }
    let pools = pools.iter().map(|pool| ConfiguredName::pool(pool));
    changes.configured.iter().cloned().chain(pools).collect()
}

/// What the conditions of these objects should say. Who is gone is missing.
pub(super) fn look(
    snapshot: &Snapshot,
    objects: BTreeSet<ConfiguredName>,
    allocation: &Allocation,
) -> BTreeMap<ConfiguredName, AcceptanceWish> {
    let mut faults: BTreeMap<(&str, &str), Vec<&Fault>> = BTreeMap::new();
    let Configuration { faults: wrong, pending, .. } = &*snapshot.configuration;
    for fault in wrong.iter().chain(pending) {
        faults.entry((fault.object.kind, &fault.object.name)).or_default().push(fault);
    }
    let mut remarks: BTreeMap<(&str, &str), Vec<&Fault>> = BTreeMap::new();
    for remark in &snapshot.configuration.remarks {
        remarks.entry((remark.object.kind, &remark.object.name)).or_default().push(remark);
    }
    let broken: BTreeSet<(&str, &str)> = wrong.iter().map(|fault| (fault.object.kind, &*fault.object.name)).collect();
    let wish = |object: ConfiguredName| {
        let there = snapshot.configured.get(&object)?;
        let key = (object.kind.name(), object.name.as_str());
        let accepted = || {
            if let Some(remarks) = remarks.get(&key) {
                let message = format!("{LEFT_OUT}{}", joined(remarks.iter().map(|remark| sentence(remark)), ". "));
                return Acceptance { accepted: true, reason: VALID.to_owned(), message };
            }
            let is_pool = object.kind == ConfigurationKind::Pool;
            accepted(is_pool.then(|| allocation.held(&object.name)).into_iter().flatten())
        };
        let says = faults.get(&key).map_or_else(accepted, |faults| Acceptance {
            accepted: false,
            reason: if broken.contains(&key) { INVALID } else { PENDING }.to_owned(),
            message: message(&object, faults, &snapshot.configuration),
        });
        let notices = notice(there, &says).into_iter().collect();
        Some((object, AcceptanceWish { says, notices }))
    };
    objects.into_iter().filter_map(wish).collect()
}

/// `held`: addresses of a pool that are not given away.
fn accepted<'a>(held: impl Iterator<Item = (IpAddr, &'a Holder)>) -> Acceptance {
    let mut message = IN_FORCE.to_owned();
    let (mut named, mut more) = (Vec::new(), 0_usize);
    for (address, holder) in held {
        if named.len() < MOST_HELD {
            named.push(format!("{address} ({holder})"));
        } else {
            more += 1;
        }
    }
    if !named.is_empty() {
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        message += &format!("{HELD}{}{rest}", named.join(", "));
    }
    Acceptance { accepted: true, reason: VALID.to_owned(), message }
}

/// Every fault, and what is in force instead. The form before the edit is, as each fault says then, unless nobody has seen one:
/// the object is new, or the controller.
fn message(object: &ConfiguredName, faults: &[&Fault], configuration: &Configuration) -> String {
    let mut message = joined(faults.iter().map(|fault| sentence(fault)), ". ");
    if let Some(instead) = instead(object, configuration) {
        message.push_str(". It is not in force, and no earlier form of it is known: ");
        message.push_str(instead);
    }
    message
}

/// What holds while no form of the object is known to be in force: it is new, or the controller.
fn instead(object: &ConfiguredName, configuration: &Configuration) -> Option<&'static str> {
    let name = &object.name;
    let (is_in_force, instead) = match object.kind {
        ConfigurationKind::Pool => (
            configuration.pools.contains_key(name),
            "no Service is given an address of it, and those that have one already keep it",
        ),
        ConfigurationKind::L2Advertisement => {
            (configuration.l2.contains_key(name), "nothing new is announced by it, and what is announced already stays")
        }
        ConfigurationKind::BgpAdvertisement => (
            configuration.bgp.contains_key(name),
            "nothing new is announced by it, and what is announced already stays",
        ),
        ConfigurationKind::Peer => (configuration.peers.contains_key(name), "nothing is announced to it"),
        ConfigurationKind::Community => {
            (configuration.communities.contains_key(name), "advertisements that use its names wait for them")
        }
        ConfigurationKind::BfdProfile => {
            (configuration.bfd_profiles.contains_key(name), "peers that name it wait for it")
        }
    };
    (!is_in_force).then_some(instead)
}

/// The fault without the object: whoever reads it looks at that.
fn sentence(fault: &Fault) -> String {
    let Fault { field, value, rule, remedy, .. } = fault;
    format!("{field} {value:?} {rule}; {remedy}")
}

/// Sentences about faults, as far as a condition can hold them.
pub(super) fn joined(sentences: impl Iterator<Item = String>, between: &str) -> String {
    let (mut shown, mut more) = (Vec::new(), 0_usize);
    for mut sentence in sentences {
        if shown.len() == MOST_FAULTS {
            more += 1;
            continue;
        }
        if sentence.len() > MOST_BYTES {
            sentence.truncate(sentence.floor_char_boundary(MOST_BYTES));
            sentence.push('…');
        }
        shown.push(sentence);
    }
    if more > 0 {
        shown.push(format!("and {more} more faults"));
    }
    shown.join(between)
}

/// One event where what was said before is no longer so; none for what is right from the beginning.
fn notice(there: &Configured, says: &Acceptance) -> Option<Notice> {
    let before = there.accepted.as_ref().map(|before| &before.says);
    let message = says.message.clone();
    let is_news = before.is_none_or(|before| before.message != says.message);
    match (before, says.accepted) {
        (_, true) if is_news && says.message.contains(HELD) => {
            Some(Notice { kind: NoticeKind::Warning, reason: NOT_GIVEN, message })
        }
        (_, true) if is_news && says.message.starts_with(LEFT_OUT) => {
            Some(Notice { kind: NoticeKind::Warning, reason: PARTLY, message })
        }
        (Some(before), false) if before == says => None,
        (_, false) => Some(Notice { kind: NoticeKind::Warning, reason: REFUSED, message }),
        (Some(before), true) if !before.accepted => {
            Some(Notice { kind: NoticeKind::Normal, reason: ACCEPTED, message })
        }
        (_, true) => None,
    }
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
