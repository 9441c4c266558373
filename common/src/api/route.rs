//! Routes of an Announcement, from what is written to what decisions are made of, and back.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::announcement::Route;
use crate::model::{self, Community, MOST_COMMUNITIES, NodeName};

/// Why a route cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value:?} {rule}")]
pub struct RouteError {
    /// The field of the route: `communities[2]`.
    pub field: String,
    /// What it holds.
    pub value: String,
    /// What is wrong with that, and what to write instead.
    pub rule: String,
}

impl RouteError {
    fn new(field: impl Into<String>, value: &str, rule: impl Into<String>) -> Self {
        Self { field: field.into(), value: value.to_owned(), rule: rule.into() }
    }
}

impl Route {
    /// The route of this address, if it keeps every rule.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn validate(&self, address: IpAddr) -> Result<model::Route, RouteError> {
        let prefix = prefix(&self.prefix, address)?;
        let standard = each(&self.communities, "communities", |text| match text.parse() {
            Ok(community @ Community::Standard(..)) => Ok(community),
            _ => Err("is no community; write two numbers from 0 to 65535, as in 64512:100".to_owned()),
        })?;
        let large = each(&self.large_communities, "largeCommunities", |text| {
            let rule = "is no large community; write three numbers from 0 to 4294967295, as in 64512:100:1";
            format!("large:{text}").parse::<Community>().map_err(|_wrong| rule.to_owned())
        })?;
        let communities: BTreeSet<Community> = standard.union(&large).copied().collect();
        if communities.len() > MOST_COMMUNITIES {
            let rule = format!("are too many communities; a route carries at most {MOST_COMMUNITIES}");
            return Err(RouteError::new("communities", &communities.len().to_string(), rule));
        }
        let peers = each(&self.peers, "peers", |text| {
            if text.is_empty() {
                Err("names no peer; leave the list out for all of them".to_owned())
            } else {
                Ok(text.to_owned())
            }
        })?;
        let node = |text: &str| NodeName::try_from(text).map_err(|_wrong| "is no name of a node".to_owned());
        let nodes = self.nodes.as_ref().map(|nodes| each(nodes, "nodes", node)).transpose()?;
        Ok(model::Route { prefix, local_pref: self.local_pref, communities, peers, nodes })
    }
}

fn prefix(text: &str, address: IpAddr) -> Result<IpNet, RouteError> {
    let wrong = |rule: String| RouteError::new("prefix", text, rule);
    let prefix: IpNet =
        text.parse().map_err(|_unread| wrong("is no network; write one like 192.0.2.0/24".to_owned()))?;
    if prefix.trunc() != prefix {
        return Err(wrong(format!("has bits beyond its length; write {}", prefix.trunc())));
    }
    if !prefix.contains(&address) {
        return Err(wrong(format!("does not hold {address}; announce a network that does")));
    }
    Ok(prefix)
}

fn each<T: Ord>(
    texts: &[String],
    field: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<BTreeSet<T>, RouteError> {
    let read = |(index, text): (usize, &String)| {
        read(text).map_err(|rule| RouteError::new(format!("{field}[{index}]"), text, rule))
    };
    texts.iter().enumerate().map(read).collect()
}

impl From<&model::Route> for Route {
    fn from(route: &model::Route) -> Self {
        let model::Route { prefix, local_pref, communities, peers, nodes } = route;
        let mut written = Self {
            prefix: prefix.to_string(),
            local_pref: *local_pref,
            peers: peers.iter().cloned().collect(),
            nodes: nodes.as_ref().map(|nodes| nodes.iter().map(ToString::to_string).collect()),
            ..Self::default()
        };
        for community in communities {
            match community {
                Community::Standard(..) => written.communities.push(community.to_string()),
                Community::Large(one, two, three) => written.large_communities.push(format!("{one}:{two}:{three}")),
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10));

    fn read(route: Value) -> Result<model::Route, String> {
        serde_json::from_value::<Route>(route).unwrap().validate(ADDRESS).map_err(|error| error.to_string())
    }

    #[test]
    fn a_route_that_says_everything_is_understood() {
        let route = read(json!({"prefix": "192.0.2.0/24", "localPref": 4_294_967_295u32, "communities": ["64512:100"],
            "largeCommunities": ["64512:100:1"], "peers": ["rack"], "nodes": ["node-a", "node-a"]}));
        let route = route.unwrap();
        assert_eq!((route.prefix.to_string().as_str(), route.local_pref), ("192.0.2.0/24", u32::MAX));
        let communities = [Community::Standard(64_512, 100), Community::Large(64_512, 100, 1)];
        assert_eq!(route.communities, BTreeSet::from(communities));
        let node = |name: &str| NodeName::try_from(name).unwrap();
        assert!(route.is_of(&node("node-a")) && !route.is_of(&node("node-b")));
        assert!(route.is_for("rack") && !route.is_for("other"));
    }

    #[test]
    fn what_is_left_out_means_everybody_and_an_empty_list_of_nodes_nobody() {
        let node = NodeName::try_from("node-a").unwrap();
        let open = read(json!({"prefix": "192.0.2.10/32", "peers": null, "nodes": null, "communities": null})).unwrap();
        assert!(open.is_of(&node) && open.is_for("rack") && open.local_pref == 0 && open.communities.is_empty());
        let closed = read(json!({"prefix": "192.0.2.10/32", "nodes": []})).unwrap();
        assert!(!closed.is_of(&node));
    }

    #[test]
    fn every_fault_names_field_value_and_remedy() {
        let many: Vec<String> = (0..64).map(|number| format!("64512:{number}")).collect();
        for (route, fault) in [
            (json!({}), "prefix: \"\" is no network"),
            (json!({"prefix": "192.0.2.10"}), "prefix: \"192.0.2.10\" is no network"),
            (json!({"prefix": "192.0.2.10/33"}), "is no network"),
            (json!({"prefix": "192.0.2.10/24"}), "write 192.0.2.0/24"),
            (json!({"prefix": "198.51.100.0/24"}), "does not hold 192.0.2.10"),
            (json!({"prefix": "::/0"}), "does not hold"),
            (
                json!({"prefix": "192.0.2.10/32", "communities": ["1:1", "no-export"]}),
                "communities[1]: \"no-export\" is no",
            ),
            (json!({"prefix": "192.0.2.10/32", "communities": ["large:1:1:1"]}), "communities[0]"),
            (
                json!({"prefix": "192.0.2.10/32", "largeCommunities": ["1:1"]}),
                "largeCommunities[0]: \"1:1\" is no large",
            ),
            (json!({"prefix": "192.0.2.10/32", "communities": many}), "communities: \"64\" are too many"),
            (json!({"prefix": "192.0.2.10/32", "peers": [""]}), "peers[0]"),
            (json!({"prefix": "192.0.2.10/32", "nodes": ["a", "Node_B"]}), "nodes[1]: \"Node_B\""),
        ] {
            let error = read(route.clone()).unwrap_err();
            assert!(error.contains(fault), "{route}: {error}");
        }
    }

    fn community() -> impl Strategy<Value = Community> {
        prop_oneof![
            any::<(u16, u16)>().prop_map(|(one, two)| Community::Standard(one, two)),
            any::<(u32, u32, u32)>().prop_map(|(one, two, three)| Community::Large(one, two, three)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(
            (address, length) in (any::<IpAddr>(), 0u8..=128),
            (local_pref, communities) in (any::<u32>(), prop::collection::btree_set(community(), 0..20)),
            peers in prop::collection::btree_set("[a-z]{1,8}", 0..4),
            nodes in prop::option::of(prop::collection::btree_set("[a-z]{1,8}", 0..4)),
        ) {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let prefix = IpNet::new(address, length.min(longest)).unwrap().trunc();
            let name = |name: &String| NodeName::try_from(name.as_str()).unwrap();
            let nodes = nodes.map(|nodes| nodes.iter().map(name).collect());
            let route = model::Route { prefix, local_pref, communities, peers, nodes };
            let text = serde_json::to_string(&Route::from(&route)).unwrap();
            let read: Route = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.validate(address), Ok(route));
        }
    }
}
