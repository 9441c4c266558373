//! Points 18 to 20, 23 to 26 and 30: pools, who they are for, what their edits do, and how they are counted.

use super::*;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn priority(priority: i64) -> Scope {
    Scope { priority, ..Scope::default() }
}

#[test]
fn point_18_priority_ascends_with_zero_last_and_overflows() {
    let one = |name, address, scope| Pool { scope, ..pool(name, &[address]) };
    let mut cluster = Cluster::new([
        one("a-unscoped", "192.0.2.1/32", None),
        one("b-unscoped", "192.0.2.2/32", None),
        one("c-zero", "192.0.2.3/32", Some(priority(0))),
        one("d-twenty", "192.0.2.4/32", Some(priority(20))),
        one("f-ten", "192.0.2.5/32", Some(priority(10))),
        one("e-ten", "192.0.2.6/32", Some(priority(10))),
        one("g-minus", "192.0.2.7/32", Some(priority(-1))),
    ]);
    for (name, from) in [
        ("default/1", "g-minus"),
        ("default/2", "e-ten"),
        ("default/3", "f-ten"),
        ("default/4", "d-twenty"),
        ("default/5", "c-zero"),
        ("default/6", "a-unscoped"),
        ("default/7", "b-unscoped"),
    ] {
        cluster.apply(service(name));
        assert_eq!(cluster.from(name), Some(from));
    }
}

#[test]
fn point_19_namespaces_or_their_labels_and_labels_of_services() {
    let scope = Scope {
        namespaces: set(&["lab"]),
        namespace_selectors: vec![selects("team", "net"), selects("team", "dev")],
        service_selectors: vec![selects("tier", "front"), selects("tier", "edge")],
        ..Scope::default()
    };
    for (namespace, tier, allowed) in [
        ("lab", "tier=front", true),
        ("lab", "tier=edge", true),
        ("lab", "tier=back", false),
        ("lab", "", false),
        ("net", "tier=edge", true),
        ("dev", "tier=edge", true),
        ("dev", "tier=back", false),
        ("default", "tier=front", false),
        ("unknown", "tier=front", false),
    ] {
        let asker = service(&format!("{namespace}/a")).with(|service| service.labels = labels(tier));
        for asker in [asker.clone(), asker.clone().pool("scoped"), asker.wants("192.0.2.1")] {
            let mut cluster = Cluster::new([scoped(pool("scoped", &["192.0.2.1/32"]), scope.clone())]);
            cluster.label_namespace("net", "team=net");
            cluster.label_namespace("dev", "team=dev");
            cluster.label_namespace("default", "team=other");
            cluster.apply(asker);
            let name = format!("{namespace}/a");
            assert_eq!(cluster.has(&name) == "192.0.2.1", allowed, "{name} {tier}: {:?}", cluster.told(&name));
        }
    }
}

#[test]
fn point_19_a_scoped_pool_says_for_whom_it_is() {
    let scope = |namespaces: &[&str], services: Vec<Selector>| Scope {
        namespaces: set(namespaces),
        service_selectors: services,
        ..Scope::default()
    };
    let mut cluster = Cluster::new([
        pool("home", &["192.0.2.1/32"]),
        scoped(pool("lab", &["192.0.2.2/32"]), scope(&["lab"], vec![])),
        scoped(pool("tier", &["192.0.2.3/32"]), scope(&[], vec![selects("tier", "front")])),
    ]);
    cluster.apply_all([service("default/a"), service("default/b")]);
    let message = "pool home: no free IPv4 address (1 of 1 in use); pool lab: only for namespace lab; \
                   pool tier: only for Services that its serviceSelectors select";
    assert_eq!(cluster.told("default/b"), ("AllocationFailed", message));
    cluster.change("default/b", |service| service.requests.pool = Some("lab".to_owned()));
    assert_eq!(cluster.told("default/b"), ("AllocationFailed", "pool lab: only for namespace lab"));
}

#[test]
fn point_19_selectors_that_select_no_namespace_are_for_nobody() {
    let scope = Scope { namespace_selectors: vec![selects("team", "gone")], ..Scope::default() };
    let mut cluster = Cluster::new([scoped(pool("scoped", &["192.0.2.1/32"]), scope)]);
    let askers = [service("default/a"), service("default/b").pool("scoped"), service("default/c").wants("192.0.2.1")];
    cluster.apply_all(askers);
    for name in ["default/a", "default/b", "default/c"] {
        let message = "pool scoped: only for namespaces that its namespaceSelectors select";
        assert_eq!((cluster.has(name), cluster.told(name)), (String::new(), ("AllocationFailed", message)));
    }
    cluster.label_namespace("default", "team=gone");
    assert_eq!(cluster.has("default/a"), "192.0.2.1");
}

#[test]
fn point_19_labels_of_a_namespace_count_from_the_moment_they_are_known() {
    let scope = Scope { namespace_selectors: vec![selects("team", "net")], ..Scope::default() };
    let cluster =
        || Cluster::new([scoped(pool("net", &["192.0.2.1/32"]), scope.clone()), pool("open", &["198.51.100.0/24"])]);
    // Created while the controller runs: the namespace first, the namespace with another label first, the Service first.
    let mut known = cluster();
    known.label("new", "team=net");
    known.apply(service("new/a"));
    assert_eq!(known.from("new/a"), Some("net"));

    let mut relabelled = cluster();
    relabelled.label("new", "");
    relabelled.label("new", "team=net");
    relabelled.apply(service("new/a"));
    assert_eq!(relabelled.from("new/a"), Some("net"));

    let mut late = cluster();
    late.silent_namespaces.extend(["new".to_owned()]);
    late.apply_all([service("new/a"), service("new/b").wants("192.0.2.1"), service("new/c").pool("open")]);
    for name in ["new/a", "new/b", "new/c"] {
        assert_eq!((late.has(name), late.told(name).0), (String::new(), "NamespaceUnknown"));
    }
    assert_eq!(late.reasons(), [], "it passes");
    late.label_namespace("new", "team=net");
    assert_eq!((late.from("new/a"), late.from("new/c")), (Some("net"), Some("open")));
    assert_eq!(late.told("new/b").0, "AllocationFailed");

    // A namespace that is not known, or no more, costs nobody an address, in a restart neither.
    let mut kept = late.clone();
    Arc::make_mut(&mut kept.snapshot.namespaces).remove("new");
    kept.silent_namespaces.extend(["new".to_owned()]);
    kept.show_services([key("new/a"), key("new/b"), key("new/c")]);
    kept.arrive();
    kept.allocation = Allocation::new();
    kept.show(&Changes::everything());
    kept.arrive();
    assert_eq!((kept.from("new/a"), kept.from("new/c")), (Some("net"), Some("open")));

    // Pools that ask for no labels wait for nobody.
    let mut open = Cluster::new([pool("open", &["198.51.100.0/24"])]);
    open.silent_namespaces.extend(["new".to_owned()]);
    open.apply(service("new/a"));
    assert_eq!(open.from("new/a"), Some("open"));
}

#[test]
fn point_19_who_no_longer_fits_moves_out() {
    let scope = Scope { namespace_selectors: vec![selects("team", "net")], ..Scope::default() };
    let services = Scope { service_selectors: vec![selects("tier", "front")], ..Scope::default() };
    let mut cluster = Cluster::new([
        scoped(pool("net", &["192.0.2.1/32"]), scope),
        scoped(pool("front", &["192.0.2.2/32"]), services),
        pool("open", &["192.0.2.3/32"]),
    ]);
    cluster.label_namespace("default", "team=net");
    cluster.apply(service("default/a").with(|service| service.labels = labels("tier=front")));
    assert_eq!(cluster.from("default/a"), Some("front"), "equal priority: by name");
    cluster.reasons();
    cluster.change("default/a", |service| service.labels = Labels::new());
    assert_eq!(cluster.from("default/a"), Some("net"));
    cluster.label_namespace("default", "");
    assert_eq!(cluster.from("default/a"), Some("open"));
    cluster.label_namespace("default", "team=net");
    assert_eq!(cluster.from("default/a"), Some("open"), "a better pool is no reason to move");
    let one = [("a".to_owned(), "ClearAssignment"), ("a".to_owned(), "IPAllocated")];
    assert_eq!(cluster.reasons(), [one.clone(), one].concat());
}

#[test]
fn point_20_a_priority_alone_selects_every_service() {
    for scope in [priority(5), Scope::default()] {
        let mut cluster =
            Cluster::new([pool("a-open", &["192.0.2.1/32"]), scoped(pool("b-first", &["192.0.2.2/32"]), scope)]);
        cluster.apply(service("anywhere/a").with(|service| service.labels = labels("some=label")));
        assert_eq!(cluster.from("anywhere/a"), Some("b-first"));
    }
}

#[test]
fn point_23_the_second_family_comes_when_the_pool_gains_it() {
    let (four, six) = ("192.0.2.0/24", "2001:db8::1/128");
    let mut cluster = Cluster::new([pool("home", &[four])]);
    let asker = |name| service(name).dual(FamilyPolicy::Prefer, Family::V4);
    cluster.apply_all([asker("default/a"), asker("default/b")]);
    let reasons = cluster.reasons();
    let each = |name: &str| ["IPAllocated", "AdditionalAssignFailed"].map(|reason| (name.to_owned(), reason));
    assert_eq!(reasons, [each("a"), each("b")].concat());
    // A dual-stack pool elsewhere moves nobody.
    cluster.configure([pool("home", &[four]), pool("other", &["198.51.100.0/24", "2001:db8:1::/120"])]);
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.0".into(), "192.0.2.1".into()));
    assert_eq!(cluster.reasons(), []);
    cluster.configure([pool("home", &[four, six])]);
    assert_eq!(cluster.has("default/a"), "192.0.2.0 2001:db8::1");
    assert_eq!(cluster.has("default/b"), "192.0.2.1");
    let again = [("a".to_owned(), "IPAllocated"), ("b".to_owned(), "AdditionalAssignFailed")];
    assert_eq!(cluster.reasons(), again);
    cluster.delete("default/a");
    assert_eq!(cluster.has("default/b"), "192.0.2.1 2001:db8::1", "unprompted");
}

#[test]
fn point_23_families_follow_the_service() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/24", "2001:db8::/120"])]);
    cluster.apply_all([service("default/first"), service("default/a")]);
    let become_dual = |policy| move |s: &mut Service| *s = s.clone().dual(policy, Family::V4);
    let become_single = |s: &mut Service| {
        s.cluster_ips.truncate(1);
        s.families.truncate(1);
        s.family_policy = FamilyPolicy::Single;
    };
    for policy in [FamilyPolicy::Require, FamilyPolicy::Prefer] {
        cluster.change("default/a", become_dual(policy));
        assert_eq!(cluster.has("default/a"), "192.0.2.1 2001:db8::", "{policy:?}: what it has stays");
        cluster.change("default/a", become_single);
        assert_eq!(cluster.has("default/a"), "192.0.2.1", "{policy:?}: what it still needs stays");
    }
    // Who requires both leaves a pool that has one; who prefers both does not.
    cluster.configure([pool("home", &["192.0.2.0/24"]), pool("z-both", &["198.51.100.0/24", "2001:db8::/120"])]);
    cluster.change("default/a", become_dual(FamilyPolicy::Prefer));
    assert_eq!(cluster.has("default/a"), "192.0.2.1");
    cluster.change("default/a", become_dual(FamilyPolicy::Require));
    assert_eq!(cluster.has("default/a"), "198.51.100.0 2001:db8::");
}

#[test]
fn point_24_who_loses_one_of_two_moves_where_both_are_or_keeps_the_other() {
    let both = |name: &str, block: u8| pool(name, &[&format!("10.0.{block}.0/24"), &format!("2001:db8:{block}::/120")]);
    let mut cluster = Cluster::new([both("a", 1), both("b", 2)]);
    cluster.apply(service("default/a").dual(FamilyPolicy::Prefer, Family::V4));
    assert_eq!(cluster.has("default/a"), "10.0.1.0 2001:db8:1::");
    cluster.configure([pool("a", &["10.0.1.0/24"]), both("b", 2)]);
    assert_eq!(cluster.has("default/a"), "10.0.2.0 2001:db8:2::", "another that has both");
    cluster.configure([pool("a", &["10.0.1.0/24"]), pool("b", &["2001:db8:2::/120"])]);
    assert_eq!(cluster.has("default/a"), "2001:db8:2::", "none has: what is left stays");
    cluster.configure([both("a", 1), both("b", 2)]);
    assert_eq!(cluster.has("default/a"), "10.0.2.0 2001:db8:2::", "and is completed where it is");
    // Who requires both cannot stay with one; who asked for both by address gets nothing else.
    for (service, has) in [
        (service("default/a").dual(FamilyPolicy::Require, Family::V4), ""),
        (service("default/a").dual(FamilyPolicy::Prefer, Family::V4).wants("10.0.1.0,2001:db8:1::"), ""),
        (service("default/a").dual(FamilyPolicy::Prefer, Family::V4).pool("a"), "10.0.1.0"),
    ] {
        let mut cluster = Cluster::new([both("a", 1)]);
        cluster.apply(service);
        assert_eq!(cluster.has("default/a"), "10.0.1.0 2001:db8:1::");
        cluster.configure([pool("a", &["10.0.1.0/24"])]);
        assert_eq!(cluster.has("default/a"), has);
    }
}

#[test]
fn point_24_a_pool_that_is_split_by_families_leaves_the_preferred_one() {
    for (first, has) in [(Family::V4, "10.0.1.0"), (Family::V6, "2001:db8:1::")] {
        let mut cluster = Cluster::new([pool("a", &["10.0.1.0/24", "2001:db8:1::/120"])]);
        cluster.apply(service("default/a").dual(FamilyPolicy::Prefer, first));
        cluster.reasons();
        cluster.configure([pool("a", &["10.0.1.0/24"]), pool("b", &["2001:db8:1::/120"])]);
        assert_eq!(cluster.has("default/a"), has);
        let told = ["ClearAssignment", "AdditionalAssignFailed"].map(|reason| ("a".to_owned(), reason));
        assert_eq!(cluster.reasons(), told);
    }
}

#[test]
fn point_22_reserved_pools_are_exhausted_first_one_family_included() {
    let net = Scope { namespaces: set(&["net"]), ..Scope::default() };
    for reserved in [&["10.0.1.0/31"][..], &["2001:db8:1::/127"]] {
        let mut cluster = Cluster::new([
            pool("a-open", &["10.0.9.0/24", "2001:db8:9::/120"]),
            scoped(pool("b-net", reserved), net.clone()),
            scoped(pool("c-net", &["10.0.2.0/32", "2001:db8:2::/128"]), net.clone()),
        ]);
        let names = ["net/a", "net/b", "net/c", "net/d"];
        cluster.apply_all(names.map(|name| service(name).dual(FamilyPolicy::Prefer, Family::V4)));
        assert_eq!(names.map(|name| cluster.from(name).unwrap().to_owned()), ["c-net", "b-net", "b-net", "a-open"]);
        let single = cluster.events.iter().find(|event| event.reason == "AdditionalAssignFailed").unwrap();
        let lacks = if reserved[0].contains(':') { "IPv4" } else { "IPv6" };
        assert_eq!(single.message, format!("it has no {lacks} address: pool b-net: no {lacks} addresses"));
        // A reserved pool that loses a family is not left for one that is for everybody.
        cluster.configure([
            pool("a-open", &["10.0.9.0/24", "2001:db8:9::/120"]),
            scoped(pool("b-net", reserved), net.clone()),
            scoped(pool("c-net", &["10.0.2.0/32"]), net.clone()),
        ]);
        assert_eq!(cluster.has("net/a"), "10.0.2.0");
    }
}

#[test]
fn point_25_addresses_stay_when_their_pool_is_renamed_split_or_grown() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/30"])]);
    cluster.apply_all(["a", "b", "c"].map(|name| service(&format!("default/{name}"))));
    cluster.reasons();
    for (pools, from) in [
        (vec![pool("renamed", &["192.0.2.0/30"])], ["renamed", "renamed", "renamed"]),
        (vec![pool("low", &["192.0.2.0/31"]), pool("high", &["192.0.2.2/31"])], ["low", "low", "high"]),
        (vec![pool("grown", &["192.0.2.128/25", "192.0.2.0/25"])], ["grown", "grown", "grown"]),
    ] {
        cluster.configure(pools);
        for ((name, address), from) in [("a", "192.0.2.0"), ("b", "192.0.2.1"), ("c", "192.0.2.2")].iter().zip(from) {
            let name = format!("default/{name}");
            assert_eq!((cluster.has(&name), cluster.from(&name)), ((*address).to_owned(), Some(from)));
        }
    }
    assert_eq!(cluster.reasons(), [], "silently");
}

#[test]
fn point_25_a_move_between_pools_touches_the_address() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/30"])]);
    cluster.apply(service("default/a"));
    cluster.snapshot.configuration = Arc::new(configuration([pool("away", &["192.0.2.0/30"])]));
    let touched = cluster.show(&Changes::everything());
    assert_eq!(touched.services, BTreeSet::from([key("default/a")]));
    assert_eq!(touched.addresses, BTreeSet::from([ip("192.0.2.0")]));
    assert_eq!(touched.pools, set(&["away", "home"]));
}

#[test]
fn point_26_addresses_go_with_their_pool() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/30"])]);
    cluster.apply_all(["a", "b", "c"].map(|name| service(&format!("default/{name}"))));
    cluster.reasons();
    // Shrunk: only who is outside moves.
    cluster.configure([pool("home", &["192.0.2.1-192.0.2.3"])]);
    let has = ["a", "b", "c"].map(|name| cluster.has(&format!("default/{name}")));
    assert_eq!(has, ["192.0.2.3", "192.0.2.1", "192.0.2.2"]);
    assert_eq!(cluster.reasons(), [("a".to_owned(), "ClearAssignment"), ("a".to_owned(), "IPAllocated")]);
    // Replaced: all move. None left: all are empty.
    cluster.configure([pool("other", &["203.0.113.0/31"])]);
    let has = ["a", "b", "c"].map(|name| cluster.has(&format!("default/{name}")));
    assert_eq!(has, ["203.0.113.0", "203.0.113.1", ""]);
    cluster.reasons();
    cluster.configure([]);
    for name in ["a", "b", "c"] {
        let message = "there are no address pools; create an IPAddressPool";
        let name = format!("default/{name}");
        assert_eq!((cluster.has(&name), cluster.from(&name)), (String::new(), None));
        assert_eq!(cluster.told(&name), ("AllocationFailed", message));
    }
    assert!(cluster.reasons().contains(&("a".to_owned(), "ClearAssignment")));
    cluster.configure([pool("home", &["192.0.2.0/30"])]);
    assert_eq!(cluster.has("default/a"), "192.0.2.0");
}

#[test]
fn point_26_a_pool_that_cannot_be_understood_takes_nothing_and_gives_nothing() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/24"]), pool("other", &["203.0.113.0/24"])]);
    cluster.apply_all([service("default/a").pool("home"), service("default/b").pool("home")]);
    let broken =
        || Configuration { faults: vec![fault("home")], ..configuration([pool("other", &["203.0.113.0/24"])]) };
    cluster.configure_with(broken());
    cluster.apply(service("default/c").pool("home"));
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.0".into(), "192.0.2.1".into()));
    assert_eq!(cluster.from("default/a"), Some("home"));
    let message = "pool home, which the annotation asks for, is not valid and gives nothing until it is";
    assert_eq!((cluster.has("default/c"), cluster.told("default/c").1), (String::new(), message));
    // Meanwhile nobody else gets what is held, even on request; who goes lets go.
    cluster.apply(service("default/d").wants("192.0.2.0"));
    assert_eq!(cluster.told("default/d").1, "192.0.2.0 is in no pool");
    cluster.delete("default/b");
    cluster.configure([pool("home", &["192.0.2.0/24"]), pool("other", &["203.0.113.0/24"])]);
    assert_eq!((cluster.has("default/a"), cluster.has("default/c")), ("192.0.2.0".into(), "192.0.2.1".into()));
    // Deleted is not broken.
    cluster.configure_with(Configuration { faults: vec![fault("elsewhere")], ..broken() });
    assert_eq!(cluster.has("default/a"), "");
}

#[test]
fn point_30_pools_are_counted_and_shared_addresses_once() {
    let buggy = Pool { avoid_buggy: true, ..pool("buggy", &["10.0.0.0/23"]) };
    let mut cluster = Cluster::new([
        pool("a", &["10.1.0.0/24", "10.2.0.0/25", "2001:db8::/120"]),
        buggy,
        pool("eight", &["11.0.0.0/8"]),
        pool("huge", &["2001:db8:1::/64", "2001:db8:2::/64"]),
        pool("under", &["2001:db8:3::/66"]),
    ]);
    for (pool, usage) in [
        ("a", (0, 0, 384, 256)),
        ("buggy", (0, 0, 508, 0)),
        ("eight", (0, 0, 1 << 24, 0)),
        ("huge", (0, 0, 0, i64::MAX)),
        ("under", (0, 0, 0, 1 << 62)),
    ] {
        assert_eq!(cluster.usage(pool), usage, "{pool}");
    }
    cluster.apply_all([
        service("default/a").shares("key"),
        service("default/b").shares("key").ports(&[443]),
        service("default/c"),
        service("default/d").dual(FamilyPolicy::Require, Family::V4),
        service("default/e").v6().pool("huge"),
        service("default/f").v6().pool("under"),
    ]);
    assert_eq!(cluster.usage("a"), (3, 1, 381, 255));
    assert_eq!(cluster.usage("huge"), (0, 1, 0, i64::MAX));
    assert_eq!(cluster.usage("under"), (0, 1, 0, (1 << 62) - 1));
    cluster.delete("default/a");
    assert_eq!(cluster.usage("a"), (3, 1, 381, 255));
    cluster.delete("default/b");
    assert_eq!(cluster.usage("a"), (2, 1, 382, 255));
    cluster.configure([pool("a", &["10.1.0.0/30"])]);
    assert_eq!(cluster.allocation.usage().len(), 1, "{:?}", cluster.allocation.usage());
}

#[test]
fn all_addresses_there_are_can_be_one_pool() {
    let mut cluster = Cluster::new([pool("all", &["0.0.0.0/0", "::/0"])]);
    cluster.apply_all([service("default/a"), service("default/b").v6()]);
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("0.0.0.0".into(), "::".into()));
    assert_eq!(cluster.usage("all"), (1, 1, (1 << 32) - 1, i64::MAX));
}

#[test]
fn pools_that_are_split_or_renamed_in_two_steps_lose_nobody() {
    let all = |cluster: &Cluster| ["a", "b", "c"].map(|name| cluster.has(&format!("default/{name}")));
    let before = ["192.0.2.0", "192.0.2.1", "192.0.2.2"].map(str::to_owned);
    for steps in [
        // The first half is applied, the second is refused until the next time.
        vec![
            vec![pool("home", &["192.0.2.0/31"])],
            vec![pool("home", &["192.0.2.0/31"]), pool("high", &["192.0.2.2/31"])],
        ],
        // Renamed: deleted, then created.
        vec![vec![], vec![pool("renamed", &["192.0.2.0/30"])]],
        vec![vec![pool("other", &["203.0.113.0/24"])], vec![pool("renamed", &["192.0.2.0/30"])]],
    ] {
        let mut cluster = Cluster::new([pool("home", &["192.0.2.0/30"])]);
        cluster.apply_all(["a", "b", "c"].map(|name| service(&format!("default/{name}"))));
        cluster.reasons();
        for pools in steps {
            cluster.reconfigure(configuration(pools));
            cluster.arrive();
            assert_eq!(all(&cluster), before);
            cluster.pass(GRACE - Duration::from_secs(1));
            assert_eq!(all(&cluster), before);
        }
        cluster.pass(GRACE);
        cluster.arrive();
        assert_eq!((all(&cluster), cluster.reasons()), (before.clone(), vec![]));
    }
}

#[test]
fn what_is_in_no_pool_is_taken_back_after_the_grace_and_given_to_nobody_before() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/31"])]);
    cluster.apply_all([service("default/a"), service("default/b")]);
    cluster.reconfigure(configuration([pool("other", &["203.0.113.0/31"])]));
    cluster.arrive();
    cluster.apply(service("default/c").wants("192.0.2.0"));
    assert_eq!(cluster.told("default/c").1, "192.0.2.0 is in no pool");
    // A change of the Service itself, a restart or another edit does not begin it anew, nor end it.
    cluster.pass(GRACE - Duration::from_secs(1));
    cluster.change("default/a", |service| service.ports = ports(&[443]));
    cluster.reconfigure(configuration([pool("other", &["203.0.113.0/32"])]));
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.0".into(), "192.0.2.1".into()));
    cluster.reasons();
    cluster.pass(Duration::from_secs(1));
    cluster.arrive();
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("203.0.113.0".into(), String::new()));
    let told = [("a", "ClearAssignment"), ("a", "IPAllocated"), ("b", "ClearAssignment"), ("b", "AllocationFailed")];
    assert_eq!(cluster.reasons(), told.map(|(name, reason)| (name.to_owned(), reason)));
    assert_eq!(cluster.allocation.next_due(), None);
    // One that asks for another pool does not wait.
    cluster.change("default/a", |service| service.requests.pool = Some("elsewhere".to_owned()));
    assert_eq!(cluster.has("default/a"), "");
}
