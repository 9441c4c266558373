//! `BGPAdvertisement` to [`model::BgpAdvertisement`].

use std::{collections::BTreeSet, ops::RangeInclusive};

use super::Report;
use crate::{
    api::{BGPAdvertisement, metallb::BGPAdvertisementSpec},
    model::{self, Community, Fault, NoCommunity},
};

impl BGPAdvertisement {
    /// The advertisement, if it keeps every rule that concerns it alone; names of communities are not yet looked up. Names of pools
    /// and peers that are not there break no rule: they may come later.
    ///
    /// # Errors
    /// Every rule that it breaks (MetalLB behaviour 3.2).
    pub fn validate(&self) -> Result<model::BgpAdvertisement, Vec<Fault>> {
        let mut report = Report::new(self);
        let spec = &self.spec;
        let (communities, aliases) = report.communities(&spec.communities);
        let advertisement = model::BgpAdvertisement {
            name: self.metadata.name.clone().unwrap_or_default(),
            pools: report.unique("spec.ipAddressPools", &spec.ip_address_pools),
            pool_selectors: report.selectors("spec.ipAddressPoolSelectors", &spec.ip_address_pool_selectors),
            service_selectors: report.selectors("spec.serviceSelectors", &spec.service_selectors),
            node_selectors: report.selectors("spec.nodeSelectors", &spec.node_selectors),
            peers: report.unique("spec.peers", &spec.peers),
            aggregation_v4: report.aggregation("spec.aggregationLength", spec.aggregation_length, 1..=32),
            aggregation_v6: report.aggregation("spec.aggregationLengthV6", spec.aggregation_length_v6, 0..=128),
            local_pref: spec.local_pref,
            communities,
            aliases,
        };
        report.one_by_one(spec, &advertisement);
        report.done(advertisement)
    }
}

impl Report {
    /// MetalLB takes 0 for IPv6 alone; no pool is that wide, so it is for advertisements without addresses of IPv6.
    fn aggregation(&mut self, field: &str, length: Option<i32>, lengths: RangeInclusive<u8>) -> u8 {
        let (shortest, longest) = lengths.clone().into_inner();
        let Some(length) = length else { return longest };
        match u8::try_from(length) {
            Ok(length) if lengths.contains(&length) => length,
            _ => {
                self.fault(
                    field,
                    &length.to_string(),
                    "is no prefix length to announce",
                    format!("use one from {shortest} to {longest}"),
                );
                longest
            }
        }
    }

    /// Selected Services are told apart by their addresses, which must not be hidden in a wider network.
    fn one_by_one(&mut self, spec: &BGPAdvertisementSpec, advertisement: &model::BgpAdvertisement) {
        if spec.service_selectors.is_empty() {
            return;
        }
        for (field, length, longest) in [
            ("spec.aggregationLength", advertisement.aggregation_v4, 32),
            ("spec.aggregationLengthV6", advertisement.aggregation_v6, 128),
        ] {
            if length != longest {
                let rule = "announces a network, which may hold addresses of Services that serviceSelectors leave out \
                            (serviceSelectors and aggregationLength are mutually exclusive)";
                self.fault(field, &length.to_string(), rule, format!("use {longest} beside serviceSelectors"));
            }
        }
    }

    /// Literal communities, and names of others. What has a colon is not taken for a name.
    fn communities(&mut self, texts: &[String]) -> (BTreeSet<Community>, BTreeSet<String>) {
        let (mut communities, mut aliases) = (BTreeSet::new(), BTreeSet::new());
        for text in self.unique("spec.communities", texts) {
            match text.parse() {
                Ok(community) => {
                    communities.insert(community);
                }
                Err(NoCommunity) if text.contains(':') => {
                    let index = texts.iter().position(|other| *other == text).unwrap_or_default();
                    self.no_community(&format!("spec.communities[{index}]"), &text);
                }
                Err(NoCommunity) => {
                    aliases.insert(text);
                }
            }
        }
        (communities, aliases)
    }

    pub(super) fn no_community(&mut self, field: &str, text: &str) {
        self.fault(field, text, NoCommunity::rule(text), NoCommunity::REMEDY);
    }
}
