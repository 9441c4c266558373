//! The kubectl plugin against a real cluster: what it shows is what is there, and what it foresees is what happens.

use std::{
    fs,
    net::IpAddr,
    path::PathBuf,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, NAMESPACE},
    eventually,
};

use super::{
    bed::{Bed, NODES, SOON, configured},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("plugin_status_and_explain_name_the_owner", status_and_explain_name_the_owner),
    ("plugin_plan_foresees_a_split_pool_and_an_evacuation", plan_foresees_a_split_pool_and_an_evacuation),
    ("plugin_diagnose_and_migrate_check_read_the_cluster", diagnose_and_migrate_check_read_the_cluster),
];

/// The plugin, with a kubeconfig of the administrator.
struct Plugin {
    kubeconfig: PathBuf,
}

impl Plugin {
    fn new(cluster: &Cluster) -> Self {
        let kubeconfig = cluster.segment().lab.directory().join("plugin.kubeconfig");
        fs::write(&kubeconfig, cluster.outside_kubeconfig()).unwrap();
        Self { kubeconfig }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(xtask::paths::profile().join("kubectl-arpeggio"));
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(["--system-namespace", NAMESPACE]).args(arguments);
        command.output().unwrap()
    }

    /// The report as JSON, and the exit code.
    fn report(&self, arguments: &[&str]) -> Result<(Value, i32)> {
        let output = self.run(&[arguments, &["-o", "json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        let report = serde_json::from_str(&text)
            .with_context(|| format!("{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
        Ok((report, output.status.code().unwrap_or(-1)))
    }
}

fn status_and_explain_name_the_owner(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let plugin = Plugin::new(cluster);
    for address in bed.addresses() {
        let owner = bed.owner(address, "");
        let text = address.to_string();
        eventually(SOON, "a status without problems that names the owner", || {
            let (status, code) = plugin.report(&["status"])?;
            let rows = status["addresses"].as_array().context("no addresses")?;
            let row = rows.iter().find(|row| row["address"] == text.as_str()).context("not this address")?;
            ensure!(row["owner"] == owner && code == 0, "{code}: {status}");
            Ok(())
        })
        .unwrap();
        let (explanation, code) = plugin.report(&["explain", &text]).unwrap();
        assert_eq!(explanation["verdict"]["message"], format!("{owner} answers for {address}"), "{explanation}");
        assert_eq!((code, explanation["addresses"][0]["candidates"].as_array().unwrap().len()), (0, NODES.len()));
        assert!(!explanation["events"].as_array().unwrap().is_empty(), "{explanation}");
    }
    let (missing, code) = plugin.report(&["explain", "nobody", "-n", "default"]).unwrap();
    assert_eq!((missing["verdict"]["severity"].as_str(), code), (Some("problem"), 1));
    let text = String::from_utf8(plugin.run(&["status"]).stdout).unwrap();
    assert!(text.contains("192.0.2.160-192.0.2.169") && !text.contains('\u{1b}'), "{text}");
    // A Service that no pool can serve is a problem with a next command.
    let asks = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "greedy", "namespace": "default",
        "annotations": {"metallb.io/loadBalancerIPs": "198.51.100.7"}},
        "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}});
    cluster.apply(&asks.to_string()).unwrap();
    eventually(SOON, "the problem", || {
        let (status, code) = plugin.report(&["status"])?;
        let problem = json!("kubectl arpeggio explain default/greedy");
        let findings = status["findings"].as_array().context("no findings")?;
        ensure!(code == 1 && findings.iter().any(|finding| finding["next"] == problem), "{code}: {status}");
        let (explanation, code) = plugin.report(&["explain", "default/greedy"])?;
        ensure!(code == 1 && explanation["verdict"]["message"].as_str().is_some_and(|it| it.contains("198.51.100.7")));
        Ok(())
    })
    .unwrap();
}

fn plan_foresees_a_split_pool_and_an_evacuation(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let plugin = Plugin::new(cluster);
    let [v4, v6] = bed.addresses();
    let owners = [bed.owner(v4, ""), bed.owner(v6, "")];
    let file = cluster.segment().lab.directory().join("split.yaml");
    let split = |first: &str| {
        let rest = json!({"addresses": ["192.0.2.161-192.0.2.169"]});
        let home = json!({"addresses": [first, "2001:db8::160-2001:db8::169"]});
        let (home, rest) = (
            configured("IPAddressPool", "e2e", NAMESPACE, &home),
            configured("IPAddressPool", "rest", NAMESPACE, &rest),
        );
        format!("{home}\n---\n{rest}\n")
    };
    let path = file.to_str().unwrap();

    // Split so that the address stays: nothing is foreseen, and nothing happens.
    fs::write(&file, split("192.0.2.160/32")).unwrap();
    let (plan, code) = plugin.report(&["plan", "-f", path]).unwrap();
    assert_eq!((code, plan["changes"].as_array().unwrap().len()), (0, 0), "{plan}");
    cluster.kubectl(&["apply", "-f", path]).unwrap();
    bed.settled();
    assert_eq!(bed.addresses(), [v4, v6]);

    // Cut so that the IPv4 address is in no pool: the plan says so before.
    let text = split("192.0.2.170/32");
    fs::write(&file, &text).unwrap();
    let (plan, code) = plugin.report(&["plan", "-f", path]).unwrap();
    let change = &plan["changes"][0];
    assert_eq!((code, change["service"].as_str()), (1, Some("default/e2e")), "{plan}");
    assert!(["loses", "moves"].contains(&change["effect"].as_str().unwrap()), "{plan}");

    // The evacuation is foreseen, and goes as foreseen.
    let (plan, code) = plugin.report(&["plan", "--evacuate", owners[0]]).unwrap();
    assert_eq!((code, plan["changes"][0]["effect"].as_str()), (0, Some("owner")), "{plan}");
    let after = plan["changes"][0]["after"].as_str().unwrap().to_owned();
    let (evacuation, code) = plugin.report(&["evacuate", owners[0], "--wait"]).unwrap();
    assert_eq!(code, 0, "{evacuation}");
    let next = bed.owner(v4, owners[0]);
    assert!(after.contains(&format!("{v4} by {next}")), "{after}, and {next} owns it");
    let (status, _) = plugin.report(&["status"]).unwrap();
    let is_said = |row: &Value| row["node"] == owners[0] && row["evacuating"] == true && row["owned"] == 0;
    assert!(status["speakers"].as_array().unwrap().iter().any(is_said), "{status}");
    assert!(plugin.run(&["evacuate", owners[0], "--undo"]).status.success());
    let node = cluster.get(&["node", owners[0]]).unwrap();
    assert!(node["metadata"]["annotations"]["arpeggio.io/evacuate"].is_null(), "{node}");
    cluster.kubectl(&["delete", "ipaddresspool", "rest", "--namespace", NAMESPACE]).unwrap();
    let _: [IpAddr; 2] = bed.addresses();
}

fn diagnose_and_migrate_check_read_the_cluster(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let plugin = Plugin::new(cluster);
    bed.addresses();
    let directory = cluster.segment().lab.directory().join("bundle");
    let output = plugin.run(&["diagnose", directory.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (file, part) in [
        ("services.json", "e2e"),
        ("announcements.json", "192.0.2.16"),
        ("speakers.json", NODES[0]),
        ("status.txt", "CONTROLLER"),
        ("versions.txt", "API server v1."),
    ] {
        let text = fs::read_to_string(directory.join(file)).unwrap();
        assert!(text.contains(part), "{file}: {text}");
    }
    assert!(!directory.join("secrets.json").exists());
    let (migration, code) = plugin.report(&["migrate", "check"]).unwrap();
    assert_eq!((code, migration["images"].as_array().unwrap().len()), (0, 0), "{migration}");
}
