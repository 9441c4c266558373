//! BGP in static mode: peers, BFD profiles, communities and advertisements, each a name and the fields of MetalLB's specification.
//!
//! The rules are those of the Kubernetes API. Nothing can come later in a file: what waits for an object that is not there is a fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use arpeggio_common::{
    api::{BFDProfile, BGPAdvertisement, BGPPeer, Community, Decoded, set::Set},
    model::{BgpAdvertisement, Configuration, Fault, Labels, NodeName, Peer, Route},
};
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};

use super::raw::RawBgp;
use crate::{problem::Problem, yaml::suggest};

/// The only label of a node that a file knows.
const HOST_NAME: &str = "kubernetes.io/hostname";
/// Fields that need the Kubernetes API.
const NOT_HERE: [&str; 3] = ["passwordSecret", "serviceSelectors", "ipAddressPoolSelectors"];
/// Name of the one object that all communities of a file are in.
const COMMUNITIES: &str = "communities";

/// What a file says about BGP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bgp {
    /// The labels of this node.
    pub labels: Labels,
    /// The peers by name, with their BFD profiles.
    pub peers: Arc<BTreeMap<String, Peer>>,
    /// What this node announces, by address.
    pub routes: BTreeMap<IpAddr, Arc<[Route]>>,
    written: Written,
}

/// The objects as they stand in the file.
#[derive(Clone, Default, PartialEq, Eq)]
struct Written([Vec<Value>; 4]);

/// There are passwords in it.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written(…)")
    }
}

impl Bgp {
    /// Judges the section. `addresses`: what is announced, with the pool of each.
    pub(super) fn judge(
        raw: &RawBgp,
        node: &NodeName,
        addresses: &BTreeMap<IpAddr, Option<Arc<str>>>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let labels = Labels::from([(HOST_NAME.to_owned(), node.to_string())]);
        let mut reader = Reader { lines: BTreeMap::new(), problems };
        let peers = reader.objects::<BGPPeer>(list(&raw.peers), "peers", &fields(BGPPeer::crd()));
        let profiles = reader.objects::<BFDProfile>(list(&raw.bfd_profiles), "bfdProfiles", &fields(BFDProfile::crd()));
        let known = fields(BGPAdvertisement::crd());
        let advertisements = reader.objects::<BGPAdvertisement>(list(&raw.advertisements), "advertisements", &known);
        let communities = reader.communities(list(&raw.communities));
        let nodes = BTreeMap::from([(node.to_string(), labels.clone())]);
        let set = Set {
            bgp: advertisements.iter().collect(),
            peers: peers.iter().collect(),
            bfd_profiles: profiles.iter().collect(),
            communities: communities.iter().collect(),
            nodes: Some(&nodes),
            ..Set::default()
        };
        let Configuration { bgp, peers, faults, pending, .. } = set.assemble(&Configuration::default());
        faults.iter().chain(&pending).for_each(|fault| reader.refuse(fault));
        let here: Vec<&BgpAdvertisement> = bgp.values().filter(|one| one.covers_node(&labels)).collect();
        let routes = addresses.iter().map(|(address, pool)| (*address, routes(*address, pool.as_deref(), &here)));
        let routes = routes.filter(|(_, routes)| !routes.is_empty()).collect();
        let plain = |list: &[Spanned<Value>]| list.iter().map(|entry| entry.value.clone()).collect();
        let written = [&raw.peers, &raw.bfd_profiles, &raw.communities, &raw.advertisements].map(|it| plain(list(it)));
        Self { labels, peers: peers.into(), routes, written: Written(written) }
    }

    /// As it could have been written; `None`: nothing.
    pub(super) fn raw(&self) -> Option<RawBgp> {
        let unknown = |value: &Value| Spanned::new(value.clone(), Location::UNKNOWN, Location::UNKNOWN);
        let list =
            |values: &Vec<Value>| Some(values.iter().map(unknown).collect()).filter(|it: &Vec<_>| !it.is_empty());
        let [peers, bfd_profiles, communities, advertisements] = &self.written.0;
        let raw = RawBgp {
            peers: list(peers),
            bfd_profiles: list(bfd_profiles),
            communities: list(communities),
            advertisements: list(advertisements),
        };
        let is_empty = self.written.0.iter().all(Vec::is_empty);
        (!is_empty).then_some(raw)
    }
}

fn list(raw: &Option<Vec<Spanned<Value>>>) -> &[Spanned<Value>] {
    raw.as_deref().unwrap_or_default()
}

/// What advertisements say of an address. An aggregate of several addresses is a route of each.
fn routes(address: IpAddr, pool: Option<&str>, advertisements: &[&BgpAdvertisement]) -> Arc<[Route]> {
    let covers = |one: &&&BgpAdvertisement| one.pools.is_empty() || pool.is_some_and(|pool| one.pools.contains(pool));
    let route = |one: &&BgpAdvertisement| {
        let length = if address.is_ipv4() { one.aggregation_v4 } else { one.aggregation_v6 };
        let prefix = IpNet::new(address, length).ok()?.trunc();
        let (communities, peers) = (one.communities.clone(), one.peers.clone());
        Some(Route { prefix, local_pref: one.local_pref, communities, peers, nodes: None })
    };
    advertisements.iter().filter(covers).filter_map(route).collect()
}

/// Names of the fields of a specification.
fn fields<E>(
    definition: Result<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition, E>,
) -> BTreeSet<String> {
    let versions = definition.map(|definition| definition.spec.versions).unwrap_or_default();
    let schemas = versions.into_iter().filter_map(|version| version.schema?.open_api_v3_schema?.properties);
    let specs = schemas.filter_map(|mut properties| properties.remove("spec")?.properties);
    specs.flat_map(BTreeMap::into_keys).filter(|field| !NOT_HERE.contains(&field.as_str())).collect()
}

struct Reader<'r> {
    /// Where each object stands, by kind and name.
    lines: BTreeMap<(&'static str, String), (u64, String)>,
    problems: &'r mut Vec<Problem>,
}

impl Reader<'_> {
    fn objects<K>(&mut self, raw: &[Spanned<Value>], list: &str, known: &BTreeSet<String>) -> Vec<Decoded<K>>
    where
        K: DeserializeOwned + kube::Resource<DynamicType = ()>,
    {
        let mut objects = Vec::new();
        for (index, entry) in raw.iter().enumerate() {
            let (line, field) = (entry.referenced.line(), format!("bgp.{list}[{index}]"));
            let mut spec = entry.value.as_object().cloned().unwrap_or_default();
            let Some(Value::String(name)) = spec.remove("name") else {
                self.problems.push(Problem::new(line, field, "there is no name; give it one"));
                continue;
            };
            for unknown in spec.keys().filter(|key| !known.contains(*key)) {
                let names: Vec<&str> = known.iter().map(String::as_str).collect();
                let text = format!("there is no field {unknown:?} here; {}", suggest(unknown, &names));
                self.problems.push(Problem::new(line, format!("{field}.{unknown}"), text));
            }
            let object: Result<Decoded<K>, _> =
                serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec }));
            let Ok(object) = object else { continue };
            let kind = match K::kind(&()) {
                std::borrow::Cow::Borrowed(kind) => kind,
                std::borrow::Cow::Owned(_) => "object",
            };
            if let Some((first, _)) = self.lines.insert((kind, name.clone()), (line, field.clone())) {
                let text = format!("{name:?} stands on line {first} already; give each its own name");
                self.problems.push(Problem::new(line, format!("{field}.name"), text));
            }
            objects.push(object);
        }
        objects
    }

    /// All of them in one object, as if a Community had been written.
    fn communities(&mut self, raw: &[Spanned<Value>]) -> Vec<Decoded<Community>> {
        let Some(first) = raw.first() else { return Vec::new() };
        let values: Vec<&Value> = raw.iter().map(|entry| &entry.value).collect();
        self.lines
            .insert(("Community", COMMUNITIES.to_owned()), (first.referenced.line(), "bgp.communities".to_owned()));
        let object = json!({ "metadata": { "name": COMMUNITIES }, "spec": { "communities": values } });
        serde_json::from_value(object).into_iter().collect()
    }

    fn refuse(&mut self, fault: &Fault) {
        let place = self.lines.get(&(fault.object.kind, fault.object.name.clone()));
        let (line, object) = place.cloned().unwrap_or_else(|| (0, "bgp".to_owned()));
        let field = fault.field.strip_prefix("spec.").unwrap_or(&fault.field);
        let text = format!("{:?} {}; {}", fault.value, fault.rule, fault.remedy);
        self.problems.push(Problem::new(line, format!("{object}.{field}"), text));
    }
}

#[cfg(test)]
#[path = "bgp_tests.rs"]
mod tests;
