//! `BFDProfile`: MetalLB behaviours 1.6, 3.2, 42.

use anyhow::ensure;
use serde_json::Value;
use xtask::lab::{
    cluster::{Cluster, NAMESPACE},
    eventually,
};

use super::{Ask, Bed, SOON, Table, Wanted, ask};

pub(super) const TABLE: Table = Table {
    kind: "BFDProfile",
    plural: "bfdprofiles",
    version: "v1beta1",
    there: "
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {name: quick, namespace: metallb-system}
spec: {receiveInterval: 50}
",
    accepts: &[
        ("no spec", "", ""),
        ("an empty spec", "spec: {}", "{}"),
        ("nulls", "spec: {receiveInterval: null, echoMode: null}", "{}"),
        (
            "the least",
            "spec: {receiveInterval: 10, transmitInterval: 10, echoInterval: 10, detectMultiplier: 2, minimumTtl: 1}",
            "",
        ),
        (
            "the most",
            "spec: {receiveInterval: 60000, transmitInterval: 60000, echoInterval: 60000, detectMultiplier: 255, minimumTtl: 254}",
            "",
        ),
        ("modes", "spec: {echoMode: true, passiveMode: true}", "{echoMode: true, passiveMode: true}"),
    ],
    warns: &[],
    rejects: &[
        ("too often received", "spec: {receiveInterval: 9}", &["spec.receiveInterval", "greater than or equal to 10"]),
        (
            "too rarely received",
            "spec: {receiveInterval: 60001}",
            &["spec.receiveInterval", "less than or equal to 60000"],
        ),
        ("too often sent", "spec: {transmitInterval: 9}", &["spec.transmitInterval", "greater than or equal to 10"]),
        (
            "too rarely sent",
            "spec: {transmitInterval: 60001}",
            &["spec.transmitInterval", "less than or equal to 60000"],
        ),
        ("too many echoes", "spec: {echoInterval: 9}", &["spec.echoInterval", "greater than or equal to 10"]),
        ("too few echoes", "spec: {echoInterval: 60001}", &["spec.echoInterval", "less than or equal to 60000"]),
        ("one packet", "spec: {detectMultiplier: 1}", &["spec.detectMultiplier", "greater than or equal to 2"]),
        ("too many packets", "spec: {detectMultiplier: 256}", &["spec.detectMultiplier", "less than or equal to 255"]),
        ("no hop", "spec: {minimumTtl: 0}", &["spec.minimumTtl", "greater than or equal to 1"]),
        ("a hop too many", "spec: {minimumTtl: 255}", &["spec.minimumTtl", "less than or equal to 254"]),
        ("text for a number", "spec: {receiveInterval: 50ms}", &["spec.receiveInterval", "integer"]),
        ("text for a boolean", "spec: {echoMode: 'on'}", &["spec.echoMode", "boolean"]),
    ],
    changes: &[
        ("another interval", "quick", "spec: {receiveInterval: 20}", &[]),
        ("an interval too short", "quick", "spec: {receiveInterval: 5}", &["greater than or equal to 10"]),
    ],
};

const PEER: &str = "
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {name: used, namespace: metallb-system}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: tor, namespace: metallb-system}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, bfdProfile: used}
";

pub(super) fn point_42_a_bfd_profile_in_use_cannot_be_deleted(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    bed.make(PEER);
    let path = format!("/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/bfdprofiles/used?dryRun=All");
    let delete = Ask { method: "DELETE", path, body: Value::Null };
    let words = &["is used by BGPPeer metallb-system/tor", "take it out of spec.bfdProfile there before you delete it"];
    eventually(SOON, "the profile to be known to be used", || {
        Wanted::Refused(words).judge(&ask(cluster, &[&delete])?.remove(0))
    })
    .unwrap();
    cluster.kubectl(&["delete", "bgppeer", "tor", "--namespace", NAMESPACE]).unwrap();
    eventually(SOON, "the profile to be known to be free", || {
        let reply = ask(bed.cluster, &[&delete])?.remove(0);
        ensure!(reply.code == 200, "{reply:?}");
        Ok(())
    })
    .unwrap();
}
