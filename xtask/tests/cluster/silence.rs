//! Where nobody answers, everybody who looks is told why: in the Announcement, the Service, an event and `explain`.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::lab::{
    clients,
    cluster::{Cluster, Endpoint, NAMESPACE},
    eventually,
};

use super::{
    bed::{Bed, NODES, SOON, name},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] =
    &[("why_nobody_answers_is_told_wherever_one_looks", why_nobody_answers_is_told_wherever_one_looks)];

/// Two seconds are promised; the rest is for a busy machine.
const TOLD: Duration = Duration::from_secs(10);
const LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// What keeps everybody from answering.
struct Cause {
    begin: fn(&Bed<'_>),
    end: fn(&Bed<'_>),
    reason: &'static str,
    words: &'static [&'static str],
    /// Leases have to end before anybody can know.
    patience: Duration,
    /// Speakers run that can be asked.
    explained: bool,
}

const CAUSES: &[Cause] = &[
    Cause {
        begin: |bed| label(bed, "="),
        end: |bed| label(bed, "-"),
        reason: "NoEligibleNode",
        words: &[LABEL, "node-a, node-b, node-c"],
        patience: TOLD,
        explained: true,
    },
    Cause {
        begin: |bed| advertise(bed, r#"[{"matchLabels": {"rack": "nowhere"}}]"#),
        end: |bed| advertise(bed, "null"),
        reason: "NoEligibleNode",
        words: &["L2Advertisements e2e select no node", "nodeSelectors"],
        patience: TOLD,
        explained: true,
    },
    Cause {
        begin: |bed| bed.cluster.endpoints("default", "e2e", &[]).unwrap(),
        end: |bed| bed.cluster.endpoints("default", "e2e", &NODES.map(Endpoint::ready)).unwrap(),
        reason: "NoEndpoints",
        words: &["Service default/e2e has no endpoint"],
        patience: TOLD,
        explained: true,
    },
    Cause {
        begin: |bed| bed.speakers.iter().for_each(|speaker| speaker.terminate().unwrap()),
        end: |bed| bed.speakers.iter().for_each(|speaker| speaker.restart().unwrap()),
        reason: "NoLiveSpeaker",
        words: &["the speakers on node-a, node-b, node-c are not alive"],
        patience: SOON,
        explained: false,
    },
];

fn label(bed: &Bed<'_>, value: &str) {
    bed.cluster.kubectl(&["label", "nodes", "--all", &format!("{LABEL}{value}")]).unwrap();
}

/// Takes the label from all nodes, whatever happened: others come after.
struct Unlabelled<'a>(&'a Cluster);

impl Drop for Unlabelled<'_> {
    fn drop(&mut self) {
        let _unlabelled = self.0.kubectl(&["label", "nodes", "--all", &format!("{LABEL}-")]);
    }
}

fn advertise(bed: &Bed<'_>, selectors: &str) {
    let patch = format!(r#"{{"spec": {{"nodeSelectors": {selectors}}}}}"#);
    let object = ["patch", "l2advertisement", "e2e", "--namespace", NAMESPACE];
    bed.cluster.kubectl(&[&object[..], &["--type=merge", "-p", &patch]].concat()).unwrap();
}

/// Status, reason and message of a condition.
fn condition(object: &Value, kind: &str) -> Result<[String; 3]> {
    let all = object["status"]["conditions"].as_array().context("no conditions")?;
    let found = all.iter().find(|condition| condition["type"] == kind).with_context(|| format!("{all:?}"))?;
    Ok(["status", "reason", "message"].map(|field| found[field].as_str().unwrap_or_default().to_owned()))
}

impl Cause {
    fn has_words(&self, text: &str) -> bool {
        self.words.iter().all(|word| text.contains(word))
    }

    /// The condition says no, for this reason.
    fn is_given(&self, object: &Value, kind: &str) -> Result<()> {
        let [status, reason, message] = condition(object, kind)?;
        ensure!(status == "False" && reason == self.reason && self.has_words(&message), "{status} {reason}: {message}");
        Ok(())
    }

    fn is_told(&self, bed: &Bed<'_>, address: IpAddr) -> Result<()> {
        let announcement = bed.cluster.get(&["announcement", &name(address)])?;
        self.is_given(&announcement, "Announced")?;
        ensure!(announcement["status"]["owner"].is_null(), "{}", announcement["status"]);
        self.is_given(&bed.cluster.get(&["service", "e2e"])?, "arpeggio.io/Announced")?;
        let events = bed.cluster.get(&["events", "--field-selector", "reason=announceFailed"])?;
        let told = |event: &Value| {
            event["involvedObject"]["name"] == "e2e"
                && event["message"].as_str().is_some_and(|text| self.has_words(text))
        };
        ensure!(events["items"].as_array().is_some_and(|all| all.iter().any(told)), "no event: {events}");
        let statuses = bed.cluster.get(&["servicel2statuses", "--namespace", NAMESPACE])?;
        ensure!(statuses["items"].as_array().is_some_and(Vec::is_empty), "{statuses}");
        Ok(())
    }

    fn is_explained(&self, bed: &Bed<'_>, address: IpAddr) -> Result<()> {
        let output = bed.speaker("node-a").cli(&["explain", &address.to_string()]).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(self.has_words(&text), "{text}");
        Ok(())
    }
}

fn why_nobody_answers_is_told_wherever_one_looks(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let _labels = Unlabelled(cluster);
    let addresses = bed.addresses();
    for cause in CAUSES {
        addresses.iter().for_each(|address| _ = bed.owner(*address, ""));
        bed.settled();
        (cause.begin)(&bed);
        let told = || addresses.iter().try_for_each(|address| cause.is_told(&bed, *address));
        eventually(cause.patience, &format!("{} to be told", cause.reason), told).unwrap();
        let silent = || {
            let client = &cluster.segment().client;
            addresses.iter().try_for_each(|address| clients::expect_silence(client, *address))
        };
        eventually(SOON, "nobody to answer", silent).unwrap();
        if cause.explained {
            let explained = || addresses.iter().try_for_each(|address| cause.is_explained(&bed, *address));
            eventually(SOON, &format!("{} to be explained", cause.reason), explained).unwrap();
            // Nobody who answered says so again.
            bed.settled();
            told().unwrap();
        }
        let table = cluster.kubectl(&["get", "announcements", "-o", "wide"]).unwrap();
        assert!(table.contains(cause.reason) && !table.contains(['{', '[']), "{table}");
        (cause.end)(&bed);
    }
    addresses.iter().for_each(|address| _ = bed.owner(*address, ""));
    eventually(SOON, "the Service to say that it is announced", || {
        let [status, ..] = condition(&cluster.get(&["service", "e2e"])?, "arpeggio.io/Announced")?;
        ensure!(status == "True", "{status}");
        Ok(())
    })
    .unwrap();
}
