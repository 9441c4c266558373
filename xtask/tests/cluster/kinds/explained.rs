//! `kubectl explain` and `kubectl get` of every kind, by what the API server itself says of them.

use serde_json::Value;
use xtask::lab::cluster::Cluster;

/// What kubectl takes for a kind beside its name, and the columns behind the name, those of `-o wide` too.
const LISTED: [(&str, &[&str], &[&str]); 11] = [
    ("announcements.arpeggio.io", &["ann"], &[]),
    ("speakers.arpeggio.io", &["spk"], &[]),
    ("bfdprofiles.metallb.io", &[], &["Passive Mode", "Transmit Interval", "Receive Interval", "Multiplier"]),
    ("bgpadvertisements.metallb.io", &[], &["IPAddressPools", "IPAddressPool Selectors", "Peers", "Node Selectors"]),
    ("bgppeers.metallb.io", &[], &["Address", "ASN", "BFD Profile", "Multi Hops"]),
    ("communities.metallb.io", &[], &[]),
    ("configurationstates.metallb.io", &[], &["Result", "ErrorSummary", "Age"]),
    ("ipaddresspools.metallb.io", &[], &["Auto Assign", "Avoid Buggy IPs", "Addresses"]),
    (
        "l2advertisements.metallb.io",
        &[],
        &["IPAddressPools", "IPAddressPool Selectors", "Interfaces", "Node Selectors"],
    ),
    ("servicebgpstatuses.metallb.io", &[], &["Node", "Service Name", "Service Namespace"]),
    ("servicel2statuses.metallb.io", &[], &["Allocated Node", "Service Name", "Service Namespace"]),
];

/// Every field without a description, but those that every object has.
fn silent(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let described = field["description"].as_str().is_some_and(|text| !text.trim().is_empty());
        let common = ["apiVersion", "kind", "metadata"].iter().any(|common| path == format!(".{common}"));
        if !described && !common {
            found.push(path.clone());
        }
        silent(field, &path, found);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            silent(&schema[inner], path, found);
        }
    }
}

pub(super) fn every_field_of_every_kind_is_explained(cluster: &Cluster) {
    cluster.install().unwrap();
    let definitions = cluster.get(&["crd"]).unwrap();
    let ours = |definition: &&Value| {
        let group = definition["spec"]["group"].as_str().unwrap_or_default();
        group == "metallb.io" || group == "arpeggio.io"
    };
    let definitions: Vec<&Value> = definitions["items"].as_array().unwrap().iter().filter(ours).collect();
    let names: Vec<&str> = definitions.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
    let wanted: std::collections::BTreeSet<&str> = LISTED.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.iter().copied().collect::<std::collections::BTreeSet<_>>(), wanted);
    for definition in definitions {
        let name = definition["metadata"]["name"].as_str().unwrap();
        let (_, short, columns) = LISTED.iter().find(|(listed, ..)| *listed == name).unwrap();
        let told: Vec<&str> = definition["spec"]["names"]["shortNames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(told, *short, "short names of {name}");
        for version in definition["spec"]["versions"].as_array().unwrap() {
            let schema = &version["schema"]["openAPIV3Schema"];
            assert!(schema["description"].as_str().is_some_and(|text| text.len() > 20), "{name}: {schema}");
            let mut found = Vec::new();
            silent(schema, "", &mut found);
            assert!(found.is_empty(), "{name} {}: no word about {found:?}", version["name"]);
            let shown: Vec<&str> = version["additionalPrinterColumns"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|column| column["name"].as_str())
                .collect();
            // Ours may have more behind MetalLB's.
            for column in *columns {
                assert!(shown.contains(column), "{name}: no column {column:?} in {shown:?}");
            }
        }
        let explained = cluster.kubectl(&["explain", "--recursive", name]).unwrap();
        assert!(explained.contains("spec") && explained.contains("FIELDS:"), "{explained}");
    }
}
