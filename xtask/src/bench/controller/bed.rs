//! The cluster in which the contenders have their turns, and the bulk client.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::contenders::{Contender, Programs, call};
use crate::{
    lab::{
        cluster::{Cluster, Controller, Installed, Options, Speaker},
        eventually,
    },
    sh, ui,
};

/// Requests at a time that make Services.
const CONNECTIONS: &str = "8";

/// How long what is not urgent may go on after the last address.
const SETTLED: Duration = Duration::from_secs(300);
/// Between two looks at the number of writes.
const LOOK: Duration = Duration::from_secs(2);

/// What every contender gives away: room for as many Services as may be asked for.
const POOL: &str = "\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: bulk, namespace: metallb-system }
spec: { addresses: [10.64.0.0/16] }
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: { name: bulk, namespace: metallb-system }
";

/// A cluster with speakers and endpoints, and nobody who gives addresses.
pub(super) struct Bed {
    speakers: Vec<Speaker>,
    installed: Installed,
    cluster: Cluster,
    programs: Programs,
    /// Seconds for whatever the bulk client does: a busy API server makes some twenty Services a second.
    limit: u32,
}

/// What the bulk client reports, times in milliseconds.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Outcome {
    pub(super) services: u32,
    pub(super) total_ms: f64,
    pub(super) requests_ms: f64,
    pub(super) announced_ms: f64,
    pub(super) lag_ms: Option<[f64; 3]>,
    pub(super) curve: Vec<f64>,
}

impl Bed {
    /// Starts the cluster, the speakers and makes endpoints for so many Services.
    pub(super) fn new(programs: &Programs, services: u32) -> Result<Self> {
        let step = ui::Step::begin("starting a cluster");
        let cluster = Cluster::start(&Options::default())?;
        // Thousands of Services in three proxies on one machine are not what is measured.
        for node in &cluster.segment().nodes {
            cluster.proxy(&node.name)?.terminate()?;
        }
        let installed = cluster.install()?.with_programs(programs.folder.clone());
        cluster.apply(POOL)?;
        let nodes = cluster.segment().nodes.iter();
        let speakers = nodes.map(|node| installed.start_speaker(&cluster, &node.name, &[])).collect::<Result<_>>()?;
        let bed = Self { speakers, installed, cluster, programs: programs.clone(), limit: 300 + services / 5 };
        step.note("making endpoints");
        bed.services(&["slices", &services.to_string(), "--connections", CONNECTIONS])?;
        step.done("a cluster is there");
        Ok(bed)
    }

    /// Runs the bulk client to its end.
    pub(super) fn services(&self, arguments: &[&str]) -> Result<Outcome> {
        let text = sh::read(self.command(arguments))?;
        serde_json::from_str(&text)
            .with_context(|| format!("understand what `services {}` said: {text}", arguments.join(" ")))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.cluster.control_plane().command(&self.programs.services);
        command.arg("--kubeconfig").arg(self.cluster.admin_kubeconfig());
        command.args(["--limit", &self.limit.to_string()]).args(arguments);
        command
    }

    /// Makes Services; waits until all have addresses if somebody gives them.
    pub(super) fn create(&self, count: u32, until_addresses: bool) -> Result<Outcome> {
        let count = count.to_string();
        let mut arguments = vec!["create", &count, "--connections", CONNECTIONS];
        arguments.extend(until_addresses.then_some("--until-addresses"));
        self.services(&arguments)
    }

    /// What the plain writer does.
    pub(super) fn write(&self, count: u32, connections: usize) -> Result<Outcome> {
        self.services(&["write", &count.to_string(), "--connections", &connections.to_string()])
    }

    /// Begins to watch for so many addresses, and for as many Announcements where the contender writes them.
    pub(super) fn watch(&self, count: u32, announcements: bool) -> Result<Watch> {
        let count = count.to_string();
        let mut arguments = vec!["wait", &count];
        arguments.extend(announcements.then_some("--announcements"));
        let mut command = self.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| sh::not_started(&command))?;
        let output = child.stdout.take().context("the watcher has no output")?;
        let mut watch = Watch { child, lines: BufReader::new(output) };
        let line = watch.line()?;
        ensure!(line == "ready", "the watcher said {line:?} first");
        Ok(watch)
    }

    /// Deletes the Services and what was made for them, and waits until all is gone.
    pub(super) fn clear(&self) -> Result<()> {
        self.services(&["clear", "0", "--connections", CONNECTIONS]).map(drop)
    }

    /// Starts a contender; a plain writer has nothing to start.
    pub(super) fn start(&self, contender: &Contender) -> Result<Option<Started<'_>>> {
        Ok(match contender {
            Contender::Plain => None,
            Contender::Ours => Some(Started::Ours(Box::new(self.installed.start_controller(&self.cluster, 1, &[])?))),
            Contender::Peer(script) => {
                let pid = call(script, "start", self.script(script))?;
                let pid = pid.parse().with_context(|| format!("{} said {pid:?}, no process id", script.display()))?;
                Some(Started::Peer { bed: self, script: script.clone(), pid })
            }
        })
    }

    fn script(&self, script: &std::path::Path) -> Command {
        let mut command = self.cluster.control_plane().command(script);
        command.env("KUBECONFIG", self.cluster.admin_kubeconfig());
        command.env("BENCH_KUBECTL", self.cluster.kubectl_program());
        command.env("BENCH_DIRECTORY", self.cluster.segment().lab.directory());
        command
    }

    /// The speakers' process ids.
    pub(super) fn speakers(&self) -> Result<Vec<u32>> {
        self.speakers.iter().map(|speaker| speaker.pid()).collect()
    }

    /// Waits until nobody writes any more: what belongs to the addresses but is not urgent has its time.
    pub(super) fn settle(&self) -> Result<()> {
        let mut before = self.writes()?;
        eventually(SETTLED, "the API server is no longer written to", || {
            // Two looks at the same counters need some time between them.
            std::thread::sleep(LOOK);
            let now = self.writes()?;
            ensure!(std::mem::replace(&mut before, now) == now, "{now} writes and counting");
            Ok(())
        })
    }

    /// Objects that were written to the API server since it began, without leases.
    pub(super) fn writes(&self) -> Result<f64> {
        let text = self.cluster.kubectl(&["get", "--raw", "/metrics"])?;
        Ok(text.lines().filter_map(written).sum())
    }
}

/// The number in a line of the API server's metrics that counts writes.
fn written(line: &str) -> Option<f64> {
    let labels = line.strip_prefix("apiserver_request_total{")?;
    let (labels, number) = labels.rsplit_once("} ")?;
    let has = |label: &str| labels.contains(label);
    let writes = ["POST", "PUT", "PATCH", "APPLY"].iter().any(|verb| has(&format!("verb=\"{verb}\"")));
    let answered = has("code=\"200\"") || has("code=\"201\"");
    let other = ["leases", "selfsubjectaccessreviews", "subjectaccessreviews", "tokenreviews", "serviceaccounts"];
    let other = other.iter().any(|resource| has(&format!("resource=\"{resource}\"")));
    if writes && answered && !other { number.trim().parse().ok() } else { None }
}

/// A contender at work. Dropping it ends it.
pub(super) enum Started<'a> {
    /// Our controller.
    Ours(Box<Controller>),
    /// Another one.
    Peer { bed: &'a Bed, script: std::path::PathBuf, pid: u32 },
}

impl Started<'_> {
    /// Its process id.
    pub(super) fn pid(&self) -> Result<u32> {
        match self {
            Self::Ours(daemon) => daemon.pid(),
            Self::Peer { pid, .. } => Ok(*pid),
        }
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let ended = match self {
            Self::Ours(daemon) => daemon.terminate(),
            Self::Peer { bed, script, .. } => call(script, "stop", bed.script(script)).map(drop),
        };
        if let Err(error) = ended {
            ui::warn(format_args!("end the contender: {error:#}"));
        }
    }
}

/// A watcher that waits for addresses.
pub(super) struct Watch {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Watch {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line).context("read what the watcher says")?;
        Ok(line.trim().to_owned())
    }

    /// Waits until all addresses are there.
    pub(super) fn end(mut self) -> Result<Outcome> {
        let line = self.line()?;
        if line.is_empty() {
            bail!("the watcher ended without a word; what it complained of is above");
        }
        serde_json::from_str(&line).with_context(|| format!("understand what the watcher said: {line}"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It has ended by itself, or nobody waits for it any more.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answered_writes_count() {
        let line = |verb: &str, resource: &str, code: &str| {
            format!(
                "apiserver_request_total{{code=\"{code}\",group=\"\",resource=\"{resource}\",scope=\"resource\",verb=\"{verb}\"}} 12"
            )
        };
        assert_eq!(written(&line("PATCH", "services", "200")), Some(12.0));
        assert_eq!(written(&line("POST", "announcements", "201")), Some(12.0));
        for other in [line("GET", "services", "200"), line("PUT", "leases", "200"), line("PATCH", "services", "409")] {
            assert_eq!(written(&other), None, "{other}");
        }
        assert_eq!(written("apiserver_request_duration_seconds_count{} 5"), None);
    }
}
