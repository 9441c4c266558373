//! A running agent in static mode, in the namespace of its FRR.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::lab::{Frr, Lab, Namespace, eventually};

/// Where the agent is, as the peer on the wire sees it.
pub(crate) const AGENT: &str = "10.9.1.1";
/// Where the peer is.
pub(crate) const PEER: &str = "10.9.1.2";

/// The file of an agent that tells a router of these addresses.
pub(crate) fn file(addresses: &[&str]) -> String {
    let announced: String =
        addresses.iter().map(|address| format!("  - {{address: \"{address}\", pool: home}}\n")).collect();
    let announced =
        if announced.is_empty() { "announcements: []\n".to_owned() } else { format!("announcements:\n{announced}") };
    format!(
        "{announced}bgp:\n  peers:\n    - {{name: tor, myASN: 64512, peerASN: 64513, peerAddress: {PEER}, connectTime: 1s}}\n  \
         advertisements:\n    - {{name: all, communities: [\"64512:7\"]}}\n"
    )
}

/// A running `speaker run`. Killed when dropped.
pub(crate) struct Agent {
    namespace: String,
    directory: PathBuf,
    sockets: PathBuf,
    process: Child,
}

impl Agent {
    /// Starts it; what it pins goes with it.
    pub(crate) fn start(lab: &Lab, namespace: &Namespace, frr: &Frr, config: &str, flags: &[&str]) -> Self {
        let directory = lab.directory.join("agent");
        fs::create_dir_all(directory.join("bpf")).unwrap();
        fs::write(directory.join("config.yaml"), config).unwrap();
        let process = launch((&namespace.name, &directory, &frr.sockets), flags);
        Self { namespace: namespace.name.clone(), directory, sockets: frr.sockets.clone(), process }
    }

    /// Another one in its place.
    pub(crate) fn again(&mut self, flags: &[&str]) {
        self.process = launch((&self.namespace, &self.directory, &self.sockets), flags);
    }

    /// Writes its file in one step.
    pub(crate) fn configure(&self, config: &str) {
        let half = self.directory.join("config.yaml.new");
        fs::write(&half, config).unwrap();
        fs::rename(half, self.directory.join("config.yaml")).unwrap();
    }

    /// Runs `speaker ARGUMENTS` and returns what it says, and whether it ended well.
    pub(crate) fn ask(&self, arguments: &[&str]) -> (String, bool) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_speaker"));
        let output = command.args(arguments).arg("--run-dir").arg(self.directory.join("run")).output().unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
    }

    /// What `speaker status` says of BGP.
    pub(crate) fn bgp(&self) -> Value {
        let (text, _) = self.ask(&["status", "-o", "json", "--pin-dir", "/nowhere"]);
        serde_json::from_str::<Value>(&text).map(|status| status["bgp"].clone()).unwrap_or_default()
    }

    pub(crate) fn until_status(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        eventually(what, || holds(&self.bgp()));
    }

    /// Kills it, that one process, by its id.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Ends it as systemd does.
    pub(crate) fn terminate(&mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

fn launch((namespace, directory, sockets): (&str, &PathBuf, &PathBuf), flags: &[&str]) -> Child {
    let here = directory.display();
    let line = format!(
        "mount -t bpf bpf {here}/bpf && exec nsenter --net=/run/netns/{namespace} {} run --config {here}/config.yaml --node-name node-a \
         --pin-dir {here}/bpf/arpeggio --run-dir {here}/run --exclude-interfaces {here}/none --frr-socket-dir {} {}",
        env!("CARGO_BIN_EXE_speaker"),
        sockets.display(),
        flags.join(" ")
    );
    let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &line]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RUST_BACKTRACE", "1");
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("the agent's log:\n{}", self.log());
        }
    }
}
