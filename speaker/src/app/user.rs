//! Raw sockets instead of the kernel program, for interfaces that can have nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use arpeggio_common::abi::{Outcome, Sighting, Vip};

use crate::{decide::Desired, status::EntryFacts};

pub(super) const SUPPRESS_NEEDS_BPF: &str = "suppression needs BPF";

#[derive(Debug, Default)]
pub(super) struct UserReport {
    pub(super) changed: usize,
    pub(super) taken: BTreeSet<(u32, IpAddr)>,
    pub(super) installed: BTreeMap<(u32, IpAddr), Vip>,
    pub(super) errors: Vec<(u32, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Responders {
    until_ns: u64,
}

impl Responders {
    pub(super) fn apply(&mut self, served: &BTreeSet<u32>, _desired: &Desired) -> UserReport {
        UserReport {
            errors: served.iter().map(|i| (*i, "no user-space responder yet".to_owned())).collect(),
            ..UserReport::default()
        }
    }
    pub(super) fn renew(&mut self, until_ns: u64) {
        self.until_ns = until_ns;
    }
    pub(super) fn lease_until_ns(&self) -> u64 {
        self.until_ns
    }
    pub(super) fn entries(&self) -> BTreeMap<(u32, IpAddr), EntryFacts> {
        BTreeMap::new()
    }
    pub(super) fn sightings(&self) -> BTreeMap<(u32, IpAddr), Sighting> {
        BTreeMap::new()
    }
    pub(super) fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        BTreeMap::new()
    }
}
