//! Points 27 and 28: who may have an address that another has.

use super::*;

fn local(service: Service, selector: &str) -> Service {
    service.with(|service| {
        service.local = true;
        service.selector = labels(selector);
    })
}

fn udp(service: Service) -> Service {
    let port = Port { protocol: Protocol::Udp, number: 80 };
    service.with(|service| service.ports = BTreeSet::from([port]))
}

#[test]
fn point_27_who_may_share_with_whom() {
    let base = || service("default/b").shares("key").ports(&[443]);
    let cluster_policy = || service("default/a").shares("key");
    let local_policy = || local(cluster_policy(), "app=web");
    let selectors_differ = base().with(|service| service.selector = labels("app=other"));
    for (number, (holder, joiner, says)) in [
        (cluster_policy(), base(), ""),
        (cluster_policy(), udp(base()), ""),
        (cluster_policy(), selectors_differ, ""),
        (local_policy(), local(base(), "app=web"), ""),
        (
            local_policy(),
            local(base(), "app=other"),
            "which shares it with Services of externalTrafficPolicy Local that select the same pods only",
        ),
        (local_policy(), base(), "which shares it with Services of externalTrafficPolicy Local only"),
        (
            cluster_policy(),
            local(base(), "app=web"),
            "which shares it with Services of externalTrafficPolicy Cluster only",
        ),
        // Endpoints made by hand: Local is Local.
        (cluster_policy(), local(base(), ""), "which shares it with Services of externalTrafficPolicy Cluster only"),
        (local(cluster_policy(), ""), local(base(), ""), ""),
        (cluster_policy(), base().ports(&[443, 80]), "and so is its port 80/TCP"),
        (cluster_policy(), base().shares("other"), "which shares it under another key"),
        (cluster_policy(), base().shares(""), "which shares it only with Services that have its sharing key"),
        (cluster_policy().shares(""), base().shares(""), "which does not share it"),
        (cluster_policy().shares(""), base(), "which does not share it"),
        (service("default/a"), base(), "which does not share it"),
    ]
    .into_iter()
    .enumerate()
    {
        // Asked for, it is the very address or none.
        let mut cluster = Cluster::new([pool("home", &["192.0.2.0/24"])]);
        cluster.apply_all([holder.clone(), joiner.clone().wants("192.0.2.0")]);
        assert_eq!(cluster.has("default/a"), "192.0.2.0", "case {number}");
        let expected = if says.is_empty() { "192.0.2.0" } else { "" };
        assert_eq!(cluster.has("default/b"), expected, "case {number}");
        if !says.is_empty() {
            let message = format!("192.0.2.0 is in use by default/a, {says}");
            assert_eq!(cluster.told("default/b"), ("AllocationFailed", &*message), "case {number}");
        }
        // Not asked for, the lowest that will do.
        cluster.change("default/b", |service| service.requests.addresses = None);
        let expected = if says.is_empty() { "192.0.2.0" } else { "192.0.2.1" };
        assert_eq!(cluster.has("default/b"), expected, "case {number}");
    }
}

#[test]
fn point_27_the_lowest_address_wins_be_it_free_or_shared() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/30"])]);
    cluster.apply_all([
        service("default/a"),
        service("default/b").shares("key"),
        service("default/c").shares("key").ports(&[443]),
        service("default/d").shares("key"),
        service("default/e").shares("key").ports(&[8080]),
    ]);
    let has = ["a", "b", "c", "d", "e"].map(|name| cluster.has(&format!("default/{name}")));
    assert_eq!(has, ["192.0.2.0", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"]);
    cluster.delete("default/a");
    cluster.apply(service("default/f").shares("key").ports(&[9090]));
    assert_eq!(cluster.has("default/f"), "192.0.2.0", "lower than those that could be shared");
    // A full pool goes on giving what can be shared.
    cluster.apply_all([service("default/g"), service("default/h").shares("key").ports(&[7070])]);
    assert_eq!((cluster.has("default/g"), cluster.has("default/h")), ("192.0.2.3".into(), "192.0.2.0".into()));
    cluster.apply(service("default/i").shares("other"));
    let message = "pool home: no free IPv4 address (4 of 4 in use, and none can be shared: \
                   192.0.2.0 is in use by default/f, which shares it under another key)";
    assert_eq!(cluster.told("default/i"), ("AllocationFailed", message));
}

#[test]
fn point_27_who_waits_is_told_what_is_nearest_and_who_stands_in_the_way() {
    let holder = |name| service(name).shares("key");
    for (askers, nearest) in [
        (service("default/z").shares("key"), "192.0.2.1 is in use by default/c, and so is its port 80/TCP"),
        (
            local(service("default/z").shares("key"), "app=web").ports(&[90]),
            "192.0.2.1 is in use by default/b, which shares it with Services of externalTrafficPolicy Cluster only",
        ),
        (service("default/z").shares("else"), "192.0.2.0 is in use by default/a, which does not share it"),
    ] {
        let mut cluster = Cluster::new([pool("home", &["192.0.2.0/31"])]);
        let others = [service("default/a"), holder("default/b").ports(&[443]), holder("default/c").ports(&[80])];
        cluster.apply_all(others);
        cluster.apply(askers);
        let message = format!("pool home: no free IPv4 address (2 of 2 in use, and none can be shared: {nearest})");
        assert_eq!(cluster.told("default/z"), ("AllocationFailed", &*message));
    }
}

#[test]
fn no_key_is_ever_told() {
    let secret = |name: &str, key: &str| service(name).shares(key);
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/32"])]);
    cluster.apply_all([
        secret("theirs/a", "their-secret"),
        secret("ours/b", "our-secret").wants("192.0.2.0"),
        secret("ours/c", "our-secret"),
        secret("ours/d", ""),
        secret("ours/e", "their-secret"),
    ]);
    cluster.change("ours/b", |service| service.requests.addresses = None);
    let told = format!(
        "{:?} {:?}",
        cluster.events,
        cluster.snapshot.services.values().map(|it| &it.refusal).collect::<Vec<_>>()
    );
    assert!(told.contains("another key") && !told.contains("secret"), "{told}");
}

#[test]
fn a_key_in_the_wrong_place_is_pointed_out() {
    let stray =
        Stray { name: "metallb.io/allow-shared-ip".to_owned(), is_label: true, meant: "metallb.io/allow-shared-ip" };
    let slip = |name| service(name).with(|service| service.requests.strays = vec![stray.clone()]);
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/32"])]);
    cluster.apply(slip("default/a"));
    assert_eq!(cluster.reasons(), ["IPAllocated", "annotationNotRead"].map(|reason| ("a".to_owned(), reason)));
    cluster.apply(slip("default/b"));
    let message = "pool home: no free IPv4 address (1 of 1 in use); \
                   metallb.io/allow-shared-ip is a label, which is not read; make it an annotation";
    assert_eq!(cluster.told("default/b"), ("AllocationFailed", message));
}

#[test]
fn point_27_both_families_are_shared() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/24", "2001:db8::/120"])]);
    let dual = |name| service(name).dual(FamilyPolicy::Require, Family::V4).shares("key");
    cluster.apply_all([dual("default/a"), dual("default/b").ports(&[443]), service("default/c").v6().shares("key")]);
    let has = ["a", "b", "c"].map(|name| cluster.has(&format!("default/{name}")));
    assert_eq!(has, ["192.0.2.0 2001:db8::", "192.0.2.0 2001:db8::", "2001:db8::1"]);
}

#[test]
fn point_27_the_only_user_may_change_as_it_likes() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/24"])]);
    cluster.apply(service("default/a").shares("key"));
    cluster.reasons();
    for change in [
        |service: &mut Service| service.requests.sharing_key = Some("other".to_owned()),
        |service: &mut Service| service.ports = ports(&[81, 82]),
        |service: &mut Service| service.local = true,
        |service: &mut Service| service.requests.sharing_key = None,
        |service: &mut Service| service.requests.sharing_key = Some("key".to_owned()),
    ] {
        cluster.change("default/a", change);
        assert_eq!((cluster.has("default/a"), cluster.reasons()), ("192.0.2.0".into(), vec![]));
    }
    cluster.change("default/a", |service| service.local = false);
    cluster.apply(service("default/b").shares("key"));
    assert_eq!(cluster.has("default/b"), "192.0.2.0", "what it shares is what it last said");
}

#[test]
fn point_27_who_shares_and_takes_a_port_of_another_has_to_go() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/24"])]);
    cluster.apply_all([service("default/a").shares("key"), service("default/b").shares("key").ports(&[443])]);
    cluster.change("default/a", |service| service.ports = ports(&[80, 443]));
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.1".into(), "192.0.2.0".into()));
}

#[test]
fn point_27_what_was_another_controllers_is_shared_as_soon_as_it_is_ours() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.1/32"])]);
    let foreign = service("default/b").holding(&["192.0.2.1"]).ports(&[81]);
    cluster.apply(foreign.with(|service| service.class = Some("other".to_owned())));
    cluster.apply(service("default/a").shares("key"));
    assert_eq!(cluster.told("default/a").0, "AllocationFailed");
    cluster.change("default/b", |service| {
        service.class = None;
        service.requests.sharing_key = Some("key".to_owned());
    });
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.1".to_owned(), "192.0.2.1".to_owned()));
}

#[test]
fn point_28_a_shared_address_is_lost_and_regained() {
    let shared = |name| local(service(name).shares("key"), "app=web").wants("192.0.2.5");
    for (change, back) in [
        (
            (|service: &mut Service| service.local = false) as fn(&mut Service),
            (|service: &mut Service| service.local = true) as fn(&mut Service),
        ),
        (|service| service.selector = labels("app=other"), |service| service.selector = labels("app=web")),
        (
            |service| service.requests.sharing_key = Some("other".to_owned()),
            |service| service.requests.sharing_key = Some("key".to_owned()),
        ),
        (|service| service.ports = ports(&[80]), |service| service.ports = ports(&[443])),
    ] {
        let mut cluster = Cluster::new([pool("home", &["192.0.2.0/24"])]);
        cluster.apply_all([shared("default/a"), shared("default/b").ports(&[443])]);
        assert_eq!(cluster.has("default/b"), "192.0.2.5");
        cluster.reasons();
        cluster.change("default/b", change);
        assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.5".into(), String::new()));
        let reasons = ["ClearAssignment", "AllocationFailed"].map(|reason| ("b".to_owned(), reason));
        assert_eq!(cluster.reasons(), reasons, "who changes loses");
        let mut mended = cluster.clone();
        mended.change("default/b", back);
        assert_eq!(mended.has("default/b"), "192.0.2.5");
        // Or the other follows: then they agree again, and the one that waits is looked at unprompted.
        cluster.change("default/a", change);
        if change as usize != (|_: &mut Service| ()) as fn(&mut Service) as usize {
            let b = &cluster.snapshot.services[&key("default/b")];
            let agrees = b.ports != cluster.snapshot.services[&key("default/a")].ports;
            assert_eq!(cluster.has("default/b") == "192.0.2.5", agrees);
        }
    }
}
