//! The definitions beside MetalLB's, and what every definition has to be.

use std::collections::BTreeMap;

use super::*;

fn definition_of(kind: &str) -> Value {
    let all = definitions().unwrap();
    let found = all.iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    serde_json::to_value(found).unwrap()
}

fn schema_of(kind: &str) -> Value {
    definition_of(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
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

/// The fields of MetalLB's kinds with their types (MetalLB behaviour 1.1, 1.2, 1.7); `selector` for what is a label selector.
const METALLB: [(&str, &[(&str, &str)]); 3] = [
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
        let columns = definition_of(kind)["spec"]["versions"][0]["additionalPrinterColumns"].clone();
        let columns = columns.as_array().unwrap().iter();
        let visible = columns.filter(|column| wide || column.get("priority").is_none());
        visible.map(|column| column["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown("IPAddressPool", false), ["Auto Assign", "Avoid Buggy IPs", "Addresses"]);
    assert_eq!(shown("L2Advertisement", false), ["IPAddressPools", "IPAddressPool Selectors", "Interfaces"]);
    assert_eq!(shown("L2Advertisement", true)[3], "Node Selectors");
    assert_eq!(shown("ServiceL2Status", true), ["Allocated Node", "Service Name", "Service Namespace"]);
    assert_eq!(
        shown("Announcement", false),
        ["Address", "Namespace", "Service", "Owner", "Candidates", "Announced", "Age"]
    );
    assert_eq!(shown("Speaker", false), ["Version", "Ready", "Owned", "Age"]);
}

#[test]
fn scopes_names_and_subresources_are_right() {
    for (kind, name, scope, short) in [
        ("IPAddressPool", "ipaddresspools.metallb.io", "Namespaced", json!(null)),
        ("L2Advertisement", "l2advertisements.metallb.io", "Namespaced", json!(null)),
        ("ServiceL2Status", "servicel2statuses.metallb.io", "Namespaced", json!(null)),
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
    for kind in ["Announcement", "IPAddressPool", "L2Advertisement", "ServiceL2Status", "Speaker"] {
        walk(&schema_of(kind), "");
    }
}

mod samples {
    //! What `manifests/samples` shows is taken as it stands.

    use std::path::Path;

    use serde::Deserialize as _;

    use crate::{
        api::{Decoded, IPAddressPool, L2Advertisement, configuration::assemble, names::NAMESPACE},
        model::Configuration,
    };

    #[test]
    fn they_keep_every_rule() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/samples");
        let mut files = 0;
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let (mut pools, mut advertisements): (Vec<Decoded<IPAddressPool>>, Vec<Decoded<L2Advertisement>>) =
                Default::default();
            for object in serde_saphyr::from_multiple::<serde_json::Value>(&text).unwrap() {
                match object["kind"].as_str().unwrap() {
                    "IPAddressPool" => pools.push(Decoded::deserialize(object).unwrap()),
                    "L2Advertisement" => advertisements.push(Decoded::deserialize(object).unwrap()),
                    _ => {}
                }
            }
            let configuration = assemble(NAMESPACE, &pools, &advertisements, &Configuration::default());
            assert!(configuration.faults.is_empty(), "{}: {:?}", path.display(), configuration.faults);
            for pool in configuration.pools.values() {
                let announced = configuration.l2.values().any(|advertisement| advertisement.covers_pool(pool));
                assert!(announced, "{}: pool {} is not announced", path.display(), pool.name);
            }
            files += usize::from(!pools.is_empty());
            all.append(&mut pools);
        }
        let together = assemble(NAMESPACE, &all, &[], &Configuration::default());
        assert!(together.faults.is_empty(), "the samples can be applied together: {:?}", together.faults);
        assert!(files >= 4, "{files}");
    }
}
