//! BGP peers that are taken and refused, rule by rule; in the words users read (MetalLB behaviour 33, 34, 39).

use serde_json::{Value, json};

use crate::{
    api::BGPPeer,
    model::{Fault, Password, Peer, Remote, RemoteAs, Timers},
};

/// The least that is taken, with `changes`; a field that is changed to `null` goes.
fn peer(changes: &Value) -> Result<Peer, Vec<Fault>> {
    let mut spec = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.254" });
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let object = json!({ "metadata": { "name": "tor", "namespace": "metallb-system" }, "spec": spec });
    serde_json::from_value::<BGPPeer>(object).unwrap().validate()
}

fn faults(changes: &Value) -> Vec<String> {
    let told = peer(changes).unwrap_err();
    told.iter()
        .map(|fault| fault.to_string().strip_prefix("BGPPeer metallb-system/tor: ").unwrap().to_owned())
        .collect()
}

#[test]
fn a_peer_with_everything_is_taken() {
    let peer = peer(&json!({
        "localASN": 65000, "sourceAddress": "192.0.2.1", "peerPort": 1179, "holdTime": "90s", "keepaliveTime": "20s",
        "connectTime": "5s", "routerID": "10.0.0.1", "nodeSelectors": [{ "matchLabels": { "rack": "1" } }],
        "passwordSecret": { "name": "bgp", "namespace": "elsewhere" }, "bfdProfile": "fast", "enableGracefulRestart": true,
        "ebgpMultiHop": true, "vrf": "red", "disableMP": true, "dualStackAddressFamily": true,
    }))
    .unwrap();
    assert_eq!((peer.my_asn, peer.remote_as, peer.local_asn), (64512, RemoteAs::Number(64513), Some(65000)));
    assert_eq!(peer.remote, Remote::Address("192.0.2.254".parse().unwrap()));
    assert_eq!((peer.port, peer.connect, peer.router_id), (1179, Some(5), Some("10.0.0.1".parse().unwrap())));
    assert_eq!(peer.timers, Some(Timers { hold: 90, keepalive: 20 }));
    assert_eq!(peer.password, Some(Password::Secret("bgp".to_owned())));
    assert_eq!((peer.bfd_profile.as_deref(), peer.vrf.as_ref().map(|vrf| vrf.as_str())), (Some("fast"), Some("red")));
    assert!(peer.graceful_restart && peer.multi_hop && peer.both_families);
    assert!(peer.covers_node(&[("rack".to_owned(), "1".to_owned())].into()) && !peer.covers_node(&[].into()));
}

#[test]
fn what_is_left_out_has_its_default() {
    let peer = peer(&json!({})).unwrap();
    assert_eq!((peer.port, peer.timers, peer.connect, peer.router_id, peer.source), (179, None, None, None, None));
    assert!(peer.covers_node(&[].into()) && !peer.multi_hop && !peer.both_families && !peer.graceful_restart);
    assert_eq!((peer.password, peer.bfd_profile, peer.vrf, peer.local_asn), (None, None, None, None));
}

#[test]
fn others_that_are_taken() {
    for changes in [
        json!({ "peerASN": 64512 }),
        json!({ "peerASN": null, "dynamicASN": "internal", "ebgpMultiHop": true }),
        json!({ "peerASN": 0, "dynamicASN": "external" }),
        json!({ "peerAddress": null, "interface": "eth1" }),
        json!({ "peerAddress": "2001:db8::1" }),
        json!({ "myASN": u32::MAX, "peerASN": 4_200_000_000u32 }),
        json!({ "localASN": 64512 }),
        json!({ "nodeSelectors": [{}] }),
        json!({ "password": "open sesame", "passwordSecret": { "name": "" } }),
    ] {
        assert!(peer(&changes).is_ok(), "{changes}: {:?}", peer(&changes));
    }
}

#[test]
fn timers_that_are_taken_and_what_is_derived() {
    for (hold, keepalive, timers) in [
        (None, None, None),
        (Some("90s"), None, Some((90, 30))),
        (None, Some("20s"), Some((60, 20))),
        (Some("90s"), Some("30s"), Some((90, 30))),
        (Some("0s"), None, Some((0, 0))),
        (None, Some("0s"), Some((0, 0))),
        (Some("0"), Some("0"), Some((0, 0))),
        (Some("3s"), None, Some((3, 1))),
        (Some("3s"), Some("3s"), Some((3, 3))),
        (Some("3.9s"), Some("1500ms"), Some((3, 1))),
        (Some("1m30s"), Some("0s"), Some((90, 0))),
        (Some("18h12m15s"), None, Some((65_535, 21_845))),
    ] {
        let peer = peer(&json!({ "holdTime": hold, "keepaliveTime": keepalive })).unwrap();
        let timers = timers.map(|(hold, keepalive)| Timers { hold, keepalive });
        assert_eq!(peer.timers, timers, "{hold:?} {keepalive:?}");
    }
}

#[test]
fn a_hold_time_below_a_second_switches_timers_off() {
    for hold in ["1ns", "900ms", "0.999s"] {
        let timers = peer(&json!({ "holdTime": hold })).unwrap().timers;
        assert_eq!(timers, Some(Timers { hold: 0, keepalive: 0 }), "{hold}");
    }
    assert_eq!(faults(&json!({ "holdTime": "1s" })).len(), 1);
}

#[test]
fn a_router_is_named_by_an_address_of_ipv4() {
    let named = |id: &str| peer(&json!({ "routerID": id })).map(|peer| peer.router_id);
    for id in ["10.0.0.1", "255.255.255.255", "::ffff:10.0.0.1"] {
        assert!(named(id).unwrap().is_some(), "{id}");
    }
    assert_eq!(named("").unwrap(), None);
    for id in ["0.0.0.0", "::", "2001:db8::1", "10.0.0", "10.0.0.01", " 10.0.0.1", "1"] {
        assert_eq!(named(id).unwrap_err().len(), 1, "{id}");
    }
}

#[test]
fn what_is_refused() {
    let hold = "; choose a hold time of 0s or from 3s to 65535s";
    for (changes, sentence) in [
        (json!({ "myASN": 0 }), "spec.myASN \"0\" is not the number of an autonomous system; use one from 1 to 4294967295".to_owned()),
        (json!({ "peerASN": null }), "spec.peerASN \"\" is missing, and dynamicASN too; set one of them".to_owned()),
        (json!({ "dynamicASN": "internal" }), "spec.peerASN \"64513\" stands beside dynamicASN internal; set only one of them".to_owned()),
        (json!({ "peerASN": null, "dynamicASN": "any" }), "spec.dynamicASN \"any\" is no kind of peer; write internal or external".to_owned()),
        (json!({ "peerAddress": null }), "spec.peerAddress \"\" is missing, and interface too; set one of them".to_owned()),
        (json!({ "interface": "eth1" }), "spec.peerAddress \"192.0.2.254\" stands beside interface eth1; set only one of them".to_owned()),
        (json!({ "peerAddress": "router" }), "spec.peerAddress \"router\" is not an IP address (invalid BGPPeer address); write one such as 192.0.2.1 or 2001:db8::1".to_owned()),
        (json!({ "sourceAddress": "192.0.2.1/24" }), "spec.sourceAddress \"192.0.2.1/24\" is not an IP address; write one such as 192.0.2.1 or 2001:db8::1".to_owned()),
        (json!({ "routerID": "2001:db8::1" }), "spec.routerID \"2001:db8::1\" cannot identify a router; use an IPv4 address other than 0.0.0.0".to_owned()),
        (json!({ "routerID": "1" }), "spec.routerID \"1\" is not an IP address; write one such as 192.0.2.1 or 2001:db8::1".to_owned()),
        (json!({ "peerASN": 64512, "ebgpMultiHop": true }), "spec.ebgpMultiHop \"true\" is for eBGP, but peerASN and myASN are both 64512; remove it; iBGP may go over several hops anyway".to_owned()),
        (json!({ "holdTime": "1s" }), format!("spec.holdTime \"1s\" makes the hold time 1s{hold}")),
        (json!({ "holdTime": "2999ms" }), format!("spec.holdTime \"2999ms\" makes the hold time 2s{hold}")),
        (json!({ "holdTime": "65536s" }), format!("spec.holdTime \"65536s\" makes the hold time 65536s{hold}")),
        (json!({ "keepaliveTime": "10h" }), format!("spec.keepaliveTime \"10h\" makes the hold time 108000s{hold}")),
        (json!({ "holdTime": "9s", "keepaliveTime": "10s" }), "spec.keepaliveTime \"10s\" is longer than holdTime 9s; make it a third of that".to_owned()),
        (json!({ "holdTime": "0s", "keepaliveTime": "1s" }), "spec.keepaliveTime \"1s\" is longer than holdTime 0s; make it a third of that".to_owned()),
        (json!({ "holdTime": "-5s" }), "spec.holdTime \"-5s\" is not a time, or a negative one; write one such as 90s or 1m30s".to_owned()),
        (json!({ "holdTime": "90" }), "spec.holdTime \"90\" is not a time, or a negative one; write one such as 90s or 1m30s".to_owned()),
        (json!({ "connectTime": "0s" }), "spec.connectTime \"0s\" is no time between attempts; use whole seconds from 1s to 65535s".to_owned()),
        (json!({ "connectTime": "1500ms" }), "spec.connectTime \"1500ms\" is no time between attempts; use whole seconds from 1s to 65535s".to_owned()),
        (json!({ "password": "a", "passwordSecret": { "name": "b" } }), "spec.password \"…\" stands beside passwordSecret b; set only one of them".to_owned()),
        (json!({ "password": "a\nb" }), "spec.password \"…\" has a line end or another control character; use characters that can be typed".to_owned()),
        (json!({ "password": "a".repeat(81) }), "spec.password \"…\" is too long; use at most 80 bytes, which is all that TCP MD5 takes".to_owned()),
        (json!({ "vrf": "far too long a name" }), "spec.vrf \"far too long a name\" cannot be the name of an interface; use 1 to 15 characters without '/', ':' and white space, as `ip link` shows it".to_owned()),
        (json!({ "nodeSelectors": [{ "matchLabels": { "a": "b" } }, { "matchLabels": { "a": "b" } }] }), "spec.nodeSelectors[1] \"a=b\" repeats spec.nodeSelectors[0]; write it once".to_owned()),
    ] {
        assert_eq!(faults(&changes), [sentence], "{changes}");
    }
}

#[test]
fn every_fault_is_told_and_no_password() {
    let told = faults(&json!({
        "myASN": 0, "dynamicASN": "internal", "interface": "eth1", "routerID": "x", "holdTime": "1s", "connectTime": "x",
        "password": "sesame", "passwordSecret": { "name": "b" },
    }));
    assert_eq!(told.len(), 7, "{told:#?}");
    assert!(!told.iter().any(|sentence| sentence.contains("sesame")), "{told:#?}");
    let taken = peer(&json!({ "password": "sesame" })).unwrap();
    assert!(!format!("{taken:?}").contains("sesame"), "{taken:?}");
}
