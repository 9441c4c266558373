//! Two settled clusters side by side.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::model::{Fault, NodeName, Route};
use arpeggio_controller::cluster::{Service, ServiceKey, Snapshot};

use super::{Change, Effect};
use crate::{cluster::is_ours, output::Finding};

/// Who announces an address: the owner, and what goes to BGP peers.
type Voice<'a> = (Option<&'a NodeName>, Option<&'a BTreeSet<Route>>);

/// A Service and its addresses, each with who announces it.
struct Side<'a> {
    service: &'a Service,
    addresses: BTreeMap<IpAddr, Voice<'a>>,
}

/// Every Service that differs.
pub(super) fn compare(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let keys: BTreeSet<&ServiceKey> = before.services.keys().chain(after.services.keys()).collect();
    keys.into_iter().filter_map(|key| one(key, side(before, key).as_ref(), side(after, key).as_ref())).collect()
}

fn side<'a>(snapshot: &'a Snapshot, key: &ServiceKey) -> Option<Side<'a>> {
    let service = snapshot.services.get(key).filter(|service| is_ours(snapshot, service))?;
    let voice = |address: &IpAddr| {
        let announcement = snapshot.announcements.get(address);
        let routes = announcement.and_then(|one| Some(&one.content.as_ref()?.routes));
        (*address, (announcement.and_then(|one| one.owner.as_ref()), routes.filter(|routes| !routes.is_empty())))
    };
    Some(Side { service, addresses: service.ingress.iter().map(voice).collect() })
}

fn one(key: &ServiceKey, before: Option<&Side<'_>>, after: Option<&Side<'_>>) -> Option<Change> {
    let effect = effect(before, after)?;
    let why = after.and_then(|side| side.service.refusal.as_ref().or(side.service.silence.as_ref()));
    let (gone, said) =
        ("it is no LoadBalancer Service of this controller any more", why.map(|why| why.message.clone()));
    let why = if after.is_none() { gone.to_owned() } else { said.unwrap_or_default() };
    Some(Change { effect, service: key.to_string(), before: shown(before), after: shown(after), why })
}

fn effect(before: Option<&Side<'_>>, after: Option<&Side<'_>>) -> Option<Effect> {
    let set = |side: Option<&Side<'_>>| -> BTreeSet<IpAddr> {
        side.into_iter().flat_map(|side| side.addresses.keys().copied()).collect()
    };
    let (had, has) = (set(before), set(after));
    if had != has {
        return Some(match (had.is_empty(), has.is_superset(&had), has.is_empty()) {
            (true, ..) | (false, true, _) => Effect::Gets,
            (false, false, true) => Effect::Loses,
            (false, false, false) => Effect::Moves,
        });
    }
    let (before, after) = (before?, after?);
    let is_announced =
        |side: &Side<'_>| side.addresses.values().all(|(owner, routes)| owner.is_some() || routes.is_some());
    if has.is_empty() {
        return (before.service.refusal != after.service.refusal).then_some(Effect::Reason);
    }
    match (is_announced(before), is_announced(after)) {
        (true, false) => Some(Effect::Silenced),
        (false, true) => Some(Effect::Announced),
        _ if before.addresses != after.addresses => Some(Effect::Owner),
        _ => (before.service.allocated_from != after.service.allocated_from).then_some(Effect::Pool),
    }
}

/// `192.0.2.1 by node-a (pool)`.
fn shown(side: Option<&Side<'_>>) -> String {
    let Some(side) = side else { return String::new() };
    let address = |(address, (owner, routes)): (&IpAddr, &Voice<'_>)| {
        let owner = owner.map(|owner| format!(" by {owner}")).unwrap_or_default();
        let routes = if routes.is_some() { " by BGP" } else { "" };
        format!("{address}{owner}{routes}")
    };
    let all: Vec<String> = side.addresses.iter().map(address).collect();
    let pool = side.service.allocated_from.as_ref().map(|pool| format!(" ({pool})")).unwrap_or_default();
    if all.is_empty() { String::new() } else { format!("{}{pool}", all.join(", ")) }
}

/// What the change would break in the configuration, or leave out of it.
pub(super) fn faults(before: &Snapshot, after: &Snapshot) -> Vec<Finding> {
    let (was, is) = (&before.configuration, &after.configuration);
    let new = |known: &[Fault], now: &[Fault]| -> Vec<Fault> {
        now.iter().filter(|one| !known.contains(one)).cloned().collect()
    };
    let about = |fault: &Fault| (fault.object.to_string(), format!("{} {:?} {}", fault.field, fault.value, fault.rule));
    let problem = |fault: Fault| {
        let (subject, message) = about(&fault);
        Finding::problem(subject, format!("is refused: {message}"), fault.remedy)
    };
    let warning = |fault: Fault| {
        let (subject, message) = about(&fault);
        Finding::warning(subject, message, fault.remedy)
    };
    let mut all: Vec<Finding> = new(&was.faults, &is.faults).into_iter().map(problem).collect();
    all.extend(new(&was.pending, &is.pending).into_iter().map(warning));
    all.extend(new(&was.remarks, &is.remarks).into_iter().map(warning));
    all
}
