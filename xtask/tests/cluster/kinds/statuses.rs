//! The kinds that only report: `ServiceL2Status`, `ServiceBGPStatus`, `ConfigurationState` (MetalLB behaviours 1.7 to 1.9). Nobody but
//! their authors writes them; the definitions hold what MetalLB's do.

use anyhow::Context as _;
use serde_json::{Value, json};
use xtask::lab::cluster::{Cluster, NAMESPACE};

use super::{Ask, Wanted, ask};

const THERE: &str = "
apiVersion: metallb.io/v1beta1
kind: ServiceL2Status
metadata: {name: l2-kinds, namespace: metallb-system}
---
apiVersion: metallb.io/v1beta1
kind: ServiceBGPStatus
metadata: {name: bgp-kinds, namespace: metallb-system}
---
apiVersion: metallb.io/v1beta1
kind: ConfigurationState
metadata: {name: speaker-kinds, namespace: metallb-system}
";

fn status(object: &str, status: &Value, dry: bool) -> Ask {
    let run = if dry { "?dryRun=All" } else { "" };
    let path = format!("/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/{object}/status{run}");
    Ask { method: "PATCH", path, body: json!({ "status": status }) }
}

pub(super) fn reports_keep_who_they_are_about(cluster: &Cluster) {
    cluster.install().unwrap();
    cluster.apply(THERE).unwrap();
    let (l2, bgp, state) =
        ("servicel2statuses/l2-kinds", "servicebgpstatuses/bgp-kinds", "configurationstates/speaker-kinds");
    let whose = json!({ "node": "node-a", "serviceName": "web", "serviceNamespace": "default" });
    let condition = json!({ "type": "configReconcilerValid", "status": "True", "reason": "Reconciled", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let written = [
        (status(l2, &whose, false), Wanted::Accepted("")),
        (status(bgp, &whose, false), Wanted::Accepted("")),
        (status(state, &json!({ "result": "Valid", "conditions": [condition] }), false), Wanted::Accepted("")),
    ];
    let mut asked: Vec<(Ask, Wanted)> = written.into();
    for object in [l2, bgp] {
        for field in ["node", "serviceName", "serviceNamespace"] {
            asked.push((status(object, &json!({ field: "other" }), true), Wanted::Refused(&["cannot be changed"])));
        }
    }
    let refused = |status: Ask, words| (status, Wanted::Refused(words));
    asked.extend([
        (status(l2, &json!({ "interfaces": [{ "name": "eth0" }] }), true), Wanted::Accepted("")),
        (status(l2, &json!({ "interfaces": null }), true), Wanted::Accepted("")),
        (status(bgp, &json!({ "peers": ["tor-a", "tor-b"] }), true), Wanted::Accepted("")),
        refused(status(bgp, &json!({ "peers": "tor-a" }), true), &["array"]),
        (status(state, &json!({ "result": "Invalid", "errorSummary": "one\ntwo" }), true), Wanted::Accepted("")),
        (status(state, &json!({ "result": "Unknown", "errorSummary": null }), true), Wanted::Accepted("")),
        refused(status(state, &json!({ "result": "Perhaps" }), true), &["Unsupported value"]),
        refused(status(state, &json!({ "conditions": [condition, condition] }), true), &["Duplicate value"]),
        refused(status(state, &json!({ "conditions": [{ "type": "a" }] }), true), &["Required value"]),
    ]);
    let replies = ask(cluster, &asked.iter().map(|(ask, _)| ask).collect::<Vec<_>>()).unwrap();
    for ((ask, wanted), reply) in asked.iter().zip(replies) {
        wanted.judge(&reply).with_context(|| format!("{} {}", ask.path, ask.body)).unwrap();
    }
    cluster.delete(THERE).unwrap();
}
