//! The definitions beside MetalLB's, and what every definition has to be.

use std::collections::BTreeMap;

use super::*;

fn definition_of(kind: &str) -> Value {
    let all = definitions().unwrap();
    let found = all.iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    serde_json::to_value(found).unwrap()
}

fn schema_of(kind: &str) -> Value {
    stored(kind)["schema"]["openAPIV3Schema"].clone()
}

/// The version of a kind that is stored.
fn stored(kind: &str) -> Value {
    let versions = definition_of(kind)["spec"]["versions"].clone();
    versions.as_array().unwrap().iter().find(|version| version["storage"] == true).unwrap().clone()
}

/// Every field below `schema`: its path, and type with format; `[]` stands for the items of a list.
fn fields(schema: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    let mut kind = schema["type"].as_str().unwrap_or("?").to_owned();
    if let Some(format) = schema["format"].as_str() {
        kind = format!("{kind} {format}");
    }
    found.insert(path.to_owned(), kind);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        fields(field, &format!("{path}.{name}"), found);
    }
    for (mark, key) in [("[]", "items"), ("{}", "additionalProperties")] {
        if schema[key].is_object() {
            fields(&schema[key], &format!("{path}{mark}"), found);
        }
    }
}

const SELECTOR: [(&str, &str); 8] = [
    ("", "object"),
    (".matchExpressions", "array"),
    (".matchExpressions[]", "object"),
    (".matchExpressions[].key", "string"),
    (".matchExpressions[].operator", "string"),
    (".matchExpressions[].values", "array"),
    (".matchExpressions[].values[]", "string"),
    (".matchLabels{}", "string"),
];

/// The fields of MetalLB's kinds with their types (MetalLB behaviour 1.1 to 1.9); `selector` for what is a label selector.
const METALLB: [(&str, &[(&str, &str)]); 9] = [
    (
        "BGPPeer",
        &[
            (".spec", "object"),
            (".spec.myASN", "integer int64"),
            (".spec.peerASN", "integer int64"),
            (".spec.dynamicASN", "string"),
            (".spec.localASN", "integer int64"),
            (".spec.peerAddress", "string"),
            (".spec.interface", "string"),
            (".spec.sourceAddress", "string"),
            (".spec.peerPort", "integer int32"),
            (".spec.holdTime", "string"),
            (".spec.keepaliveTime", "string"),
            (".spec.connectTime", "string"),
            (".spec.routerID", "string"),
            (".spec.nodeSelectors", "array"),
            (".spec.nodeSelectors[]", "selector"),
            (".spec.password", "string"),
            (".spec.passwordSecret", "object"),
            (".spec.passwordSecret.name", "string"),
            (".spec.passwordSecret.namespace", "string"),
            (".spec.bfdProfile", "string"),
            (".spec.enableGracefulRestart", "boolean"),
            (".spec.ebgpMultiHop", "boolean"),
            (".spec.vrf", "string"),
            (".spec.disableMP", "boolean"),
            (".spec.dualStackAddressFamily", "boolean"),
            (".status", "object"),
        ],
    ),
    (
        "BGPAdvertisement",
        &[
            (".spec", "object"),
            (".spec.aggregationLength", "integer int32"),
            (".spec.aggregationLengthV6", "integer int32"),
            (".spec.localPref", "integer int64"),
            (".spec.communities", "array"),
            (".spec.communities[]", "string"),
            (".spec.ipAddressPools", "array"),
            (".spec.ipAddressPools[]", "string"),
            (".spec.ipAddressPoolSelectors", "array"),
            (".spec.ipAddressPoolSelectors[]", "selector"),
            (".spec.nodeSelectors", "array"),
            (".spec.nodeSelectors[]", "selector"),
            (".spec.peers", "array"),
            (".spec.peers[]", "string"),
            (".spec.serviceSelectors", "array"),
            (".spec.serviceSelectors[]", "selector"),
            (".status", "object"),
        ],
    ),
    (
        "Community",
        &[
            (".spec", "object"),
            (".spec.communities", "array"),
            (".spec.communities[]", "object"),
            (".spec.communities[].name", "string"),
            (".spec.communities[].value", "string"),
            (".status", "object"),
        ],
    ),
    (
        "BFDProfile",
        &[
            (".spec", "object"),
            (".spec.receiveInterval", "integer int32"),
            (".spec.transmitInterval", "integer int32"),
            (".spec.detectMultiplier", "integer int32"),
            (".spec.echoInterval", "integer int32"),
            (".spec.echoMode", "boolean"),
            (".spec.passiveMode", "boolean"),
            (".spec.minimumTtl", "integer int32"),
            (".status", "object"),
        ],
    ),
    (
        "ServiceBGPStatus",
        &[
            (".spec", "object"),
            (".status", "object"),
            (".status.node", "string"),
            (".status.serviceName", "string"),
            (".status.serviceNamespace", "string"),
            (".status.peers", "array"),
            (".status.peers[]", "string"),
        ],
    ),
    (
        "ConfigurationState",
        &[(".spec", "object"), (".status", "object"), (".status.result", "string"), (".status.errorSummary", "string")],
    ),
    (
        "IPAddressPool",
        &[
            (".spec", "object"),
            (".spec.addresses", "array"),
            (".spec.addresses[]", "string"),
            (".spec.autoAssign", "boolean"),
            (".spec.avoidBuggyIPs", "boolean"),
            (".spec.serviceAllocation", "object"),
            (".spec.serviceAllocation.priority", "integer"),
            (".spec.serviceAllocation.namespaces", "array"),
            (".spec.serviceAllocation.namespaces[]", "string"),
            (".spec.serviceAllocation.namespaceSelectors", "array"),
            (".spec.serviceAllocation.namespaceSelectors[]", "selector"),
            (".spec.serviceAllocation.serviceSelectors", "array"),
            (".spec.serviceAllocation.serviceSelectors[]", "selector"),
            (".status", "object"),
            (".status.assignedIPv4", "integer int64"),
            (".status.assignedIPv6", "integer int64"),
            (".status.availableIPv4", "integer int64"),
            (".status.availableIPv6", "integer int64"),
        ],
    ),
    (
        "L2Advertisement",
        &[
            (".spec", "object"),
            (".spec.ipAddressPools", "array"),
            (".spec.ipAddressPools[]", "string"),
            (".spec.ipAddressPoolSelectors", "array"),
            (".spec.ipAddressPoolSelectors[]", "selector"),
            (".spec.nodeSelectors", "array"),
            (".spec.nodeSelectors[]", "selector"),
            (".spec.interfaces", "array"),
            (".spec.interfaces[]", "string"),
            (".spec.serviceSelectors", "array"),
            (".spec.serviceSelectors[]", "selector"),
            (".spec.preferredNodeSelectors", "array"),
            (".spec.preferredNodeSelectors[]", "object"),
            (".spec.preferredNodeSelectors[].weight", "integer int32"),
            (".spec.preferredNodeSelectors[].preference", "selector"),
            (".status", "object"),
        ],
    ),
    (
        "ServiceL2Status",
        &[
            (".spec", "object"),
            (".status", "object"),
            (".status.node", "string"),
            (".status.serviceName", "string"),
            (".status.serviceNamespace", "string"),
            (".status.interfaces", "array"),
            (".status.interfaces[]", "object"),
            (".status.interfaces[].name", "string"),
        ],
    ),
];

#[test]
fn every_field_of_metallb_is_there_with_its_type() {
    for (kind, expected) in METALLB {
        let mut ours = BTreeMap::new();
        fields(&schema_of(kind), "", &mut ours);
        let mut seen = 0;
        for (path, field) in expected {
            let parts: &[(&str, &str)] = if *field == "selector" { &SELECTOR } else { &[("", field)] };
            for (part, kind) in parts {
                assert_eq!(ours.get(&format!("{path}{part}")).map(String::as_str), Some(*kind), "{path}{part}");
                seen += 1;
            }
        }
        // Ours alone: the conditions; below them and maps of labels there is nothing to compare.
        let others: Vec<_> = ours
            .keys()
            .filter(|path| path.starts_with(".spec") || path.starts_with(".status"))
            .filter(|path| !path.contains(".conditions") && !path.ends_with(".matchLabels"))
            .collect();
        assert_eq!(others.len(), seen, "{kind}: {others:?}");
    }
}

#[test]
fn defaults_bounds_and_required_fields_are_those_of_metallb() {
    let pool = schema_of("IPAddressPool");
    assert_eq!(pool["required"], json!(["spec"]));
    let spec = &pool["properties"]["spec"];
    assert_eq!(spec["required"], json!(["addresses"]));
    let default = |field: &str| spec["properties"][field].get("default").cloned();
    assert_eq!(default("autoAssign"), Some(json!(true)));
    assert_eq!(default("avoidBuggyIPs"), Some(json!(false)));
    assert_eq!((default("addresses"), default("serviceAllocation")), (None, None));
    assert_eq!(
        pool["properties"]["status"]["required"],
        json!(["assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6"])
    );

    let advertisement = schema_of("L2Advertisement");
    assert!(advertisement.get("required").is_none(), "an advertisement needs no spec");
    let spec = &advertisement["properties"]["spec"];
    assert!(spec.get("required").is_none());
    let preferred = &spec["properties"]["preferredNodeSelectors"]["items"];
    assert_eq!(preferred["required"], json!(["preference", "weight"]));
    let weight = &preferred["properties"]["weight"];
    assert_eq!((weight["minimum"].as_f64(), weight["maximum"].as_f64()), (Some(1.0), Some(100.0)));
    let selector = &spec["properties"]["nodeSelectors"]["items"];
    assert_eq!(selector["x-kubernetes-map-type"], "atomic");
    let expressions = &selector["properties"]["matchExpressions"];
    assert_eq!(expressions["x-kubernetes-list-type"], "atomic");
    assert_eq!(expressions["items"]["required"], json!(["key", "operator"]));
    assert_eq!(expressions["items"]["properties"]["values"]["x-kubernetes-list-type"], "atomic");

    let status = schema_of("ServiceL2Status");
    for field in ["node", "serviceName", "serviceNamespace"] {
        let rules = &status["properties"]["status"]["properties"][field]["x-kubernetes-validations"];
        assert_eq!(rules[0]["rule"], "self == oldSelf", "{field}");
    }
}

#[test]
fn kubectl_shows_the_columns_of_metallb_and_ours() {
    let shown = |kind: &str, wide: bool| {
        let columns = stored(kind)["additionalPrinterColumns"].clone();
        let columns = columns.as_array().unwrap().iter();
        let visible = columns.filter(|column| wide || column.get("priority").is_none());
        visible.map(|column| column["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        shown("IPAddressPool", false),
        [
            "Auto Assign",
            "Avoid Buggy IPs",
            "Addresses",
            "Assigned IPv4",
            "Available IPv4",
            "Assigned IPv6",
            "Available IPv6"
        ]
    );
    assert_eq!(shown("L2Advertisement", false), ["IPAddressPools", "IPAddressPool Selectors", "Interfaces"]);
    assert_eq!(shown("L2Advertisement", true)[3], "Node Selectors");
    assert_eq!(shown("ServiceL2Status", true), ["Allocated Node", "Service Name", "Service Namespace"]);
    assert_eq!(
        shown("Announcement", false),
        ["Address", "Namespace", "Service", "Owner", "First", "Second", "Announced", "Age"]
    );
    assert_eq!(shown("BGPPeer", false), ["Address", "ASN", "BFD Profile", "Multi Hops"]);
    assert_eq!(shown("BGPAdvertisement", false), ["IPAddressPools", "IPAddressPool Selectors", "Peers"]);
    assert_eq!(shown("BGPAdvertisement", true)[3], "Node Selectors");
    assert_eq!(shown("BFDProfile", false), ["Passive Mode", "Transmit Interval", "Receive Interval", "Multiplier"]);
    assert_eq!(shown("Community", false), ["Age"], "as where a definition says nothing");
    assert_eq!(shown("ServiceBGPStatus", false), ["Node", "Service Name", "Service Namespace"]);
    assert_eq!(shown("ConfigurationState", true), ["Result", "ErrorSummary", "Age"]);
    assert_eq!(shown("Speaker", false), ["Version", "Ready", "Owned", "Age"]);
}

#[test]
fn scopes_names_and_subresources_are_right() {
    for (kind, name, scope, short) in [
        ("IPAddressPool", "ipaddresspools.metallb.io", "Namespaced", json!(null)),
        ("L2Advertisement", "l2advertisements.metallb.io", "Namespaced", json!(null)),
        ("ServiceL2Status", "servicel2statuses.metallb.io", "Namespaced", json!(null)),
        ("BGPPeer", "bgppeers.metallb.io", "Namespaced", json!(null)),
        ("BGPAdvertisement", "bgpadvertisements.metallb.io", "Namespaced", json!(null)),
        ("Community", "communities.metallb.io", "Namespaced", json!(null)),
        ("BFDProfile", "bfdprofiles.metallb.io", "Namespaced", json!(null)),
        ("ServiceBGPStatus", "servicebgpstatuses.metallb.io", "Namespaced", json!(null)),
        ("ConfigurationState", "configurationstates.metallb.io", "Namespaced", json!(null)),
        ("Announcement", "announcements.arpeggio.io", "Cluster", json!(["ann"])),
        ("Speaker", "speakers.arpeggio.io", "Cluster", json!(["spk"])),
    ] {
        let definition = definition_of(kind);
        assert_eq!((&definition["metadata"]["name"], &definition["spec"]["scope"]), (&json!(name), &json!(scope)));
        assert_eq!(definition["spec"]["names"].get("shortNames").cloned().unwrap_or_default(), short);
        assert_eq!(definition["spec"]["versions"][0]["subresources"], json!({ "status": {} }));
    }
}

#[test]
fn both_versions_of_peers_are_served_and_the_new_one_is_stored() {
    let definition = definition_of("BGPPeer");
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let told: Vec<_> = versions
        .iter()
        .map(|version| {
            let of = |key: &str| version.get(key).is_some_and(|value| *value == true);
            (version["name"].as_str().unwrap(), of("served"), of("storage"), of("deprecated"))
        })
        .collect();
    assert_eq!(told, [("v1beta1", true, false, true), ("v1beta2", true, true, false)]);
    let conversion = &definition["spec"]["conversion"];
    assert_eq!(conversion["strategy"], "Webhook");
    assert_eq!(conversion["webhook"]["clientConfig"]["service"]["path"], "/convert");
    let old = &versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    assert_eq!(old["required"], json!(["myASN", "peerASN", "peerAddress"]));
    assert!(old["properties"]["peerPort"].get("default").is_none());
    assert_eq!(old["properties"].as_object().unwrap().len(), 12);
}

#[test]
fn bounds_defaults_and_rules_of_bgp_are_those_of_metallb() {
    let spec = |kind: &str| schema_of(kind)["properties"]["spec"].clone();
    let peer = spec("BGPPeer");
    assert_eq!(peer["required"], json!(["myASN"]));
    assert_eq!(peer["properties"]["peerPort"]["default"], 179);
    assert_eq!(peer["properties"]["dynamicASN"]["enum"], json!(["internal", "external"]));
    assert_eq!(peer["properties"]["enableGracefulRestart"]["x-kubernetes-validations"][0]["rule"], "self == oldSelf");
    assert_eq!(peer["properties"]["connectTime"]["x-kubernetes-validations"].as_array().unwrap().len(), 2);
    let advertisement = spec("BGPAdvertisement");
    assert_eq!(advertisement["properties"]["aggregationLength"]["default"], 32);
    assert_eq!(advertisement["properties"]["aggregationLengthV6"]["default"], 128);
    assert!(advertisement["x-kubernetes-validations"][0]["rule"].as_str().unwrap().contains("serviceSelectors"));
    let profile = spec("BFDProfile");
    for (schema, field, bounds) in [
        (&peer, "myASN", (Some(0.0), Some(4_294_967_295.0))),
        (&peer, "peerASN", (Some(0.0), Some(4_294_967_295.0))),
        (&peer, "localASN", (Some(1.0), Some(4_294_967_295.0))),
        (&peer, "peerPort", (Some(1.0), Some(16_384.0))),
        (&advertisement, "aggregationLength", (Some(1.0), None)),
        (&advertisement, "aggregationLengthV6", (None, None)),
        (&advertisement, "localPref", (Some(0.0), Some(4_294_967_295.0))),
        (&profile, "receiveInterval", (Some(10.0), Some(60_000.0))),
        (&profile, "transmitInterval", (Some(10.0), Some(60_000.0))),
        (&profile, "echoInterval", (Some(10.0), Some(60_000.0))),
        (&profile, "detectMultiplier", (Some(2.0), Some(255.0))),
        (&profile, "minimumTtl", (Some(1.0), Some(254.0))),
    ] {
        let field = &schema["properties"][field];
        assert_eq!((field["minimum"].as_f64(), field["maximum"].as_f64()), bounds, "{field}");
    }
    let result = &schema_of("ConfigurationState")["properties"]["status"]["properties"]["result"];
    assert_eq!(result["enum"], json!(["Valid", "Invalid", "Unknown"]));
}

#[test]
fn every_field_is_explained_and_no_schema_holds_what_servers_refuse() {
    fn walk(schema: &Value, path: &str) {
        let fields = schema.as_object().unwrap();
        assert!(schema["type"].is_string(), "{path} has no type");
        for foreign in ["$ref", "anyOf", "oneOf", "title", "nullable", "x-default", "$schema"] {
            assert!(!fields.contains_key(foreign), "{path} has {foreign}");
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let described = field["description"].as_str().unwrap_or_default();
            let known = [".apiVersion", ".kind", ".metadata"].contains(&path.as_str());
            assert!(
                known || described.ends_with('.') || described.contains('('),
                "{path} is not explained: {described:?}"
            );
            assert!(!described.contains(['[', '\n']), "{path} is explained in terms of the code: {described}");
            walk(field, &path);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                walk(&schema[inner], &format!("{path}[]"));
            }
        }
    }
    for definition in definitions().unwrap() {
        for version in serde_json::to_value(&definition).unwrap()["spec"]["versions"].as_array().unwrap() {
            walk(&version["schema"]["openAPIV3Schema"], "");
        }
    }
}

mod samples {
    //! What `manifests/samples` shows is admitted and in force as it stands.

    use std::{collections::BTreeSet, path::Path};

    use serde_json::Value;

    use crate::{
        api::{
            BFDProfile, BGPAdvertisement, BGPPeer, Community, Decoded, IPAddressPool, L2Advertisement,
            admission::{Change, ConfigurationKind, Operation, review},
            conversion::convert,
            names::NAMESPACE,
            set::Set,
        },
        model::Configuration,
    };

    /// The objects of some files, by kind.
    #[derive(Default)]
    struct Objects {
        pools: Vec<Decoded<IPAddressPool>>,
        l2: Vec<Decoded<L2Advertisement>>,
        bgp: Vec<Decoded<BGPAdvertisement>>,
        peers: Vec<Decoded<BGPPeer>>,
        communities: Vec<Decoded<Community>>,
        bfd_profiles: Vec<Decoded<BFDProfile>>,
    }

    impl Objects {
        fn take(&mut self, object: &Value) {
            match object["kind"].as_str().and_then(ConfigurationKind::named) {
                Some(ConfigurationKind::Pool) => self.pools.push(Decoded::read(object)),
                Some(ConfigurationKind::L2Advertisement) => self.l2.push(Decoded::read(object)),
                Some(ConfigurationKind::BgpAdvertisement) => self.bgp.push(Decoded::read(object)),
                Some(ConfigurationKind::Community) => self.communities.push(Decoded::read(object)),
                Some(ConfigurationKind::BfdProfile) => self.bfd_profiles.push(Decoded::read(object)),
                Some(ConfigurationKind::Peer) => {
                    let stored = convert(object.clone(), "metallb.io/v1beta2").unwrap();
                    self.peers.push(Decoded::read(&stored));
                }
                None => {}
            }
        }

        fn set(&self) -> Set<'_> {
            Set {
                namespace: NAMESPACE,
                pools: self.pools.iter().collect(),
                l2: self.l2.iter().collect(),
                bgp: self.bgp.iter().collect(),
                peers: self.peers.iter().collect(),
                communities: self.communities.iter().collect(),
                bfd_profiles: self.bfd_profiles.iter().collect(),
                secrets: None,
                nodes: None,
            }
        }
    }

    #[test]
    fn they_keep_every_rule() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/samples");
        let mut kinds = BTreeSet::new();
        let mut all = Objects::default();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let mut file = Objects::default();
            for object in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
                if let Some(kind) = object["kind"].as_str().and_then(ConfigurationKind::named) {
                    kinds.insert(kind.name());
                    let change = Change { operation: Operation::Create, kind, object: &object };
                    let told = review(&all.set(), &change);
                    assert!(told.is_ok(), "{}: {told:?}", path.display());
                }
                file.take(&object);
                all.take(&object);
            }
            let configuration = file.set().assemble(&Configuration::default());
            assert!(configuration.faults.is_empty(), "{}: {:?}", path.display(), configuration.faults);
            assert!(configuration.pending.is_empty(), "{}: {:?}", path.display(), configuration.pending);
            for pool in configuration.pools.values() {
                let announced = configuration.l2.values().any(|advertisement| advertisement.covers_pool(pool))
                    || configuration.bgp.values().any(|advertisement| advertisement.covers_pool(pool));
                assert!(announced, "{}: pool {} is not announced", path.display(), pool.name);
            }
        }
        let together = all.set().assemble(&Configuration::default());
        assert!(together.faults.is_empty(), "the samples can be applied together: {:?}", together.faults);
        assert_eq!(kinds.len(), ConfigurationKind::ALL.len(), "every kind is shown: {kinds:?}");
    }
}
