//! What users change about `manifests/`: overlays and our components, built by kubectl.

use std::fs;

use serde_json::{Value, json};
use xtask::{lab::cluster::Cluster, manifests};

use super::harness::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "an_overlay_with_a_prefix_renames_what_the_controller_is_told",
        an_overlay_with_a_prefix_renames_what_the_controller_is_told,
    ),
    ("components_build_together_and_are_admitted", components_build_together_and_are_admitted),
];

/// The objects of an overlay over our base, with these components.
fn built(cluster: &Cluster, mut overlay: Value, components: &[&str]) -> Vec<Value> {
    // An overlay names its base by a way from its own folder.
    let folder = cluster.segment().lab.directory().join("overlay");
    fs::create_dir_all(&folder).unwrap();
    let up: Vec<&str> = folder.components().skip(1).map(|_| "..").collect();
    let base = format!("{}{}", up.join("/"), manifests::folder().display());
    overlay["apiVersion"] = json!("kustomize.config.k8s.io/v1beta1");
    overlay["kind"] = json!("Kustomization");
    overlay["resources"] = json!([base]);
    overlay["components"] = components.iter().map(|name| format!("{base}/{name}")).collect();
    fs::write(folder.join("kustomization.yaml"), overlay.to_string()).unwrap();
    let text = cluster.kubectl(&["kustomize", &folder.to_string_lossy()]).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

fn an_overlay_with_a_prefix_renames_what_the_controller_is_told(cluster: &Cluster) {
    let objects = built(cluster, json!({ "namePrefix": "edge-", "namespace": "lb" }), &[]);
    let find = |kind: &str, name: &str| {
        let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        let found = objects.iter().find(is_it).cloned();
        assert!(found.is_some(), "there is no {kind} {name}");
        found.unwrap()
    };
    let deployment = find("Deployment", "edge-controller");
    let told = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap().clone();
    let told = |name: &str| told.iter().find(|one| one["name"] == name).unwrap()["value"].as_str().unwrap().to_owned();
    find("Secret", &told("ARPEGGIO_WEBHOOK_SECRET"));
    let (service, configuration) = (told("ARPEGGIO_CERT_SERVICE_NAME"), told("ARPEGGIO_WEBHOOK_CONFIGURATION"));
    find("Service", &service);
    for webhook in find("ValidatingWebhookConfiguration", &configuration)["webhooks"].as_array().unwrap() {
        assert_eq!(webhook["clientConfig"]["service"]["name"], *service);
        assert_eq!(webhook["clientConfig"]["service"]["namespace"], "lb");
    }
    let conversion = &find("CustomResourceDefinition", "bgppeers.metallb.io")["spec"]["conversion"]["webhook"];
    assert_eq!(conversion["clientConfig"]["service"]["name"], *service);
    let names = |role: Value| {
        role["rules"].as_array().unwrap().iter().map(|rule| rule["resourceNames"].to_string()).collect::<String>()
    };
    assert!(names(find("ClusterRole", "edge-arpeggio-controller")).contains(&configuration));
    assert!(names(find("Role", "edge-arpeggio-controller")).contains(&told("ARPEGGIO_WEBHOOK_SECRET")));
}

/// The folders of `manifests/` that are components.
fn components() -> Vec<String> {
    let folders = fs::read_dir(manifests::folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_component = |path: &std::path::PathBuf| {
        fs::read_to_string(path.join("kustomization.yaml")).is_ok_and(|text| text.contains("kind: Component"))
    };
    let mut names: Vec<String> =
        folders.filter(is_component).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn components_build_together_and_are_admitted(cluster: &Cluster) {
    cluster.install().unwrap();
    let components = components();
    assert_eq!(components, ["frr", "network-policies", "prometheus", "single-replica"]);
    let names: Vec<&str> = components.iter().map(String::as_str).collect();
    let mut objects = built(cluster, json!({}), &names);
    let has = |objects: &[Value], kind: &str, name: &str| {
        objects.iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    };
    assert!(has(&objects, "NetworkPolicy", "controller") && has(&objects, "ServiceMonitor", "speaker-monitor"));
    assert!(!has(&objects, "PodDisruptionBudget", "controller"), "it would keep the node of the one controller");
    // The definitions of the Prometheus Operator are not here.
    objects.retain(|object| object["apiVersion"] != "monitoring.coreos.com/v1");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let file = cluster.segment().lab.directory().join("components.json");
    fs::write(&file, list.to_string()).unwrap();
    cluster
        .kubectl(&["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", &file.to_string_lossy()])
        .unwrap();
    for alone in names {
        assert!(!built(cluster, json!({}), &[alone]).is_empty());
    }
}
