//! A real Prometheus reads both programs over TLS with the token of a ServiceAccount, and judges our rules.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::{
    lab::{
        clients,
        cluster::{Cluster, Daemon},
        eventually,
    },
    manifests, sh,
};

use super::{
    bed::{Bed, SOON, TIMES},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] =
    &[("prometheus_reads_both_programs_and_alerts_fire", prometheus_reads_both_programs_and_alerts_fire)];

/// Where it answers, in the namespace of the control plane.
const PROMETHEUS: &str = "127.0.0.1:9090";
/// Both programs, in the management network: nodes and controllers.
const SPEAKERS: [&str; 3] = ["198.51.100.1:9120", "198.51.100.2:9120", "198.51.100.3:9120"];
const CONTROLLERS: [&str; 2] = ["198.51.100.111:9120", "198.51.100.112:9120"];
/// An account as kube-prometheus has it, and one that may nothing.
const ACCOUNTS: &str = "apiVersion: v1
kind: Namespace
metadata: {name: monitoring}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus-k8s, namespace: monitoring}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: monitoring}
";

/// Prometheus, and what it says.
struct Prometheus<'a> {
    cluster: &'a Cluster,
    _daemon: Daemon,
}

impl<'a> Prometheus<'a> {
    fn start(cluster: &'a Cluster, token: &str) -> Self {
        let folder = cluster.segment().lab.directory().join("prometheus");
        fs::create_dir_all(&folder).unwrap();
        let rules = rules(&folder);
        let token_file = folder.join("token");
        fs::write(&token_file, token).unwrap();
        let job = |name: &str, targets: &[&str]| {
            json!({"job_name": name, "scheme": "https", "tls_config": {"insecure_skip_verify": true},
                "authorization": {"credentials_file": token_file}, "static_configs": [{"targets": targets}]})
        };
        let config = json!({"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules], "scrape_configs": [job("speakers", &SPEAKERS), job("controllers", &CONTROLLERS)]});
        let file = folder.join("prometheus.yaml");
        fs::write(&file, config.to_string()).unwrap();
        let mut command = cluster.control_plane().command("prometheus");
        command.arg("--config.file").arg(&file).arg("--storage.tsdb.path").arg(folder.join("data"));
        command.args(["--web.listen-address", PROMETHEUS]);
        let daemon = Daemon::start("prometheus", &command, cluster.segment().lab.directory()).unwrap();
        Self { cluster, _daemon: daemon }
    }

    fn get(&self, path: &str, parameters: &[String]) -> Result<Value> {
        let mut curl = self.cluster.control_plane().command("curl");
        curl.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--max-time", "5", "--get"]);
        curl.args(parameters.iter().flat_map(|parameter| ["--data-urlencode", parameter]));
        curl.arg(format!("http://{PROMETHEUS}/api/v1/{path}"));
        let answer: Value = serde_json::from_str(&sh::read(curl)?)?;
        ensure!(answer["status"] == "success", "{answer}");
        Ok(answer["data"].clone())
    }

    /// The series of an expression.
    fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let data = self.get("query", &[format!("query={expression}")])?;
        data["result"].as_array().cloned().context("no vector")
    }

    fn number(&self, expression: &str) -> Result<f64> {
        let series = self.query(expression)?;
        let value = series.first().with_context(|| format!("{expression} has no series"))?;
        value["value"][1].as_str().context("no value")?.parse().context("no number")
    }

    /// Waits until an alert is firing, or until it is not.
    fn alerts(&self, name: &str, firing: bool) {
        eventually(SOON, &format!("{name} to fire: {firing}"), || {
            let alerts = self.get("alerts", &[])?["alerts"].as_array().cloned().unwrap_or_default();
            let fires = alerts.iter().any(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing");
            ensure!(fires == firing, "{alerts:?}");
            Ok(())
        })
        .unwrap();
    }
}

/// The rules of the manifests as a file of Prometheus, checked by promtool; whoever waits for minutes waits for a second here.
fn rules(folder: &std::path::Path) -> PathBuf {
    let text = fs::read_to_string(manifests::folder().join("prometheus/rules.yaml")).unwrap();
    let object: Value = serde_saphyr::from_str(&text).unwrap();
    let mut spec = object["spec"].clone();
    for rule in
        spec["groups"].as_array_mut().unwrap().iter_mut().flat_map(|group| group["rules"].as_array_mut().unwrap())
    {
        for field in ["summary", "description"] {
            assert!(rule["annotations"][field].is_string(), "{rule:#}");
        }
        if rule.get("for").is_some() {
            rule["for"] = "1s".into();
        }
    }
    let file = folder.join("rules.yaml");
    fs::write(&file, spec.to_string()).unwrap();
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "rules"]).arg(&file);
    sh::read(promtool).unwrap();
    file
}

/// What the server answers to a caller with this token: status and body.
fn fetch(cluster: &Cluster, target: &str, token: Option<&str>) -> Result<(String, String)> {
    let mut curl = cluster.control_plane().command("curl");
    curl.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--insecure", "--max-time", "10"]);
    if let Some(token) = token {
        curl.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    curl.args(["--write-out", "\n%{http_code}", &format!("https://{target}/metrics")]);
    let output = sh::read(curl)?;
    let (body, status) = output.trim_end().rsplit_once('\n').context("no status")?;
    Ok((status.to_owned(), body.to_owned()))
}

fn prometheus_reads_both_programs_and_alerts_fire(cluster: &Cluster) {
    let mut bed = Bed::new(cluster, "Cluster");
    let vips = bed.addresses();
    cluster.apply(ACCOUNTS).unwrap();
    let access = fs::read_to_string(manifests::folder().join("prometheus/access.yaml")).unwrap();
    cluster.apply(&access).unwrap();
    let [reader, nobody] = ["prometheus-k8s", "nobody"].map(|name| cluster.token("monitoring", name).unwrap());

    // Who may not, may not.
    for target in [SPEAKERS[0], CONTROLLERS[0]] {
        assert_eq!(fetch(cluster, target, None).unwrap().0, "401");
        assert_eq!(fetch(cluster, target, Some("made-up")).unwrap().0, "401");
        let (status, text) = fetch(cluster, target, Some(nobody.trim())).unwrap();
        assert!(status == "403" && text.contains("nonResourceURLs"), "{status} {text}");
        let (status, page) = fetch(cluster, target, Some(reader.trim())).unwrap();
        assert_eq!(status, "200", "{page}");
        check(&page);
    }

    let prometheus = Prometheus::start(cluster, reader.trim());
    let all = (SPEAKERS.len() + CONTROLLERS.len()).to_string();
    eventually(SOON, "Prometheus to read everybody", || {
        let up = prometheus.number("sum(up)")?;
        ensure!(up.to_string() == all, "{up} of {all} are up");
        Ok(())
    })
    .unwrap();
    for vip in vips {
        let owner = bed.owner(vip, "");
        eventually(SOON, "the owner to be told", || {
            let series = prometheus.query(&format!("metallb_speaker_announced{{ip=\"{vip}\"}}"))?;
            let labels: Vec<_> = series.iter().map(|one| one["metric"].clone()).collect();
            ensure!(labels.len() == 1, "{labels:?}");
            ensure!(labels[0]["node"] == owner && labels[0]["service"] == "default/e2e", "{labels:?}");
            ensure!(labels[0]["protocol"] == "layer2", "{labels:?}");
            Ok(())
        })
        .unwrap();
        let received = format!("sum(metallb_layer2_requests_received{{ip=\"{vip}\"}})");
        let before = prometheus.number(&received).unwrap();
        clients::ask(&cluster.segment().client, vip).unwrap();
        eventually(SOON, "the request to be counted", || {
            let now = prometheus.number(&received)?;
            ensure!(now > before, "{now}");
            Ok(())
        })
        .unwrap();
    }
    one_series_for_each_pool(&prometheus);
    every_picture_has_data(&prometheus, &vips[0].to_string());
    assert!(prometheus.get("alerts", &[]).unwrap()["alerts"].as_array().unwrap().iter().all(|alert| {
        // A veth has no driver for the quickest way.
        alert["labels"]["severity"] == "info"
    }));

    // The leader ends as in a crash: pools have one series afterwards too, and until then somebody says that nobody leads.
    bed.controllers.clear();
    prometheus.alerts("ArpeggioNoLeader", true);
    let installed = cluster.install().unwrap();
    bed.controllers = [1, 2].map(|replica| installed.start_controller(cluster, replica, &TIMES).unwrap()).into();
    prometheus.alerts("ArpeggioNoLeader", false);
    one_series_for_each_pool(&prometheus);
    assert!(prometheus.query("ALERTS{alertname=\"MetalLBConfigNotLoaded\"}").unwrap().is_empty());
    cluster.delete(ACCOUNTS).unwrap();
    cluster.delete(&access).unwrap();
}

/// Every query of the dashboards returns data, for an address, a node and a pool that there are.
fn every_picture_has_data(prometheus: &Prometheus<'_>, ip: &str) {
    let text = fs::read_to_string(manifests::folder().join("prometheus/dashboards.yaml")).unwrap();
    let files: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let boards = files.iter().flat_map(|file| file["data"].as_object().unwrap().values());
    let panels = boards.flat_map(|board| {
        let board: Value = serde_json::from_str(board.as_str().unwrap()).unwrap();
        board["panels"].as_array().unwrap().clone()
    });
    let known = [("$ip", ip), ("$instance", SPEAKERS[0]), ("$pool", "e2e"), ("$__rate_interval", "30s")];
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let expression = known.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
            eventually(SOON, &format!("data for {} ({expression})", panel["title"]), || {
                ensure!(!prometheus.query(&expression)?.is_empty(), "there are no series");
                Ok(())
            })
            .unwrap();
        }
    }
}

/// Every pool has one series, whoever leads.
fn one_series_for_each_pool(prometheus: &Prometheus<'_>) {
    eventually(SOON, "one series for each pool", || {
        let most = prometheus.number("max(count(metallb_allocator_addresses_total)by(pool))")?;
        ensure!(most == 1.0, "{most}");
        Ok(())
    })
    .unwrap();
}

/// Whether Prometheus' own tool can read the page. It also has opinions about names, which are MetalLB's.
fn check(page: &str) {
    let folder = std::env::temp_dir().join(format!("metrics-{}", std::process::id()));
    fs::write(&folder, page).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "promtool check metrics < \"$1\"", "sh"]).arg(&folder);
    let output = sh::attempt(&mut command).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    fs::remove_file(&folder).unwrap();
    // 3: read without an error, and opinions.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
}
