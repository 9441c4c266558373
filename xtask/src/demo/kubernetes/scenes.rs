//! The scenes, in order.

use std::{net::IpAddr, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::super::stage::{print_output, show};
use crate::{
    image::Wanted,
    lab::{
        cluster::{Account, Cluster, Endpoint, NAMESPACE, Requests, http},
        eventually,
    },
    manifests, ui,
};

/// Limit for things that take seconds, with room for a busy machine.
const SOON: Duration = Duration::from_secs(120);
/// Requests a second while the owner dies.
const RATE: u32 = 50;

/// What a user writes: the first two are MetalLB's, unchanged.
const OBJECTS: [(&str, &str); 3] = [
    (
        "pool.yaml",
        "apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: demo, namespace: metallb-system}
spec:
  addresses: [192.0.2.100-192.0.2.109]
",
    ),
    (
        "advertisement.yaml",
        "apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: demo, namespace: metallb-system}
spec:
  ipAddressPools: [demo]
",
    ),
    (
        "service.yaml",
        "apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  ports: [{port: 80, targetPort: 8080}]
",
    ),
];

/// Plays all scenes.
pub(super) fn play(cluster: &Cluster, image: &Wanted) -> Result<()> {
    let stage = Stage { cluster };
    stage.install(image)?;
    let address = stage.service()?;
    stage.request(address)?;
    let owner = stage.owner(address)?;
    stage.update(address)?;
    stage.death(address, &owner)
}

fn explain(text: &str) {
    text.lines().for_each(|line| ui::say(format_args!("   {}", line.trim())));
}

struct Stage<'a> {
    cluster: &'a Cluster,
}

impl Stage<'_> {
    /// Shows a kubectl command, as one would type it, and its output, which must contain `wanted`.
    fn kubectl(&self, arguments: &[&str], wanted: &str) -> Result<String> {
        let command = self.cluster.kubectl_command(self.cluster.admin_kubeconfig(), arguments);
        let typed: Vec<&str> = arguments.to_vec();
        ui::say(format_args!("   $ kubectl {}", typed.join(" ")));
        show_output(command, wanted)
    }

    fn install(&self, image: &Wanted) -> Result<()> {
        self.kubectl(&["get", "nodes"], "Ready")?;
        ui::heading("kubectl apply -k manifests/");
        explain("The image is one archive with two programs; nodes without internet import it:");
        ui::say(format_args!("   every node$ ctr --namespace k8s.io images import {}", image.archive.display()));
        self.cluster.import(&image.archive)?;
        let folder = manifests::folder();
        let apply = ["apply", "-k", &folder.to_string_lossy()];
        ui::say("   $ kubectl apply -k manifests/");
        show_output(self.cluster.kubectl_command(self.cluster.admin_kubeconfig(), &apply), "daemonset.apps/speaker")?;
        for part in ["deployment/controller", "daemonset/speaker"] {
            self.cluster.wait_rollout(part)?;
        }
        self.kubectl(&["get", "pods", "--namespace", NAMESPACE, "--output", "wide"], "Running")?;
        self.kubectl(&["get", "speakers"], "node-a").map(drop)
    }

    fn service(&self) -> Result<IpAddr> {
        ui::heading("A pool, an advertisement and a Service");
        for (file, text) in OBJECTS {
            ui::say(format_args!("   $ kubectl apply -f - <<EOF     # {file}"));
            text.lines().for_each(|line| ui::say(format_args!("     {line}")));
            ui::say("   EOF");
            self.cluster.apply(text)?;
        }
        explain("Its endpoints are a small HTTP server on every node, which answers with the node's name.");
        let nodes: Vec<Endpoint<'_>> =
            self.cluster.segment().nodes.iter().map(|node| Endpoint::ready(&node.name)).collect();
        self.cluster.endpoints("default", "web", &nodes)?;
        let address = eventually(SOON, "the Service to have an address", || {
            let service = self.cluster.get(&["service", "web"])?;
            let ingress = &service["status"]["loadBalancer"]["ingress"][0]["ip"];
            Ok(ingress.as_str().with_context(|| format!("its status is {}", service["status"]))?.parse::<IpAddr>()?)
        })?;
        self.kubectl(&["get", "service", "web"], &address.to_string())?;
        Ok(address)
    }

    fn request(&self, address: IpAddr) -> Result<()> {
        ui::heading("A client asks");
        let client = &self.cluster.segment().client.namespace;
        eventually(SOON, "an answer", || http::get(client, address, 80))?;
        let mut curl = client.command("curl");
        curl.args(["--silent", "--show-error", "--max-time", "5", &http::url(address, 80)]);
        ui::say(format_args!("   client$ curl http://{address}/"));
        show_output(curl, "node-")?;
        explain(
            "kube-proxy chose that backend. Who has the address is another question, and its answer is in the kernel:",
        );
        Ok(())
    }

    /// Shows who owns the address; returns its name.
    fn owner(&self, address: IpAddr) -> Result<String> {
        let owner = eventually(SOON, "an owner", || {
            self.owner_of(address)?.with_context(|| format!("nobody says that it owns {address}"))
        })?;
        self.kubectl(&["get", "announcements"], &owner)?;
        let mut arping = self.cluster.segment().client.namespace.command("arping");
        arping.args(["-I", "eth0", "-c", "1", "-w", "3", &address.to_string()]);
        show("client", arping, &self.cluster.node(&owner)?.mac)?;
        let mut dump = self.cluster.on_node(&owner, "bpftool")?;
        dump.args(["map", "dump", "pinned", "/sys/fs/bpf/arpeggio/v2/VIPS4"]);
        ui::say(format_args!("   {owner}$ bpftool map dump pinned /sys/fs/bpf/arpeggio/v2/VIPS4"));
        show_output(dump, "\"action\": 1")?;
        Ok(owner)
    }

    fn owner_of(&self, address: IpAddr) -> Result<Option<String>> {
        let name = address.to_string();
        let announcement: Value = self.cluster.get(&["announcement", &name])?;
        Ok(announcement["status"]["owner"].as_str().map(str::to_owned))
    }

    fn asking(&self, address: IpAddr) -> Result<Requests> {
        ui::say(format_args!("   client$ curl http://{address}/     # {RATE} times a second from here on"));
        Requests::start(&self.cluster.segment().client.namespace, address, 80, RATE)
    }

    fn update(&self, address: IpAddr) -> Result<()> {
        ui::heading("Every speaker is replaced while the client asks");
        let requests = self.asking(address)?;
        self.kubectl(&["rollout", "restart", "daemonset/speaker", "--namespace", NAMESPACE], "restarted")?;
        self.cluster.wait_rollout("daemonset/speaker")?;
        self.kubectl(&["get", "pods", "--namespace", NAMESPACE], "Running")?;
        let account = requests.stop()?;
        tell(&account);
        account.expect_complete()?;
        explain("Program, maps and links are pinned on the node: its kernel answers whether the pod is there or not.");
        Ok(())
    }

    fn death(&self, address: IpAddr, owner: &str) -> Result<()> {
        ui::heading(format_args!("{owner} dies while the client asks"));
        explain("The backend on it goes out of the Service before, so that what is seen is the address alone.");
        let nodes = &self.cluster.segment().nodes;
        let others: Vec<Endpoint<'_>> =
            nodes.iter().filter(|node| node.name != owner).map(|node| Endpoint::ready(&node.name)).collect();
        self.cluster.endpoints("default", "web", &others)?;
        let client = &self.cluster.segment().client.namespace;
        eventually(SOON, "kube-proxy to know", || {
            // Ten in a row: a third of them would go to the node that is about to die.
            (0..10).try_for_each(|_| {
                let answer = http::get(client, address, 80)?;
                ensure!(answer.node != owner, "{owner} still answers");
                Ok(())
            })
        })?;
        let requests = self.asking(address)?;
        let cut = self.cluster.segment().cut(self.cluster.node(owner)?)?;
        ui::say(format_args!("   {owner} has lost its network"));
        let heir = eventually(SOON, "another owner", || {
            let now = self.owner_of(address)?.with_context(|| format!("nobody says that it owns {address}"))?;
            ensure!(now != owner, "the API still says {owner}");
            Ok(now)
        })?;
        self.kubectl(&["get", "announcements"], &heir)?;
        let account = requests.stop()?;
        tell(&account);
        ensure!(account.lost == 0, "every request should be answered, if late: {account:?}");
        let mut arping = self.cluster.segment().client.namespace.command("arping");
        arping.args(["-I", "eth0", "-c", "1", "-w", "3", &address.to_string()]);
        show("client", arping, &self.cluster.node(&heir)?.mac)?;
        explain(&format!(
            "{heir} found three heartbeats unanswered and claimed the address; requests under way were repeated by TCP.
             Neither the API server nor the controller had a part in that: they were told."
        ));
        cut.heal()
    }
}

fn tell(account: &Account) {
    ui::say(format_args!(
        "     sent {}, answered {}, lost {}; the longest time without an answer was {} ms",
        account.sent,
        account.answered,
        account.lost,
        account.longest_gap.as_millis()
    ));
}

/// Runs a command whose line has been shown, shows its output, and checks that `wanted` is part of it.
fn show_output(mut command: Command, wanted: &str) -> Result<String> {
    let (printed, output) = print_output(&mut command)?;
    let report = crate::sh::report(&command, &output);
    ensure!(output.status.success() && printed.contains(wanted), "the output should contain {wanted}: {report}");
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::cluster::backend;

    #[test]
    fn the_service_leads_to_the_backends() {
        assert!(OBJECTS[2].1.contains(&format!("targetPort: {}", backend::PORT)));
    }

    #[test]
    fn output_without_what_it_should_hold_is_an_error() {
        let echo = |text: &str| {
            let mut command = Command::new("echo");
            command.arg(text);
            command
        };
        assert_eq!(show_output(echo("node-a"), "node-").unwrap(), "node-a\n");
        assert!(show_output(echo("nobody"), "node-").is_err());
    }
}
