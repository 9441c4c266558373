//! The agent in Kubernetes mode where there is no API server: it goes on from what it kept of the last answer.

use std::{ffi::OsString, fs, path::PathBuf, process::Command};

use serde_json::Value;
use xtask::{
    lab::{Running, Segment, clients, eventually},
    paths, sh,
};

use super::harness::{SOON, both, v4};

/// Nobody listens on port 1 of the loopback device.
const NOWHERE: &str = "apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: \"https://127.0.0.1:1\", insecure-skip-tls-verify: true}}]
users: [{name: nobody, user: {token: none}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
";

const SNAPSHOT: &str = r#"{"version":1,"node":"node-a","evacuate":false,"announcements":[
{"address":"192.0.2.10","pool":"home","l2":{"candidates":["node-a"],"interfaces":["eth0"],"mode":"Exclusive"}},
{"address":"2001:db8::10","l2":{"candidates":["node-a"],"mode":"Exclusive"}}]}"#;

/// A speaker of `node-a` without a configuration file.
struct Agent {
    segment: Segment,
    directory: PathBuf,
    running: Option<Running>,
    /// Of `speaker run`, beside those that every verb takes.
    flags: Vec<OsString>,
}

impl Agent {
    /// With this snapshot, if there is to be one.
    fn start(snapshot: Option<&str>) -> Self {
        let segment = Segment::new(1).unwrap();
        let directory = segment.lab.directory().join("kubernetes");
        fs::create_dir_all(directory.join("run")).unwrap();
        fs::write(directory.join("kubeconfig"), NOWHERE).unwrap();
        if let Some(snapshot) = snapshot {
            fs::write(directory.join("run/kubernetes.json"), snapshot).unwrap();
        }
        let mut agent = Self { segment, directory, running: None, flags: Vec::new() };
        agent.launch();
        agent
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = self.segment.nodes[0].namespace.command(paths::speaker());
        command.arg(verb).arg("--run-dir").arg(self.directory.join("run"));
        command.arg("--pin-dir").arg(self.segment.lab.bpffs().join("node-a"));
        command
    }

    fn launch(&mut self) {
        let mut command = self.command("run");
        command.arg("--kubeconfig").arg(self.directory.join("kubeconfig")).args(["--node-name", "node-a"]);
        command.arg("--exclude-interfaces").arg(self.directory.join("no-exclusions.yaml"));
        command.args(&self.flags);
        let log = self.segment.lab.free_path("kubernetes", "log").unwrap();
        self.running = Some(Running::start(&mut command, &log).unwrap());
    }

    /// Whatever the exit code: that of an agent which answers nothing says so.
    fn status(&self) -> anyhow::Result<Value> {
        let mut command = self.command("status");
        command.args(["-o", "json"]);
        Ok(serde_json::from_slice(&sh::attempt(&mut command)?.stdout)?)
    }

    fn wait_kubernetes(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let found = eventually(SOON, what, || {
            let status = self.status()?["kubernetes"].clone();
            anyhow::ensure!(condition(&status), "{status:#}");
            Ok(status)
        });
        found.unwrap_or_else(|error| panic!("{error:#}\n{}", self.running.as_ref().unwrap().output()))
    }

    fn answers(&self) {
        for address in both() {
            let node = &self.segment.nodes[0];
            let only = || clients::expect_only(&self.segment.client, address, &node.mac);
            let found = eventually(SOON, "the answers of what the snapshot says", only);
            found.unwrap_or_else(|error| panic!("{error:#}\n{}", self.running.as_ref().unwrap().output()));
        }
    }
}

#[test]
fn without_an_api_server_it_goes_on_from_the_snapshot() {
    let mut agent = Agent::start(Some(SNAPSHOT));
    agent.answers();
    let status = agent.wait_kubernetes("the API server to be missed", |status| status["answering"] == false);
    assert_eq!((&status["source"], &status["server"]), (&"snapshot".into(), &"https://127.0.0.1:1".into()));
    assert!(status["snapshotAgoMs"].is_u64() && status["error"].is_string(), "{status:#}");
    let output = sh::attempt(&mut agent.command("status")).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "what changes meanwhile is not followed: {text}");
    assert!(text.starts_with("PROBLEMS\n  the API server has not answered for "), "{text}");
    assert!(text.contains("in force until the API server answers"), "{text}");

    // Killed and started again: still there, and the snapshot is as it was.
    agent.running = None;
    agent.launch();
    agent.answers();
    assert_eq!(fs::read_to_string(agent.directory.join("run/kubernetes.json")).unwrap(), SNAPSHOT);
}

/// A reboot empties the run directory, as it is on a tmpfs, and the pins are gone as well.
#[test]
fn the_snapshot_outlives_a_reboot_of_the_node() {
    let mut agent = Agent::start(Some(SNAPSHOT));
    agent.answers();
    // An agent of today finds what one of yesterday kept in the run directory.
    agent.flags = vec!["--state-dir".into(), agent.directory.join("state").into()];
    agent.running = None;
    agent.launch();
    agent.answers();
    agent.running = None;
    fs::remove_dir_all(agent.directory.join("run")).unwrap();
    let mut cleanup = agent.command("cleanup");
    cleanup.arg("--yes");
    sh::read(cleanup).unwrap();
    agent.launch();
    agent.answers();
    assert_eq!(fs::read_to_string(agent.directory.join("state/kubernetes.json")).unwrap(), SNAPSHOT);
}

#[test]
fn without_a_snapshot_nothing_is_claimed() {
    for snapshot in [None, Some("{\"version\":1,\"node\":\"node-a\",\"announce")] {
        let agent = Agent::start(snapshot);
        let waiting = |status: &Value| status["watches"]["announcements"].is_string();
        let status = agent.wait_kubernetes("the watch to fail", waiting);
        assert_eq!(status["source"], "none", "{status:#}");
        clients::expect_silence(&agent.segment.client, v4()).unwrap();
        let text = sh::attempt(agent.command("status").args(["-o", "table"])).unwrap();
        assert_eq!(text.status.code(), Some(1), "nothing is answered");
    }
}
