//! `BGPPeer`: MetalLB behaviours 1.3, 3.2, 33, 34, 36, 40; and its two versions.

use anyhow::ensure;
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, NAMESPACE},
    eventually,
};

use super::{Ask, Bed, SOON, Table, ask};

pub(super) const TABLE: Table = Table {
    kind: "BGPPeer",
    plural: "bgppeers",
    version: "v1beta2",
    there: "
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {name: quick, namespace: metallb-system}
spec: {receiveInterval: 50}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: tor-a, namespace: metallb-system}
spec:
  myASN: 64512
  peerASN: 64513
  peerAddress: 192.0.2.251
  routerID: 192.0.2.1
  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: unnumbered-a, namespace: metallb-system}
spec:
  myASN: 64512
  dynamicASN: external
  interface: eth7
  routerID: 192.0.2.1
  enableGracefulRestart: true
  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]
",
    // Every node but node-a is free of peers: what is about one object alone is tried there.
    accepts: &[
        (
            "what is left out is filled in",
            "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}",
            "{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, peerPort: 179, disableMP: false, dualStackAddressFamily: false,
             nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}",
        ),
        (
            "nulls are the same as left out",
            "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, peerPort: null, holdTime: null, passwordSecret: null, bfdProfile: null,
             nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}",
            "{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, peerPort: 179, disableMP: false, dualStackAddressFamily: false,
             nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}",
        ),
        ("numbers of four bytes", "spec: {myASN: 4294967295, peerASN: 4200000000, peerAddress: 192.0.2.254, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 33: internal peers by their kind", "spec: {myASN: 64512, dynamicASN: internal, peerAddress: 192.0.2.254, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 33: unnumbered", "spec: {myASN: 64512, dynamicASN: external, interface: eth1, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 33: a Secret that is not there yet", "spec: {myASN: 64512, peerASN: 64513, peerAddress: '2001:db8::254', passwordSecret: {name: later}, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 33: a password", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, password: secret, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 34: timers off", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, holdTime: 0s, keepaliveTime: 0s, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 34: the shortest hold time", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, holdTime: 3s, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 34: one timer gives the other", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, keepaliveTime: 30s, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 34: both, as Go writes them", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, holdTime: 1m30s, keepaliveTime: 0h0m30s, connectTime: 1m, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("iBGP, and eBGP over hops", "spec: {myASN: 64512, peerASN: 64512, peerAddress: 192.0.2.254, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("eBGP over hops", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.1, ebgpMultiHop: true, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("everything else", "spec: {myASN: 64512, peerASN: 64513, localASN: 64600, peerAddress: 192.0.2.254, sourceAddress: 192.0.2.9, peerPort: 1179, vrf: red, bfdProfile: quick, enableGracefulRestart: true, dualStackAddressFamily: true, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 40: the same router on another node", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.251, routerID: 192.0.2.2, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", ""),
        ("point 40: the same router in another VRF", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.251, routerID: 192.0.2.1, vrf: red, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]}", ""),
        ("point 40: another number in another VRF", "spec: {myASN: 64999, peerASN: 64513, peerAddress: 192.0.2.250, routerID: 192.0.2.1, vrf: red, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]}", ""),
        ("point 40: another router for the same node", "spec: {myASN: 64512, peerASN: 64514, peerAddress: 192.0.2.250, routerID: 192.0.2.1, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]}", ""),
    ],
    warns: &[
        ("point 36: a BFD profile that is not there yet", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, bfdProfile: later, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", &["spec.bfdProfile", "later", "names no BFDProfile that is in force"]),
        ("disableMP does nothing", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, disableMP: true, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", &["spec.disableMP has no effect"]),
        ("a Secret elsewhere", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, passwordSecret: {name: a, namespace: default}, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}", &["spec.passwordSecret.namespace is not used"]),
        ("the old version is old", "{apiVersion: metallb.io/v1beta1, spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}}", &["v1beta1 BGPPeer is old"]),
    ],
    rejects: &[
        ("no spec", "", &["spec"]),
        ("no number", "spec: {peerASN: 1, peerAddress: 192.0.2.254}", &["spec.myASN: Required value"]),
        ("number 0", "spec: {myASN: 0, peerASN: 1, peerAddress: 192.0.2.254}", &["spec.myASN \"0\" is not the number of an autonomous system"]),
        ("a number of five bytes", "spec: {myASN: 4294967296, peerASN: 1, peerAddress: 192.0.2.254}", &["less than or equal to 4294967295"]),
        ("a negative number", "spec: {myASN: -1, peerASN: 1, peerAddress: 192.0.2.254}", &["greater than or equal to 0"]),
        ("localASN 0", "spec: {myASN: 1, peerASN: 2, localASN: 0, peerAddress: 192.0.2.254}", &["greater than or equal to 1"]),
        ("point 33: neither number nor kind of the peer", "spec: {myASN: 1, peerAddress: 192.0.2.254}", &["spec.peerASN", "is missing, and dynamicASN too"]),
        ("point 33: both", "spec: {myASN: 1, peerASN: 2, dynamicASN: external, peerAddress: 192.0.2.254}", &["stands beside dynamicASN external"]),
        ("point 33: no kind", "spec: {myASN: 1, dynamicASN: any, peerAddress: 192.0.2.254}", &["Unsupported value"]),
        ("point 33: neither address nor interface", "spec: {myASN: 1, peerASN: 2}", &["spec.peerAddress", "is missing, and interface too"]),
        ("point 33: both", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, interface: eth0}", &["stands beside interface eth0"]),
        ("point 33: password and Secret", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, password: a, passwordSecret: {name: b}}", &["spec.password", "stands beside passwordSecret b"]),
        ("point 33: a password that no kernel takes", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, password: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}", &["is too long", "80 bytes"]),
        ("eBGP over hops to oneself", "spec: {myASN: 1, peerASN: 1, peerAddress: 192.0.2.254, ebgpMultiHop: true}", &["spec.ebgpMultiHop", "is for eBGP"]),
        ("no address", "spec: {myASN: 1, peerASN: 2, peerAddress: router}", &["spec.peerAddress \"router\" is not an IP address"]),
        ("no source", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, sourceAddress: 192.0.2.0/24}", &["spec.sourceAddress", "is not an IP address"]),
        ("no router id", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, routerID: first}", &["spec.routerID", "is not an IP address"]),
        ("a router id of IPv6", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, routerID: '2001:db8::1'}", &["cannot identify a router"]),
        ("port 0", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, peerPort: 0}", &["greater than or equal to 1"]),
        ("a high port", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, peerPort: 16385}", &["less than or equal to 16384"]),
        ("point 34: a hold time of a second", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, holdTime: 1s}", &["makes the hold time 1s", "0s or from 3s"]),
        ("point 34: a hold time just below three", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, holdTime: 2999ms}", &["makes the hold time 2s"]),
        ("point 34: keepalive longer than hold", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, holdTime: 30s, keepaliveTime: 31s}", &["spec.keepaliveTime \"31s\" is longer than holdTime 30s"]),
        ("point 34: a hold time of 17 bits", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, holdTime: 65536s}", &["from 3s to 65535s"]),
        ("no time", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, holdTime: soon}", &["spec.holdTime \"soon\" is not a time"]),
        ("a negative time", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, keepaliveTime: -3s}", &["spec.keepaliveTime"]),
        ("half a second to connect", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, connectTime: 500ms}", &["whole number of seconds"]),
        ("no time to connect", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, connectTime: 0s}", &["from 1s to 65535s"]),
        ("point 39: a selector twice", "spec: {myASN: 1, peerASN: 2, peerAddress: 192.0.2.254, nodeSelectors: [{matchLabels: {a: b}}, {matchLabels: {a: b}}]}", &["spec.nodeSelectors[1] \"a=b\" repeats"]),
        ("point 40: the same router on the same node", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.251, routerID: 192.0.2.1}", &["spec.peerAddress \"192.0.2.251\" already exists: it is that of BGPPeer metallb-system/tor-a too"]),
        ("point 40: another port makes no difference", "spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.251, peerPort: 1179, routerID: 192.0.2.1}", &["another port makes no difference"]),
        ("point 40: the same interface", "spec: {myASN: 64512, dynamicASN: internal, interface: eth7, routerID: 192.0.2.1}", &["spec.interface \"eth7\" already exists: it is that of BGPPeer metallb-system/unnumbered-a too"]),
        ("point 40: another router id", "spec: {myASN: 64512, peerASN: 64514, peerAddress: 192.0.2.250, routerID: 192.0.2.9}", &["spec.routerID \"192.0.2.9\" differs from 192.0.2.1"]),
        ("point 40: no router id", "spec: {myASN: 64512, peerASN: 64514, peerAddress: 192.0.2.250}", &["spec.routerID", "differs from 192.0.2.1"]),
        ("point 40: another number", "spec: {myASN: 64999, peerASN: 64514, peerAddress: 192.0.2.250, routerID: 192.0.2.1}", &["spec.myASN \"64999\" differs from 64512"]),
        ("in the old version: no number of the peer", "{apiVersion: metallb.io/v1beta1, spec: {myASN: 1, peerAddress: 192.0.2.254}}", &["spec.peerASN: Required value"]),
        ("in the old version: no address", "{apiVersion: metallb.io/v1beta1, spec: {myASN: 1, peerASN: 2}}", &["spec.peerAddress: Required value"]),
        ("in the old version: our rules", "{apiVersion: metallb.io/v1beta1, spec: {myASN: 1, peerASN: 2, peerAddress: router}}", &["spec.peerAddress \"router\" is not an IP address"]),
    ],
    changes: &[
        ("graceful restart cannot be changed", "unnumbered-a", "spec: {enableGracefulRestart: false}", &["enableGracefulRestart cannot be changed"]),
        ("a timer", "tor-a", "spec: {holdTime: 9s}", &[]),
        ("a bad timer", "tor-a", "spec: {holdTime: 2s}", &["makes the hold time 2s"]),
        ("to another node", "tor-a", "spec: {nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-c}}]}", &[]),
        ("a router id that its neighbour does not have", "tor-a", "spec: {routerID: 192.0.2.3}", &["spec.routerID", "unnumbered-a"]),
    ],
};

/// What both versions have is the same in both; what the old one cannot say outlives an edit in it.
pub(super) fn peers_are_the_same_in_both_versions(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let path = |version: &str, rest: &str| format!("/apis/metallb.io/{version}/namespaces/{NAMESPACE}/bgppeers{rest}");
    let send = |method: &'static str, path: String, body: Value| {
        let asked = Ask { method, path, body };
        eventually(SOON, "an answer in the other version", || {
            let reply = ask(bed.cluster, &[&asked])?.remove(0);
            ensure!((200..300).contains(&reply.code), "{reply:?}");
            Ok(reply.body)
        })
        .unwrap()
    };
    let object = |version: &str, spec: &Value| {
        json!({ "apiVersion": format!("metallb.io/{version}"), "kind": "BGPPeer",
            "metadata": { "name": "tor", "namespace": NAMESPACE, "labels": { "rack": "a" } }, "spec": spec })
    };
    let old = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.254", "peerPort": 1179, "holdTime": "1m30s",
        "keepaliveTime": "30s", "routerID": "192.0.2.1", "sourceAddress": "192.0.2.9", "password": "secret",
        "bfdProfile": "quick", "ebgpMultiHop": true, "nodeSelectors": [{ "matchLabels": { "rack": "a" } }] });
    send("POST", path("v1beta1", ""), object("v1beta1", &old));
    let new = send("GET", path("v1beta2", "/tor"), Value::Null);
    for (field, value) in old.as_object().unwrap() {
        assert_eq!(new["spec"][field], *value, "{field}");
    }
    // As the new version has more, which is edited there ...
    let more = json!({ "spec": { "vrf": "red", "connectTime": "5s", "dualStackAddressFamily": true, "password": null,
        "passwordSecret": { "name": "later" } } });
    send("PATCH", path("v1beta2", "/tor"), more);
    // ... the old one keeps that, invisibly, when it edits the rest.
    send("PATCH", path("v1beta1", "/tor"), json!({ "spec": { "holdTime": "9s", "keepaliveTime": "3s" } }));
    let new = send("GET", path("v1beta2", "/tor"), Value::Null);
    let spec = &new["spec"];
    assert_eq!((&spec["holdTime"], &spec["vrf"], &spec["connectTime"]), (&json!("9s"), &json!("red"), &json!("5s")));
    assert_eq!((&spec["passwordSecret"]["name"], &spec["password"]), (&json!("later"), &Value::Null));
    assert_eq!((&new["metadata"]["labels"], &new["metadata"]["annotations"]), (&json!({ "rack": "a" }), &Value::Null));
    let listed = send("GET", path("v1beta1", ""), Value::Null);
    assert_eq!(
        (&listed["items"][0]["apiVersion"], listed["items"].as_array().unwrap().len()),
        (&json!("metallb.io/v1beta1"), 1)
    );
}
