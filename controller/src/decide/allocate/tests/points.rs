//! Points 1 to 17, 21, 22 and 29 of what users of MetalLB rely on: who gets which address.

use super::*;

fn home() -> Pool {
    pool("home", &["192.0.2.1-192.0.2.9"])
}

fn dual(name: &str, v4: &str, v6: &str) -> Pool {
    pool(name, &[v4, v6].into_iter().filter(|range| !range.is_empty()).collect::<Vec<_>>())
}

#[test]
fn point_01_the_lowest_address_of_the_first_range_that_has_one() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.8/31", "192.0.2.0-192.0.2.1", "192.0.2.16/32"])]);
    let expected = ["192.0.2.8", "192.0.2.9", "192.0.2.0", "192.0.2.1", "192.0.2.16"];
    for (number, address) in expected.iter().enumerate() {
        cluster.apply(service(&format!("default/s{number}")));
        assert_eq!(cluster.has(&format!("default/s{number}")), *address);
    }
    cluster.delete("default/s1");
    cluster.delete("default/s2");
    cluster.apply(service("default/next"));
    assert_eq!(cluster.has("default/next"), "192.0.2.9", "ranges in the order written, not by address");
    assert_eq!(cluster.from("default/next"), Some("home"));
}

#[test]
fn point_02_the_status_is_the_truth_and_assigned_services_come_first() {
    let mut cluster = Cluster::default();
    let services = [
        service("default/a"),
        service("default/b").holding(&["192.0.2.1"]),
        service("default/c").holding(&["192.0.2.7"]),
        service("default/d"),
    ];
    let services = services.map(|service| (service.key.clone(), Arc::new(service)));
    cluster.snapshot.services = Arc::new(services.into());
    cluster.configure([home()]);
    let has = ["a", "b", "c", "d"].map(|name| cluster.has(&format!("default/{name}")));
    assert_eq!(has, ["192.0.2.2", "192.0.2.1", "192.0.2.7", "192.0.2.3"]);
    assert_eq!(cluster.reasons(), [("a".to_owned(), "IPAllocated"), ("d".to_owned(), "IPAllocated")]);
}

#[test]
fn point_02_who_has_an_address_keeps_it_whoever_else_wants_one() {
    // The first loses its address for another reason; it must not take that of one further behind.
    let mut cluster = Cluster::default();
    let services = [
        service("default/a").holding(&["203.0.113.1"]),
        service("default/b").holding(&["192.0.2.1"]),
        service("default/c").holding(&["192.0.2.2"]),
    ];
    cluster.snapshot.services = Arc::new(services.map(|service| (service.key.clone(), Arc::new(service))).into());
    cluster.configure([home()]);
    assert_eq!(cluster.has("default/a"), "192.0.2.3");
    assert_eq!(cluster.has("default/b"), "192.0.2.1");
    assert_eq!(cluster.reasons(), [("a".to_owned(), "ClearAssignment"), ("a".to_owned(), "IPAllocated")]);
}

#[test]
fn point_03_what_a_deleted_service_had_goes_to_one_that_waits() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.1/32"])]);
    cluster.apply_all([service("default/a"), service("default/c"), service("default/b")]);
    assert_eq!((cluster.has("default/b"), cluster.has("default/c")), (String::new(), String::new()));
    cluster.reasons();
    cluster.delete("default/a");
    assert_eq!(cluster.has("default/b"), "192.0.2.1", "of those that wait, the first by name");
    assert_eq!(cluster.reasons(), [("b".to_owned(), "IPAllocated")]);
    assert_eq!(cluster.refusal("default/b"), None);
    assert_eq!(cluster.told("default/c"), ("AllocationFailed", "pool home: no free IPv4 address (1 of 1 in use)"));
}

#[test]
fn point_04_a_service_that_is_no_load_balancer_any_more_is_cleared() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply(service("default/a"));
    cluster.change("default/a", |service| service.load_balancer = false);
    assert_eq!((cluster.has("default/a"), cluster.from("default/a")), (String::new(), None));
    assert_eq!(cluster.allocation.outcome(&key("default/a")), None, "its status is no longer ours");
    assert_eq!(cluster.usage("home"), (0, 0, 9, 0));
    // Also what was written before this program began; what others write on their Services is theirs.
    cluster.apply(service("default/b").holding(&["192.0.2.3"]).with(|service| {
        service.load_balancer = false;
        service.allocated_from = Some("home".to_owned());
    }));
    assert_eq!((cluster.has("default/b"), cluster.from("default/b")), (String::new(), None));
    cluster.apply(service("default/c").holding(&["192.0.2.3"]).with(|service| service.load_balancer = false));
    assert_eq!(cluster.snapshot.services[&key("default/c")].ingress, [ip("192.0.2.3")]);
}

#[test]
fn point_05_an_address_is_asked_for_by_the_field() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply(service("default/a").with(|service| {
        service.requests.load_balancer_ip = Some("192.0.2.5".to_owned());
    }));
    assert_eq!(cluster.has("default/a"), "192.0.2.5");
}

#[test]
fn point_06_addresses_are_asked_for_by_annotation() {
    let mut cluster = Cluster::new([dual("home", "192.0.2.0/24", "2001:db8::/120")]);
    cluster.apply(service("default/a").wants(" 192.0.2.5 "));
    assert_eq!(cluster.has("default/a"), "192.0.2.5");
    for (name, wants, policy) in [
        ("default/b", "2001:db8::5, 192.0.2.6", FamilyPolicy::Require),
        ("default/c", "192.0.2.7,2001:db8::6", FamilyPolicy::Prefer),
    ] {
        cluster.apply(service(name).dual(policy, Family::V4).wants(wants));
    }
    assert_eq!(cluster.has("default/b"), "192.0.2.6 2001:db8::5");
    assert_eq!(cluster.has("default/c"), "192.0.2.7 2001:db8::6");
}

#[test]
fn point_07_both_ways_at_once_are_refused() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply(service("default/a").wants("192.0.2.5").with(|service| {
        service.requests.load_balancer_ip = Some("192.0.2.5".to_owned());
    }));
    assert_eq!(cluster.has("default/a"), "");
    let (reason, message) = cluster.told("default/a");
    assert_eq!(reason, "AllocationFailed");
    assert!(message.starts_with("the annotation loadBalancerIPs and spec.loadBalancerIP are both set"), "{message}");
}

#[test]
fn point_08_a_malformed_or_foreign_address_is_refused_and_nobody_else() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply_all([
        service("default/bad").wants("192.0.2.300"),
        service("default/empty").wants("192.0.2.1,"),
        service("default/foreign").wants("203.0.113.1"),
        service("default/good"),
    ]);
    assert_eq!(cluster.has("default/good"), "192.0.2.1");
    for (name, reason, message) in [
        (
            "default/bad",
            "AllocationFailed",
            "\"192.0.2.300\" in the request for addresses is no IP address; give one address, or an IPv4 and an IPv6 address with a comma between",
        ),
        (
            "default/empty",
            "AllocationFailed",
            "\"\" in the request for addresses is no IP address; give one address, or an IPv4 and an IPv6 address with a comma between",
        ),
        ("default/foreign", "AllocationFailed", "203.0.113.1 is in no pool"),
    ] {
        assert_eq!(cluster.has(name), "");
        assert_eq!(cluster.told(name), (reason, message));
        let events: Vec<_> = cluster.events.iter().filter(|event| event.service == key(name)).collect();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].kind, events[0].reason, &*events[0].message), (NoticeKind::Warning, reason, message));
    }
}

#[test]
fn point_09_two_of_one_family_or_three_are_refused() {
    let mut cluster = Cluster::new([dual("home", "192.0.2.0/24", "2001:db8::/120")]);
    for (wants, says) in [
        ("192.0.2.1,192.0.2.2", "192.0.2.1 and 192.0.2.2 are of one family"),
        ("192.0.2.1,192.0.2.1", "192.0.2.1 and 192.0.2.1 are of one family"),
        ("2001:db8::1,2001:db8::2", "2001:db8::1 and 2001:db8::2 are of one family"),
        ("192.0.2.1,2001:db8::1,192.0.2.2", "3 addresses are asked for"),
    ] {
        cluster.apply(service("default/a").dual(FamilyPolicy::Require, Family::V4).wants(wants));
        assert_eq!((cluster.has("default/a"), cluster.told("default/a").0), (String::new(), "AllocationFailed"));
        assert!(cluster.told("default/a").1.starts_with(says), "{:?}", cluster.told("default/a"));
    }
    // The families have to be exactly those of the Service, even where it would do with one.
    for (asker, says) in [
        (
            service("default/a").wants("2001:db8::1"),
            "one IPv6 address is asked for, but the Service has IPv4 cluster IPs",
        ),
        (
            service("default/a").dual(FamilyPolicy::Prefer, Family::V4).wants("192.0.2.1"),
            "one IPv4 address is asked for, but the Service has IPv4 and IPv6 cluster IPs",
        ),
        (
            service("default/a").wants("192.0.2.1,2001:db8::1"),
            "an IPv4 and an IPv6 address are asked for, but the Service has IPv4 cluster IPs",
        ),
    ] {
        cluster.apply(asker);
        assert_eq!((cluster.has("default/a"), cluster.told("default/a")), (String::new(), ("AllocationFailed", says)));
    }
}

#[test]
fn point_10_a_pool_is_asked_for_whether_it_gives_of_itself_or_not() {
    let closed = Pool { auto_assign: false, ..pool("closed", &["198.51.100.1/32"]) };
    let mut cluster = Cluster::new([home(), closed, pool("open", &["203.0.113.1/32"])]);
    cluster.apply_all([service("default/a").pool("closed"), service("default/b").pool("open")]);
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("198.51.100.1".into(), "203.0.113.1".into()));
    cluster.apply(service("default/c").pool("closed"));
    assert_eq!(
        cluster.told("default/c"),
        ("AllocationFailed", "pool closed: no free IPv4 address (1 of 1 in use)"),
        "and from no other"
    );
}

#[test]
fn point_11_an_unknown_pool_is_refused() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply(service("default/a").pool("hmoe"));
    assert_eq!(cluster.has("default/a"), "");
    let message = "pool hmoe, which the annotation asks for, does not exist";
    assert_eq!(cluster.told("default/a"), ("AllocationFailed", message));
    cluster.configure([home(), pool("hmoe", &["203.0.113.1/32"])]);
    assert_eq!(cluster.has("default/a"), "203.0.113.1", "it comes once the pool does");
}

#[test]
fn point_12_an_address_and_a_pool_that_disagree_are_refused() {
    let mut cluster = Cluster::new([home(), pool("lab", &["203.0.113.1/32"])]);
    cluster.apply(service("default/a").pool("lab").wants("192.0.2.5"));
    assert_eq!(cluster.has("default/a"), "");
    let message = "192.0.2.5 is in pool home, and the annotation asks for pool lab";
    assert_eq!(cluster.told("default/a"), ("AllocationFailed", message));
    cluster.change("default/a", |service| service.requests.pool = Some("home".to_owned()));
    assert_eq!(cluster.has("default/a"), "192.0.2.5");
}

#[test]
fn point_13_another_pool_in_the_annotation_moves_the_service() {
    let mut cluster = Cluster::new([home(), pool("lab", &["203.0.113.1/32"])]);
    cluster.apply(service("default/a"));
    cluster.change("default/a", |service| service.requests.pool = Some("lab".to_owned()));
    assert_eq!((cluster.has("default/a"), cluster.from("default/a")), ("203.0.113.1".into(), Some("lab")));
    assert_eq!(cluster.usage("home"), (0, 0, 9, 0));
    cluster.change("default/a", |service| service.requests.pool = None);
    assert_eq!(cluster.has("default/a"), "203.0.113.1", "to ask for nothing moves nothing");
    // To a pool that has nothing left: the old address is given up, as MetalLB does.
    cluster.apply(service("default/b"));
    cluster.change("default/b", |service| service.requests.pool = Some("lab".to_owned()));
    assert_eq!((cluster.has("default/b"), cluster.told("default/b").0), (String::new(), "AllocationFailed"));
}

#[test]
fn point_14_another_address_in_the_request_moves_the_service() {
    let mut cluster = Cluster::new([dual("home", "192.0.2.0/24", "2001:db8::/120")]);
    cluster.apply(service("default/a").wants("192.0.2.5"));
    cluster.change("default/a", |service| service.requests.addresses = Some("192.0.2.6".to_owned()));
    assert_eq!(cluster.has("default/a"), "192.0.2.6");
    cluster.apply(service("default/d").dual(FamilyPolicy::Require, Family::V4).wants("192.0.2.7,2001:db8::7"));
    cluster.reasons();
    cluster.change("default/d", |service| {
        service.requests.addresses = Some("2001:db8::7,192.0.2.7".to_owned());
    });
    assert_eq!(cluster.has("default/d"), "192.0.2.7 2001:db8::7");
    assert_eq!(cluster.reasons(), [], "the order of a request is no difference");
}

#[test]
fn point_15_a_broken_request_later_keeps_the_address() {
    let mut cluster = Cluster::new([home(), pool("lab", &["203.0.113.1/32"])]);
    cluster.apply(service("default/a").wants("192.0.2.5"));
    cluster.reasons();
    cluster.change("default/a", |service| {
        service.requests.addresses = Some("192.0.2.x".to_owned());
        service.requests.pool = Some("lab".to_owned());
    });
    assert_eq!(cluster.has("default/a"), "192.0.2.5");
    assert_eq!(cluster.told("default/a").0, "LoadBalancerFailed");
    assert_eq!(cluster.reasons(), [("a".to_owned(), "LoadBalancerFailed")], "said once");
    cluster.change("default/a", |service| service.requests.addresses = Some("203.0.113.1".to_owned()));
    assert_eq!((cluster.has("default/a"), cluster.refusal("default/a")), ("203.0.113.1".into(), None));
}

#[test]
fn point_16_a_pool_without_auto_assign_is_never_used_unasked() {
    let closed = Pool { auto_assign: false, ..pool("a-closed", &["198.51.100.0/24"]) };
    let reserved = scoped(closed.clone(), Scope { priority: 1, ..Scope::default() });
    for closed in [closed, reserved] {
        let mut cluster = Cluster::new([closed, pool("home", &["192.0.2.1/32"])]);
        cluster.apply_all([service("default/a"), service("default/b")]);
        assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.1".into(), String::new()));
        let message = "pool home: no free IPv4 address (1 of 1 in use); \
                       pool a-closed: only for Services that ask for it (autoAssign is false)";
        assert_eq!(cluster.told("default/b"), ("AllocationFailed", message));
        // An address asked for by itself is asked for.
        cluster.change("default/b", |service| service.requests.addresses = Some("198.51.100.7".to_owned()));
        assert_eq!(cluster.has("default/b"), "198.51.100.7");
        cluster.change("default/b", |service| service.requests.addresses = None);
        assert_eq!(cluster.has("default/b"), "198.51.100.7", "what it has it keeps");
    }
}

#[test]
fn point_17_buggy_addresses_are_never_given_not_on_request_and_taken_back() {
    let plain = pool("home", &["192.0.2.254-192.0.3.1", "2001:db8::/127"]);
    let careful = Pool { avoid_buggy: true, ..plain.clone() };
    let mut cluster = Cluster::new([careful.clone()]);
    cluster.apply_all([service("default/a"), service("default/b"), service("default/c")]);
    let has = ["a", "b", "c"].map(|name| cluster.has(&format!("default/{name}")));
    assert_eq!(has, ["192.0.2.254", "192.0.3.1", ""]);
    cluster.apply(service("default/c").wants("192.0.2.255"));
    let message = "pool home never gives away 192.0.2.255 (avoidBuggyIPs)";
    assert_eq!(cluster.told("default/c"), ("AllocationFailed", message));
    cluster.apply(service("default/six").v6());
    assert_eq!(cluster.has("default/six"), "2001:db8::", "IPv6 has no such addresses");

    cluster.configure([plain]);
    assert_eq!(cluster.has("default/c"), "192.0.2.255");
    cluster.change("default/c", |service| service.requests.addresses = None);
    cluster.delete("default/a");
    cluster.reasons();
    cluster.configure([careful]);
    assert_eq!(cluster.has("default/c"), "192.0.2.254", "switched on, they are taken back");
    assert_eq!(cluster.reasons(), [("c".to_owned(), "ClearAssignment"), ("c".to_owned(), "IPAllocated")]);
    assert_eq!(cluster.usage("home"), (2, 1, 0, 1));
}

#[test]
fn point_21_both_families_come_from_one_pool() {
    let mut cluster = Cluster::new([
        pool("a-four", &["192.0.2.0/24"]),
        pool("b-six", &["2001:db8::/120"]),
        dual("c-both", "198.51.100.1/32", "2001:db8:1::/120"),
    ]);
    cluster.apply(service("default/a").dual(FamilyPolicy::Require, Family::V6));
    assert_eq!(cluster.has("default/a"), "198.51.100.1 2001:db8:1::", "IPv4 first, whichever is preferred");
    cluster.apply(service("default/b").dual(FamilyPolicy::Require, Family::V4));
    assert_eq!(cluster.has("default/b"), "");
    let message = "pool a-four: no IPv6 addresses; pool b-six: no IPv4 addresses; \
                   pool c-both: no free IPv4 address (1 of 1 in use)";
    assert_eq!(cluster.told("default/b"), ("AllocationFailed", message));
    cluster.apply(service("default/c").wants("192.0.2.1,2001:db8::1").dual(FamilyPolicy::Require, Family::V4));
    assert_eq!(cluster.told("default/c").1, "192.0.2.1 and 2001:db8::1 are in different pools");
    cluster.apply(service("default/d").with(|service| service.family_policy = FamilyPolicy::Require));
    assert_eq!((cluster.has("default/d"), cluster.told("default/d").0), (String::new(), "NotEnoughClusterIPs"));
    assert!(cluster.reasons().contains(&("d".to_owned(), "not enough clusterips")), "MetalLB's event");
}

#[test]
fn point_22_both_are_preferred_then_the_first_family_then_the_other() {
    let both = dual("z-both", "198.51.100.1/32", "2001:db8:1::1/128");
    let (four, six) = (pool("b-four", &["192.0.2.1/32"]), pool("a-six", &["2001:db8::/120"]));
    let mut cluster = Cluster::new([four, six, both]);
    for (name, first, has) in [
        ("default/a", Family::V4, "198.51.100.1 2001:db8:1::1"),
        ("default/b", Family::V4, "192.0.2.1"),
        ("default/c", Family::V4, "2001:db8::"),
        ("default/d", Family::V6, "2001:db8::1"),
    ] {
        cluster.apply(service(name).dual(FamilyPolicy::Prefer, first));
        assert_eq!(cluster.has(name), has, "{name}");
    }
    assert_eq!(cluster.refusal("default/b"), None, "one is no reason to complain");
}

#[test]
fn point_22_a_single_cluster_ip_stays_single() {
    let mut cluster = Cluster::new([dual("home", "192.0.2.0/24", "2001:db8::/120")]);
    cluster.apply(service("default/a").with(|service| service.family_policy = FamilyPolicy::Prefer));
    cluster.apply(service("default/b").v6().with(|service| service.family_policy = FamilyPolicy::Prefer));
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.0".into(), "2001:db8::".into()));
    assert_eq!(cluster.reasons().len(), 2, "and never another");
}

#[test]
fn point_29_only_services_of_our_class_are_ours() {
    for (ours, theirs, given) in [
        (None, None, true),
        (None, Some("other"), false),
        (Some("mine"), Some("mine"), true),
        (Some("mine"), Some("other"), false),
        (Some("mine"), None, false),
    ] {
        let mut cluster = Cluster::default();
        cluster.snapshot.settings.class = ours.map(str::to_owned);
        cluster.configure([home()]);
        cluster.apply(service("default/a").with(|service| service.class = theirs.map(str::to_owned)));
        assert_eq!(cluster.has("default/a") == "192.0.2.1", given, "{ours:?} {theirs:?}");
        assert_eq!(cluster.allocation.outcome(&key("default/a")).is_some(), given, "{ours:?} {theirs:?}");
        // What others wrote stays.
        let theirs = service("default/b").holding(&["192.0.2.9"]).with(|service| {
            service.class = Some("other".to_owned());
            service.allocated_from = Some("theirs".to_owned());
        });
        cluster.apply(theirs.clone());
        assert_eq!(*cluster.snapshot.services[&key("default/b")], theirs);
    }
}

#[test]
fn point_29_what_another_controller_gave_is_not_given_away() {
    let foreign = |name, address| service(name).holding(&[address]).with(|s| s.class = Some("other".to_owned()));
    let mut cluster = Cluster::new([pool("home", &["192.0.2.1-192.0.2.3"])]);
    cluster.apply_all([foreign("default/x", "192.0.2.1"), service("default/a"), foreign("default/y", "192.0.2.2")]);
    assert_eq!(cluster.has("default/a"), "192.0.2.2", "what ours had before stays with it");
    cluster.apply(service("default/b").wants("192.0.2.1"));
    let message = "192.0.2.1 is in use by default/x, which belongs to another controller";
    assert_eq!(cluster.told("default/b"), ("AllocationFailed", message));
    assert_eq!(cluster.usage("home"), (2, 0, 1, 0));
    cluster.delete("default/a");
    assert_eq!(cluster.usage("home"), (2, 0, 1, 0), "y stands behind");
    cluster.delete("default/x");
    assert_eq!(cluster.has("default/b"), "192.0.2.1");
}

#[test]
fn services_without_cluster_ips_get_nothing() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply(service("default/a").holding(&["192.0.2.4"]).with(|service| service.cluster_ips.clear()));
    assert_eq!((cluster.has("default/a"), cluster.told("default/a").0), (String::new(), "AllocationFailed"));
}

#[test]
fn old_annotations_are_mentioned_when_something_changes_only() {
    let mut cluster = Cluster::new([home()]);
    let old = "metallb.universe.tf/address-pool".to_owned();
    cluster.apply(service("default/a").with(|service| service.requests.deprecated = BTreeSet::from([old])));
    let reasons = ["IPAllocated", "deprecatedAnnotation"].map(|reason| ("a".to_owned(), reason));
    assert_eq!(cluster.reasons(), reasons);
    cluster.change("default/a", |service| service.ports = ports(&[81]));
    assert_eq!(cluster.reasons(), []);
}

#[test]
fn refusals_name_a_bounded_number_of_pools() {
    let mut cluster =
        Cluster::new((0..30).map(|number| pool(&format!("pool-{number:02}"), &[&format!("2001:db8:{number}::/64")])));
    cluster.apply(service("default/a"));
    let (_, message) = cluster.told("default/a");
    assert!(message.starts_with("pool pool-00: no IPv4 addresses; pool pool-01: no IPv4 addresses; "), "{message}");
    assert!(message.ends_with("; pool pool-07: no IPv4 addresses; and 22 more pools"), "{message}");
}

#[test]
fn what_metallb_does_not_read_as_a_request_is_refused_here_too() {
    let field =
        |text: &str| service("default/a").with(|service| service.requests.load_balancer_ip = Some(text.to_owned()));
    for (asker, has) in [
        (field("192.0.2.7"), "192.0.2.7"),
        (field("192.0.2.7,2001:db8::7"), ""),
        (field(" 192.0.2.7"), ""),
        (field(" "), ""),
        (field(""), "192.0.2.1"),
        (service("default/a").wants(" 192.0.2.7 "), "192.0.2.7"),
        (service("default/a").wants(" "), ""),
        (service("default/a").wants(""), "192.0.2.1"),
        (service("default/a").pool("home"), "192.0.2.1"),
        (service("default/a").pool(" home"), ""),
    ] {
        let mut cluster = Cluster::new([home()]);
        let asked = format!("{:?}", asker.requests);
        cluster.apply(asker);
        assert_eq!(cluster.has("default/a"), has, "{asked}");
    }
}
