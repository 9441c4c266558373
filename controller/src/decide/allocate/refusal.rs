//! Why a Service gets no address, in words.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
};

use arpeggio_common::model::Scope;

use super::{
    book::Book,
    held::Holder,
    pools::PoolId,
    request::{Demand, Families},
};
use crate::cluster::{Family, Protocol, Refusal, Service, ServiceKey};

/// Nothing can be given: there is nothing left, or what is asked for cannot be had.
pub(super) const FAILED: &str = "AllocationFailed";
/// The request of a Service that has an address says nothing that could be granted at all: it keeps what it has.
pub(super) const INVALID: &str = "LoadBalancerFailed";
/// Both families are required, and the cluster gave the Service one.
pub(super) const NOT_ENOUGH: &str = "NotEnoughClusterIPs";
/// Pools are reserved by labels of namespaces, and those of the Service's are not known yet.
pub(super) const NAMESPACE_UNKNOWN: &str = "NamespaceUnknown";

/// Pools named in one refusal; how many more there are is said too.
const NAMED_POOLS: usize = 8;
/// Namespaces named for one pool.
const NAMED_NAMESPACES: usize = 3;

/// A refusal.
pub(super) fn refusal(reason: &str, message: impl fmt::Display) -> Refusal {
    Refusal { reason: reason.to_owned(), message: message.to_string() }
}

/// The labels of a namespace are not known yet.
pub(super) fn namespace_unknown(namespace: &str) -> Refusal {
    let text = format!(
        "the labels of namespace {namespace} are not known yet, and pools are reserved by them; \
         the Service gets an address once the API server has reported the namespace"
    );
    refusal(NAMESPACE_UNKNOWN, text)
}

/// Why a certain address, or a certain pool, is not for a Service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    #[error("{0} is in no pool")]
    NoPool(IpAddr),
    #[error("{0} and {1} are in different pools")]
    TwoPools(IpAddr, IpAddr),
    #[error("{address} is in pool {pool}, and the annotation asks for pool {wanted}")]
    OtherPool { address: IpAddr, pool: String, wanted: String },
    #[error("pool {pool}: {rule}")]
    Reserved { pool: String, rule: String },
    #[error(
        "{address} belongs to {holder}, which would be off the network if it were announced; it is given to no Service"
    )]
    Held { address: IpAddr, holder: Holder },
    #[error("pool {pool} never gives away {address} (avoidBuggyIPs)")]
    Avoided { pool: String, address: IpAddr },
    #[error("{address} is in use by {user}, which belongs to another controller")]
    Foreign { address: IpAddr, user: ServiceKey },
    #[error("{address} is in use by {user}, {reason}")]
    InUse { address: IpAddr, user: ServiceKey, reason: String },
    #[error("{0} is in the status of another Service")]
    Taken(IpAddr),
    #[error("{has} given, but the Service has {needs} cluster IPs")]
    Families { has: &'static str, needs: &'static str },
}

/// Name of a family.
pub(super) const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// Name of a protocol, as in a Service.
pub(super) const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// Addresses, separated by commas.
pub(super) fn list(addresses: &[IpAddr]) -> String {
    let mut text = String::new();
    for (index, address) in addresses.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // A String takes everything.
        let _infallible = write!(text, "{separator}{address}");
    }
    text
}

/// For which namespaces a pool is.
pub(super) fn only_for_namespaces(scope: &Scope) -> String {
    let selected = "namespaces that its namespaceSelectors select";
    let mut names: Vec<&str> = scope.namespaces.iter().take(NAMED_NAMESPACES).map(String::as_str).collect();
    let more = match scope.namespaces.len().saturating_sub(NAMED_NAMESPACES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if names.is_empty() {
        return format!("only for {selected}");
    }
    names.sort_unstable();
    let plural = if scope.namespaces.len() == 1 { "namespace" } else { "namespaces" };
    let others = if scope.namespace_selectors.is_empty() { String::new() } else { format!(", and for {selected}") };
    format!("only for {plural} {}{more}{others}", names.join(", "))
}

/// What a pool lacks of a family.
pub(super) fn lacks(book: &Book, id: PoolId, family: Family, demand: &Demand) -> String {
    let pools = &book.pools;
    let name = family_name(family);
    let held = match pools.get(id).held(family) {
        0 => String::new(),
        held => format!(", {held} not given out because nodes have them"),
    };
    match pools.get(id).count(family) {
        (0, _) if !held.is_empty() => format!("no {name} address that could be given{held}"),
        (0, _) => format!("no {name} addresses"),
        (total, used) if used < total => format!("no {name} address that could be given"),
        (total, used) => {
            let nearest = book.nearest(id, family, &demand.terms);
            let shared = nearest.map_or_else(String::new, |why| format!(", and none can be shared: {why}"));
            format!("no free {name} address ({used} of {total} in use{held}{shared})")
        }
    }
}

/// What a pool lacks of what a Service needs.
fn lacks_all(book: &Book, id: PoolId, demand: &Demand) -> String {
    match demand.families {
        Families::One(family) => lacks(book, id, family, demand),
        Families::Both { fallback: Some(_) } => Family::ALL.map(|family| lacks(book, id, family, demand)).join(", "),
        Families::Both { fallback: None } => {
            let spent = Family::ALL.into_iter().filter(|family| book.pools.get(id).is_spent(*family));
            let spent: Vec<String> = spent.map(|family| lacks(book, id, family, demand)).collect();
            spent.join(", ")
        }
    }
}

/// Why one pool gives nothing. `asked`: by its name, so `autoAssign` does not matter.
fn because(book: &Book, id: PoolId, asked: bool, (service, demand): (&Service, &Demand)) -> String {
    let pools = &book.pools;
    let pool = &pools.get(id).pool;
    if !asked && !pool.auto_assign {
        return format!("pool {}: only for Services that ask for it (autoAssign is false)", pool.name);
    }
    match pools.admits(id, service) {
        Err(why) => why.to_string(),
        Ok(()) => format!("pool {}: {}", pool.name, lacks_all(book, id, demand)),
    }
}

/// Why the one pool that is asked for gives nothing.
pub(super) fn pool_is_spent(book: &Book, id: PoolId, asker: (&Service, &Demand)) -> String {
    because(book, id, true, asker)
}

/// Why no pool gives anything: those first that were tried, in that order, then all others by name.
pub(super) fn all_are_spent(book: &Book, tried: &[PoolId], asker: (&Service, &Demand)) -> String {
    let others = book.pools.ids().filter(|id| !tried.contains(id));
    let mut looked_at = tried.iter().copied().chain(others);
    let named: Vec<String> = looked_at.by_ref().take(NAMED_POOLS).map(|id| because(book, id, false, asker)).collect();
    match looked_at.count() {
        0 => named.join("; "),
        more => format!("{}; and {more} more pools", named.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arpeggio_common::model::Selector;

    use super::*;

    #[test]
    fn reservations_name_namespaces() {
        let scope = |names: &[&str], selectors: usize| Scope {
            namespaces: names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
            namespace_selectors: vec![Selector::default(); selectors],
            ..Scope::default()
        };
        for (scope, text) in [
            (scope(&["lab"], 0), "only for namespace lab"),
            (scope(&["b", "a"], 0), "only for namespaces a, b"),
            (scope(&["a", "b", "c", "d", "e"], 0), "only for namespaces a, b, c and 2 more"),
            (scope(&[], 1), "only for namespaces that its namespaceSelectors select"),
            (scope(&["lab"], 1), "only for namespace lab, and for namespaces that its namespaceSelectors select"),
        ] {
            assert_eq!(only_for_namespaces(&scope), text);
        }
    }
}
