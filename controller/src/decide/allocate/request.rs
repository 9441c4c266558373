//! What a Service needs and asks for, after reading (MetalLB behaviour 2.2 steps 3, 4 and 8, and 2.3).

use std::{
    collections::BTreeSet,
    net::{AddrParseError, IpAddr},
    sync::Arc,
};

use super::{
    refusal::{self, NOT_ENOUGH, Why, refusal},
    terms::Terms,
};
use crate::cluster::{Family, FamilyPolicy, Refusal, Service};

/// Which families a Service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Families {
    /// One.
    One(Family),
    /// An address of each.
    Both {
        /// One address will do too, if there are not both: of this family, else of the other. `None`: it will not.
        fallback: Option<Family>,
    },
}

/// What a Service needs and asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) families: Families,
    /// The pool it asks for.
    pub(super) pool: Option<String>,
    /// The addresses it asks for, IPv4 first; an error if nobody can tell which.
    pub(super) addresses: Result<Option<Vec<IpAddr>>, BadRequest>,
    /// With whom it can share them.
    pub(super) terms: Arc<Terms>,
}

/// A request that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRequest {
    #[error(
        "the annotation loadBalancerIPs and spec.loadBalancerIP are both set; take spec.loadBalancerIP out, which Kubernetes has deprecated"
    )]
    Both,
    #[error(
        "{part:?} in the request for addresses is no IP address; give one address, or an IPv4 and an IPv6 address with a comma between"
    )]
    NoAddress { part: String, source: AddrParseError },
    #[error("spec.loadBalancerIP {text:?} is no IP address; write one without blanks, or ask for two by annotation")]
    NotOne { text: String, source: AddrParseError },
    #[error("{0} addresses are asked for; ask for one, or for one IPv4 and one IPv6 address")]
    TooMany(usize),
    #[error("{0} and {1} are of one family; ask for one, or for one IPv4 and one IPv6 address")]
    SameFamily(IpAddr, IpAddr),
}

impl Demand {
    /// Reads what a Service asks for.
    ///
    /// # Errors
    /// If it can have no address whatever it asks for.
    pub(super) fn of(service: &Service) -> Result<Self, Refusal> {
        let has = |family: &Family| service.cluster_ips.iter().any(|address| Family::of(*address) == *family);
        let Some(first) = Family::ALL.into_iter().find(has) else {
            let text = "the Service has no cluster IP, and traffic to an address could not be forwarded; give it one";
            return Err(refusal(refusal::FAILED, text));
        };
        let both = Family::ALL.iter().all(has);
        let families = match (service.family_policy, both) {
            (FamilyPolicy::Require, false) => {
                let name = refusal::family_name(first);
                let text = format!(
                    "ipFamilyPolicy is RequireDualStack, but the Service has only {name} cluster IPs; let the cluster give it both"
                );
                return Err(refusal(NOT_ENOUGH, text));
            }
            // Whatever the policy hopes for: without a cluster IP of a family nothing answers there.
            (_, false) => Families::One(first),
            (FamilyPolicy::Prefer, true) => {
                Families::Both { fallback: Some(service.families.first().copied().unwrap_or(Family::V4)) }
            }
            (FamilyPolicy::Single | FamilyPolicy::Require, true) => Families::Both { fallback: None },
        };
        let pool = service.requests.pool.clone().filter(|pool| !pool.is_empty());
        Ok(Self { families, pool, addresses: addresses(service), terms: Arc::new(Terms::of(service)) })
    }

    /// What a Service may keep of the addresses that it has, as far as their families go.
    ///
    /// # Errors
    /// If they are of families that it does not need.
    pub(super) fn keep(&self, has: &[IpAddr]) -> Result<Vec<IpAddr>, Why> {
        let wrong = || Why::Families { has: families_of(has), needs: self.families.name() };
        let distinct: BTreeSet<Family> = has.iter().map(|address| Family::of(*address)).collect();
        if distinct.len() != has.len() {
            return Err(wrong());
        }
        match self.families {
            // Both, and it gave up one: the other stays.
            Families::One(family) => {
                let kept: Vec<IpAddr> = has.iter().copied().filter(|address| Family::of(*address) == family).collect();
                if kept.is_empty() { Err(wrong()) } else { Ok(kept) }
            }
            // One, and it needs both now: the other is added if it can be had.
            Families::Both { .. } => Ok(has.to_vec()),
        }
    }
}

impl Families {
    /// In words.
    const fn name(self) -> &'static str {
        match self {
            Self::One(family) => refusal::family_name(family),
            Self::Both { .. } => "IPv4 and IPv6",
        }
    }

    /// Whether these addresses, one of a family at most, are exactly of the families that are needed. A preference for both
    /// is not met by one: who asks for certain addresses has to ask for all (as in MetalLB).
    pub(super) fn are_those_of(self, addresses: &[IpAddr]) -> bool {
        match (self, addresses) {
            (Self::One(family), [one]) => Family::of(*one) == family,
            (Self::Both { .. }, addresses) => addresses.len() == 2,
            (Self::One(_), _) => false,
        }
    }

    /// The mismatch, in words.
    pub(super) fn mismatch(self, addresses: &[IpAddr]) -> String {
        let needs = self.name();
        format!("{} asked for, but the Service has {needs} cluster IPs", families_of(addresses))
    }
}

/// Families of addresses, in words.
fn families_of(addresses: &[IpAddr]) -> &'static str {
    let has = |family| addresses.iter().any(|address| Family::of(*address) == family);
    match (addresses.len(), has(Family::V4), has(Family::V6)) {
        (1, true, _) => "one IPv4 address is",
        (1, _, true) => "one IPv6 address is",
        (2, true, true) => "an IPv4 and an IPv6 address are",
        (_, true, false) => "several IPv4 addresses are",
        (_, false, true) => "several IPv6 addresses are",
        _ => "several addresses are",
    }
}

/// The addresses a Service asks for.
fn addresses(service: &Service) -> Result<Option<Vec<IpAddr>>, BadRequest> {
    // As in MetalLB: the annotation is a list, blanks around its parts are dropped; the field is one address and nothing else.
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let text = match (set(&service.requests.addresses), set(&service.requests.load_balancer_ip)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(BadRequest::Both),
        (Some(annotation), None) => annotation,
        (None, Some(field)) => {
            let address = field.parse::<IpAddr>().map(|address| Some(vec![address.to_canonical()]));
            return address.map_err(|source| BadRequest::NotOne { text: field, source });
        }
    };
    let parse = |part: &str| {
        let part = part.trim();
        let address = part.parse::<IpAddr>().map(|address| address.to_canonical());
        address.map_err(|source| BadRequest::NoAddress { part: part.to_owned(), source })
    };
    let mut addresses = text.split(',').map(parse).collect::<Result<Vec<_>, _>>()?;
    addresses.sort_unstable();
    match *addresses {
        [first, second] if Family::of(first) == Family::of(second) => Err(BadRequest::SameFamily(first, second)),
        [_] | [_, _] => Ok(Some(addresses)),
        _ => Err(BadRequest::TooMany(addresses.len())),
    }
}
