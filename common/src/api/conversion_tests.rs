//! There and back is the same, and whoever edits the old version loses nothing.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::api::{BGPPeer, metallb::peer_v1beta1};

fn peer(version: &str, spec: &Value) -> Value {
    json!({ "apiVersion": version, "kind": "BGPPeer", "metadata": { "name": "tor" }, "spec": spec })
}

/// The peer after a detour through the other version.
fn detour(object: &Value, through: &str) -> Value {
    let version = object["apiVersion"].as_str().unwrap();
    convert(convert(object.clone(), through).unwrap(), version).unwrap()
}

#[test]
fn what_both_have_is_copied_as_it_stands() {
    let spec = json!({
        "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.200", "sourceAddress": "192.0.2.1", "peerPort": 1179,
        "holdTime": "90s", "keepaliveTime": "1m", "routerID": "10.0.0.1", "nodeSelectors": [{ "matchLabels": { "rack": "1" } }],
        "password": "secret", "bfdProfile": "fast", "ebgpMultiHop": true,
    });
    for (from, to) in [(OLD, NEW), (NEW, OLD)] {
        assert_eq!(convert(peer(from, &spec), to).unwrap(), peer(to, &spec));
    }
}

#[test]
fn what_the_old_version_lacks_survives_an_edit_in_it() {
    let new = peer(
        NEW,
        &json!({ "myASN": 1, "dynamicASN": "external", "interface": "eth1", "connectTime": "5s", "vrf": "red" }),
    );
    let mut old = convert(new.clone(), OLD).unwrap();
    assert_eq!(old["spec"], json!({ "myASN": 1, "peerASN": 0, "peerAddress": "" }));
    let typed: peer_v1beta1::BGPPeer = serde_json::from_value(old.clone()).unwrap();
    assert_eq!((typed.spec.my_asn, typed.spec.peer_asn), (1, 0));
    old["spec"]["myASN"] = json!(2);
    let mut expected = new;
    expected["spec"]["myASN"] = json!(2);
    assert_eq!(convert(old, NEW).unwrap(), expected);
}

#[test]
fn what_is_written_in_the_old_version_wins_over_what_it_excludes() {
    let new = peer(
        NEW,
        &json!({ "myASN": 1, "dynamicASN": "external", "interface": "eth1", "passwordSecret": { "name": "bgp" }, "localASN": 7 }),
    );
    let mut old = convert(new, OLD).unwrap();
    for (field, value) in [("peerASN", json!(2)), ("peerAddress", json!("192.0.2.9")), ("password", json!("open"))] {
        old["spec"][field] = value;
    }
    let spec = json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.9", "password": "open", "localASN": 7 });
    assert_eq!(convert(old, NEW).unwrap(), peer(NEW, &spec));
}

#[test]
fn timers_that_were_never_given_do_not_become_zero() {
    let new = convert(peer(OLD, &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.9" })), NEW).unwrap();
    assert_eq!((new["spec"].get("holdTime"), new["spec"].get("keepaliveTime")), (None, None));
}

#[test]
fn broken_objects_are_converted_too() {
    for object in [
        json!({ "apiVersion": NEW, "kind": "BGPPeer" }),
        json!({ "apiVersion": NEW, "kind": "BGPPeer", "spec": "home", "metadata": 7 }),
        json!({ "apiVersion": NEW, "kind": "BGPPeer", "spec": { "vrf": 5, "peerASN": "x" }, "metadata": { "annotations": null } }),
    ] {
        assert_eq!(convert(object.clone(), OLD).unwrap()["apiVersion"], OLD, "{object}");
    }
    let torn = json!({ "apiVersion": OLD, "kind": "BGPPeer", "metadata": { "annotations": { BGP_PEER_REST: "{" } }, "spec": {} });
    assert_eq!(
        convert(torn, NEW).unwrap(),
        json!({ "apiVersion": NEW, "kind": "BGPPeer", "metadata": {}, "spec": {} })
    );
}

#[test]
fn other_kinds_and_versions_are_refused() {
    let told = |object: Value, to: &str| convert(object, to).unwrap_err().to_string();
    assert!(told(json!({ "apiVersion": OLD, "kind": "Community" }), NEW).starts_with("convert \"Community\""));
    assert!(told(json!(5), NEW).starts_with("convert \"\" of \"\""));
    assert!(told(peer(OLD, &json!({})), "metallb.io/v1").starts_with("convert a BGPPeer to \"metallb.io/v1\""));
    assert_eq!(convert(peer(OLD, &json!({ "x": 1 })), OLD).unwrap(), peer(OLD, &json!({ "x": 1 })));
}

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9.:]{0,5}"
}

fn old_spec() -> impl Strategy<Value = peer_v1beta1::BGPPeerSpec> {
    let numbers = (any::<u32>(), prop_oneof![Just(0), any::<u32>()], any::<u16>(), any::<bool>());
    (numbers, [text(), text(), text(), text(), text()], prop::option::of(text()), prop::option::of(text())).prop_map(
        |((my_asn, peer_asn, peer_port, ebgp_multi_hop), texts, hold_time, keepalive_time)| {
            let [peer_address, source_address, router_id, password, bfd_profile] = texts;
            peer_v1beta1::BGPPeerSpec {
                my_asn,
                peer_asn,
                peer_address,
                source_address,
                peer_port,
                hold_time,
                keepalive_time,
                router_id,
                password,
                bfd_profile,
                ebgp_multi_hop,
                ..Default::default()
            }
        },
    )
}

/// With whatever else the new version has; fields that exclude each other are not both there, or admission would refuse them.
fn new_object() -> impl Strategy<Value = Value> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<u32>());
    (old_spec(), [text(), text(), text(), text()], flags, prop::option::of(text())).prop_map(
        |(old, [dynamic, interface, secret, vrf], (restart, mp, dual, local), connect)| {
            let mut spec: crate::api::metallb::BGPPeerSpec =
                serde_json::from_value(serde_json::to_value(old).unwrap()).unwrap();
            spec.dynamic_asn = if spec.peer_asn == 0 { dynamic } else { String::new() };
            spec.interface = if spec.peer_address.is_empty() { interface } else { String::new() };
            spec.password_secret.name = if spec.password.is_empty() { secret } else { String::new() };
            (spec.enable_graceful_restart, spec.disable_mp, spec.dual_stack_address_family) = (restart, mp, dual);
            (spec.local_asn, spec.vrf, spec.connect_time) = (local, vrf, connect);
            serde_json::to_value(BGPPeer::new("tor", spec)).unwrap()
        },
    )
}

proptest! {
    #[test]
    fn from_the_new_version_and_back_is_the_same(object in new_object()) {
        prop_assert_eq!(&detour(&object, OLD), &object);
    }

    #[test]
    fn from_the_old_version_and_back_is_the_same(spec in old_spec()) {
        let object = serde_json::to_value(peer_v1beta1::BGPPeer::new("tor", spec)).unwrap();
        prop_assert_eq!(&detour(&object, NEW), &object);
    }

    #[test]
    fn the_old_version_can_always_be_read(object in new_object()) {
        let old = convert(object, OLD).unwrap();
        prop_assert!(serde_json::from_value::<peer_v1beta1::BGPPeer>(old).is_ok());
    }
}
