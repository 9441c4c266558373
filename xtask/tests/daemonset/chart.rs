//! What users of Helm do: install the chart, upgrade it, roll back, uninstall.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::Result;
use serde_json::{Value, json};
use xtask::{
    image::Wanted,
    kube::{self, Program},
    lab::{
        cluster::{Cluster, NAMESPACE},
        eventually,
    },
    manifests, sh,
};

use super::{
    deployed::{SOON, owned, service, with_service},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("the_chart_says_what_the_base_says", the_chart_says_what_the_base_says),
    ("the_chart_installs_upgrades_rolls_back_and_goes", the_chart_installs_upgrades_rolls_back_and_goes),
];

/// Name of the release.
const RELEASE: &str = "lb";

fn chart() -> PathBuf {
    manifests::folder().join("helm/arpeggio")
}

/// Helm, as the administrator.
fn command(cluster: &Cluster, words: &[&str]) -> Result<Command> {
    let assets = kube::ensure(&[Program::Helm])?;
    let mut command = cluster.control_plane().command(assets.path(Program::Helm)?);
    // It keeps a cache at home.
    command.env("HOME", cluster.segment().lab.directory()).arg("--kubeconfig").arg(cluster.admin_kubeconfig());
    command.args(["--namespace", NAMESPACE]).args(words);
    Ok(command)
}

/// `helm WORDS… CHART OPTIONS…`.
fn helm(cluster: &Cluster, words: &[&str], options: &[&str]) -> Result<String> {
    let mut command = command(cluster, words)?;
    command.arg(chart()).args(options);
    sh::read(command)
}

/// `helm WORDS…`, about what is installed.
fn release(cluster: &Cluster, words: &[&str]) -> Result<String> {
    sh::read(command(cluster, words)?)
}

fn rendered(cluster: &Cluster, options: &[&str]) -> Vec<Value> {
    let text = helm(cluster, &["template", RELEASE], options).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// Kind and name → object, with the tag that a kustomization gives to images.
fn by_name(objects: Vec<Value>) -> BTreeMap<(String, String), Value> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let image = manifests::image().unwrap();
    let (untagged, _) = image.rsplit_once(':').unwrap();
    let tagged = |mut object: Value| {
        for container in object["spec"]["template"]["spec"]["containers"].as_array_mut().into_iter().flatten() {
            if container["image"] == untagged {
                container["image"] = json!(image);
            }
        }
        ((text(&object["kind"]), text(&object["metadata"]["name"])), object)
    };
    objects.into_iter().map(tagged).collect()
}

fn the_chart_says_what_the_base_says(cluster: &Cluster) {
    helm(cluster, &["lint", "--strict"], &[]).unwrap();
    let made = rendered(cluster, &[]);
    for object in &made {
        for container in object["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten() {
            assert_eq!(container["image"], json!(manifests::image().unwrap()), "appVersion of the chart");
        }
    }
    let mut base = by_name(manifests::objects().unwrap());
    base.remove(&("Namespace".to_owned(), NAMESPACE.to_owned())).unwrap();
    let made = by_name(made);
    assert_eq!(made.keys().collect::<Vec<_>>(), base.keys().collect::<Vec<_>>());
    for (name, object) in &base {
        assert_eq!(&made[name], object, "{name:?}");
    }

    // Every value has its place.
    let everything = "loadBalancerClass=example.org/lb,imagePullSecrets[0].name=pull,prometheus.metricsPort=9999,\
        prometheus.namespace=monitoring,prometheus.scrapeAnnotations=false,prometheus.serviceMonitor.enabled=true,\
        prometheus.prometheusRule.enabled=true,prometheus.dashboards.enabled=true,controller.replicas=1,controller.logLevel=debug,controller.webhookMode=disabled,\
        controller.strategy.type=Recreate,controller.labels.a=b,controller.nodeSelector.disk=ssd,controller.extraArgs[0]=--pod-name=x,\
        controller.serviceAccount.name=other,controller.serviceAccount.create=false,speaker.tolerateMaster=false,\
        speaker.ignoreExcludeLB=true,speaker.frr.enabled=true,speaker.excludeInterfaces.enabled=false,speaker.settings.failover=fast,speaker.labels.a=b,\
        speaker.logLevel=debug,tls.minVersion=VersionTLS12,tls.controllerMetricsTLSSecret=c,tls.speakerMetricsTLSSecret=s,\
        crds.enabled=false,speaker.memberlist.enabled=true,networkpolicies.enabled=true";
    let made = by_name(rendered(cluster, &["--set", everything]));
    let has = |kind: &str, name: &str| made.contains_key(&(kind.to_owned(), name.to_owned()));
    assert!(!has("ServiceAccount", "controller") && has("ServiceAccount", "speaker"));
    assert!(!made.keys().any(|(kind, _)| kind == "CustomResourceDefinition"));
    assert!(
        !has("ValidatingWebhookConfiguration", "metallb-webhook-configuration")
            && !has("ConfigMap", "metallb-excludel2")
    );
    assert!(has("ServiceMonitor", "speaker-monitor") && has("PrometheusRule", "arpeggio"));
    assert!(has("ConfigMap", "arpeggio-dashboard-node"));
    let settings = &made[&("ConfigMap".to_owned(), "arpeggio-speaker".to_owned())]["data"]["settings.yaml"];
    assert_eq!(settings.as_str().unwrap().trim(), "failover: fast");
    let pod = |kind: &str, name: &str| made[&(kind.to_owned(), name.to_owned())]["spec"]["template"].clone();
    let (controller, speaker) = (pod("Deployment", "controller"), pod("DaemonSet", "speaker"));
    assert_eq!(
        controller["spec"]["containers"][0]["args"],
        json!([
            "--port=9999",
            "--log-level=debug",
            "--webhook-mode=disabled",
            "--lb-class=example.org/lb",
            "--ignore-exclude-lb",
            "--tls-min-version=VersionTLS12",
            "--metrics-cert-dir=/etc/metrics-certs",
            "--pod-name=x",
        ])
    );
    let arguments = speaker["spec"]["containers"][0]["args"].to_string();
    assert!(arguments.contains("--port=9999") && arguments.contains("--log-level=debug"), "{arguments}");
    assert_eq!(
        (&controller["metadata"]["labels"]["a"], &speaker["metadata"]["labels"]["a"]),
        (&json!("b"), &json!("b"))
    );
    assert_eq!(controller["spec"]["nodeSelector"], json!({"kubernetes.io/os": "linux", "disk": "ssd"}));
    assert_eq!(controller["spec"]["serviceAccountName"], "other");
    assert!(speaker["spec"].get("tolerations").is_none_or(Value::is_null), "{speaker:#}");
    assert!(has("Role", "arpeggio-speaker-bgp") && has("NetworkPolicy", "controller"));
    // One controller needs no budget, and a drain would wait for it.
    assert!(!has("PodDisruptionBudget", "controller"));
    let patch = fs::read_to_string(manifests::folder().join("frr/daemonset.yaml")).unwrap();
    let patch: Value = serde_saphyr::from_str(&patch).unwrap();
    let component = &patch["spec"]["template"]["spec"];
    let mut side_car = speaker["spec"]["containers"][1].clone();
    let image = side_car["image"].as_str().unwrap().to_owned();
    let kustomization = fs::read_to_string(manifests::folder().join("frr/kustomization.yaml")).unwrap();
    let tag = serde_saphyr::from_str::<Value>(&kustomization).unwrap()["images"][0]["newTag"].clone();
    let name = component["containers"][1]["image"].as_str().unwrap();
    assert_eq!(image, format!("{name}:{}", tag.as_str().unwrap()));
    side_car["image"] = component["containers"][1]["image"].clone();
    assert_eq!(side_car, component["containers"][1]);
    let within = |outer: &Value, inner: &Value| {
        let outer = outer.as_array().unwrap();
        inner.as_array().unwrap().iter().all(|one| outer.contains(one))
    };
    assert!(within(&speaker["spec"]["volumes"], &component["volumes"]));
    assert!(within(&speaker["spec"]["containers"][0]["volumeMounts"], &component["containers"][0]["volumeMounts"]));
    for (pod, secret) in [(&controller, "c"), (&speaker, "s")] {
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        assert!(volumes.iter().any(|volume| volume["secret"]["secretName"] == secret), "{volumes:#?}");
    }

    let refused = helm(cluster, &["template", RELEASE], &["--set", "speaker.frobnicate=1"]).unwrap_err();
    assert!(format!("{refused:#}").contains("frobnicate"), "{refused:#}");
}

fn controllers(cluster: &Cluster) -> Value {
    cluster.get(&["deployment", "controller", "--namespace", NAMESPACE]).unwrap()["spec"]["replicas"].clone()
}

fn the_chart_installs_upgrades_rolls_back_and_goes(cluster: &Cluster) {
    let folder = manifests::folder();
    cluster.kubectl(&["delete", "-k", &folder.to_string_lossy(), "--ignore-not-found", "--timeout=120s"]).unwrap();
    cluster.import(&Wanted::quick().unwrap().archive).unwrap();
    cluster.kubectl(&["create", "namespace", NAMESPACE]).unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": rendered(cluster, &[])});
    let file = cluster.segment().lab.directory().join("rendered.json");
    fs::write(&file, list.to_string()).unwrap();
    cluster.kubectl(&["apply", "--dry-run=server", "-f", &file.to_string_lossy()]).unwrap();

    helm(cluster, &["install", RELEASE, "--wait", "--timeout", "180s"], &[]).unwrap();
    // NOTES.txt, step 1.
    let privileged = "pod-security.kubernetes.io/enforce=privileged";
    cluster.kubectl(&["label", "namespace", NAMESPACE, "--overwrite", privileged]).unwrap();
    // The API server asks the webhooks a moment after the controllers are ready.
    eventually(SOON, "a pool to be admitted", || cluster.apply(&service("charted"))).unwrap();
    let vips = with_service(cluster, "charted");
    let owner = owned(cluster, vips[0]);

    let few = "controller.replicas=1";
    helm(cluster, &["upgrade", RELEASE, "--wait", "--timeout", "180s"], &["--set", few]).unwrap();
    assert_eq!(controllers(cluster), 1);
    let refused = helm(cluster, &["upgrade", RELEASE], &["--set", "controller.replicas=0"]).unwrap_err();
    assert!(format!("{refused:#}").contains("replicas"), "{refused:#}");
    release(cluster, &["rollback", RELEASE, "1", "--wait", "--timeout", "180s"]).unwrap();
    assert_eq!(controllers(cluster), 2);
    // Webhooks and owners are as before.
    eventually(SOON, "a pool to be admitted", || cluster.apply(&service("charted"))).unwrap();
    assert_eq!(owned(cluster, vips[0]), owner);
    for vip in &vips {
        cluster.curl(*vip, 80).unwrap();
    }

    cluster.delete(&service("charted")).unwrap();
    let made = rendered(cluster, &[]);
    release(cluster, &["uninstall", RELEASE, "--wait", "--timeout", "120s"]).unwrap();
    for object in made {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let found = cluster.kubectl(&["get", "--ignore-not-found", "--namespace", namespace, kind, name]).unwrap();
        assert_eq!(found, "", "{kind} {name}");
    }
    cluster.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=120s"]).unwrap();
}
