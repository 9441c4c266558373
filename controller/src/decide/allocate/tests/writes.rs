//! Between a decision and its arrival: what was decided holds, and what others write is taken seriously.

use super::*;

fn home() -> Pool {
    pool("home", &["192.0.2.1-192.0.2.9"])
}

fn given(cluster: &Cluster, name: &str) -> Vec<String> {
    let given = cluster.allocation.given(&key(name));
    given.map(|given| given.addresses.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn a_decision_holds_before_it_is_written() {
    let mut cluster = Cluster::new([home()]);
    let touched = cluster.post(service("default/b"));
    assert_eq!(touched.services, BTreeSet::from([key("default/b")]));
    assert_eq!(touched.addresses, BTreeSet::from([ip("192.0.2.1")]));
    assert_eq!(touched.pools, BTreeSet::from(["home".to_owned()]));
    cluster.post(service("default/a"));
    assert_eq!(
        (given(&cluster, "default/b"), given(&cluster, "default/a")),
        (vec!["192.0.2.1".into()], vec!["192.0.2.2".into()])
    );
    // The Service changes in another way, and comes once more without the status; and everything is looked at.
    assert_eq!(cluster.post(service("default/b").with(|service| service.labels = labels("a=b"))), Touched::default());
    assert_eq!(cluster.show(&Changes::everything()), Touched::default());
    cluster.arrive();
    assert_eq!((cluster.has("default/b"), cluster.has("default/a")), ("192.0.2.1".into(), "192.0.2.2".into()));
}

#[test]
fn what_was_decided_earlier_may_still_come() {
    let mut cluster = Cluster::new([home(), pool("lab", &["203.0.113.1-203.0.113.2"])]);
    cluster.post(service("default/a"));
    let moved = || service("default/a").pool("lab");
    cluster.post(moved());
    assert_eq!(given(&cluster, "default/a"), ["203.0.113.1"]);
    cluster.post(service("default/b"));
    assert_eq!(given(&cluster, "default/b"), ["192.0.2.1"], "it was given up before it was written");
    // The first write arrives after all, then the second.
    assert_eq!(cluster.post(moved().holding(&["192.0.2.1"])), Touched::default());
    assert_eq!(given(&cluster, "default/b"), ["192.0.2.1"]);
    cluster.arrive();
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("203.0.113.1".into(), "192.0.2.1".into()));
}

#[test]
fn an_emptied_status_is_filled_again_with_the_same() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply_all([service("default/a"), service("default/b")]);
    cluster.delete("default/a");
    cluster.change("default/b", |service| service.ingress.clear());
    assert_eq!(cluster.has("default/b"), "192.0.2.2");
}

#[test]
fn what_others_write_counts_if_it_is_allowed() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply_all([service("default/a"), service("default/b")]);
    cluster.reasons();
    let write = |address: &'static str| move |service: &mut Service| service.ingress = vec![ip(address)];
    cluster.change("default/a", write("192.0.2.7"));
    assert_eq!((cluster.has("default/a"), cluster.reasons()), ("192.0.2.7".into(), vec![]));
    for (foreign, why) in [("192.0.2.2", "another has it"), ("203.0.113.1", "it is in no pool")] {
        cluster.change("default/a", write(foreign));
        assert_eq!(cluster.has("default/a"), "192.0.2.7", "{why}");
        assert_eq!(cluster.reasons(), [], "{why}");
    }
    assert_eq!(cluster.has("default/b"), "192.0.2.2");
}

#[test]
fn what_stands_in_a_status_is_worth_more_than_what_was_only_decided() {
    // A replica that follows the leader decides too, but does not write: the leader may decide otherwise.
    let mut cluster = Cluster::new([home()]);
    cluster.post(service("default/a"));
    cluster.post(service("default/b"));
    assert_eq!(
        (given(&cluster, "default/a"), given(&cluster, "default/b")),
        (vec!["192.0.2.1".into()], vec!["192.0.2.2".into()])
    );
    cluster.post(service("default/b").holding(&["192.0.2.1"]));
    assert_eq!(
        (given(&cluster, "default/a"), given(&cluster, "default/b")),
        (vec!["192.0.2.2".into()], vec!["192.0.2.1".into()])
    );
    cluster.post(service("default/a").holding(&["192.0.2.9"]));
    assert_eq!(given(&cluster, "default/a"), ["192.0.2.9"]);
    cluster.arrive();
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.9".into(), "192.0.2.1".into()));
}

#[test]
fn another_service_of_the_name_is_another_service() {
    let mut cluster = Cluster::new([home()]);
    cluster.apply_all([service("default/a"), service("default/b")]);
    cluster.delete("default/a");
    cluster.apply(service("default/a").wants("192.0.2.4"));
    assert_eq!(cluster.has("default/a"), "192.0.2.4");
    // Deleted and created between two looks.
    cluster.reasons();
    cluster.post(service("default/a").with(|service| service.uid = "another".to_owned()));
    assert_eq!(given(&cluster, "default/a"), ["192.0.2.1"]);
    cluster.arrive();
    assert_eq!(cluster.reasons(), [("a".to_owned(), "IPAllocated")]);
}

#[test]
fn a_refusal_is_told_once_and_told_anew_when_it_is_another() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.1/32"])]);
    cluster.apply_all([service("default/a"), service("default/b")]);
    cluster.reasons();
    cluster.change("default/b", |service| service.labels = labels("a=b"));
    assert_eq!(cluster.reasons(), []);
    cluster.change("default/b", |service| service.requests.pool = Some("nowhere".to_owned()));
    assert_eq!(cluster.reasons(), [("b".to_owned(), "AllocationFailed")]);
}

#[test]
fn a_refusal_tells_of_what_is_spent_now() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.1-192.0.2.2", "2001:db8::1/128"])]);
    let both = service("default/c").dual(FamilyPolicy::Require, Family::V4).shares("key");
    cluster.apply_all([service("default/a").v6(), both]);
    let shared = |by: &str| format!(", and none can be shared: {by}, which does not share it");
    let six =
        format!("pool home: no free IPv6 address (1 of 1 in use{})", shared("2001:db8::1 is in use by default/a"));
    assert_eq!(cluster.told("default/c"), ("AllocationFailed", &*six));
    // Nothing comes free, and yet it is another story.
    cluster.apply_all([service("default/d"), service("default/e")]);
    let four = format!("pool home: no free IPv4 address (2 of 2 in use{})", shared("192.0.2.1 is in use by default/d"));
    assert_eq!(cluster.told("default/c").1, format!("{four}, {}", six.strip_prefix("pool home: ").unwrap()));
    cluster.delete("default/d");
    assert_eq!(cluster.told("default/c").1, six);
    cluster.delete("default/a");
    assert_eq!(cluster.has("default/c"), "192.0.2.1 2001:db8::1");
}

#[test]
fn a_refusal_names_a_user_of_the_present() {
    let mut cluster = Cluster::new([home()]);
    let sharing = |name, port| service(name).shares("key").ports(&[port]).wants("192.0.2.5");
    cluster.apply_all([sharing("default/m", 80), service("default/z").wants("192.0.2.5")]);
    let told =
        |user| format!("192.0.2.5 is in use by {user}, which shares it only with Services that have its sharing key");
    assert_eq!(cluster.told("default/z").1, told("default/m"));
    cluster.apply(sharing("default/b", 81));
    assert_eq!(cluster.told("default/z").1, told("default/b"), "the first by name");
    cluster.delete("default/b");
    assert_eq!(cluster.told("default/z").1, told("default/m"));
    cluster.delete("default/m");
    assert_eq!(cluster.has("default/z"), "192.0.2.5");
}

#[test]
fn one_that_takes_what_came_free_wakes_nobody_else_in_vain() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.1/32"])]);
    cluster.apply_all(["default/a", "default/b", "default/c", "default/d"].map(service));
    cluster.reasons();
    cluster.delete("default/a");
    assert_eq!(cluster.has("default/b"), "192.0.2.1");
    assert_eq!(cluster.reasons(), [("b".to_owned(), "IPAllocated")]);
}

#[test]
fn notices_are_of_the_latest_call_only() {
    let mut cluster = Cluster::new([home()]);
    cluster.post(service("default/a"));
    assert_eq!(cluster.allocation.outcome(&key("default/a")).unwrap().notices.len(), 1);
    cluster.show(&Changes::default());
    assert_eq!(cluster.allocation.outcome(&key("default/a")).unwrap().notices, []);
}

#[test]
fn duplicates_in_statuses_are_told_apart_by_name() {
    let mut cluster = Cluster::default();
    let services = ["default/a", "default/b"].map(|name| service(name).holding(&["192.0.2.5"]));
    cluster.snapshot.services = Arc::new(services.map(|service| (service.key.clone(), Arc::new(service))).into());
    cluster.configure([home()]);
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.5".into(), "192.0.2.1".into()));
    assert_eq!(cluster.reasons(), [("b".to_owned(), "ClearAssignment"), ("b".to_owned(), "IPAllocated")]);
}

#[test]
fn nonsense_in_a_status_is_cured() {
    let mut cluster = Cluster::new([pool("home", &["192.0.2.0/24", "2001:db8::/120"])]);
    for (name, nonsense) in [
        ("default/a", &["192.0.2.1", "192.0.2.2"][..]),
        ("default/b", &["192.0.2.1", "2001:db8::1", "2001:db8::2"]),
        ("default/c", &["2001:db8::1"]),
    ] {
        cluster.apply(service(name).holding(nonsense));
        assert_eq!(cluster.has(name).split(' ').count(), 1, "{name}: {}", cluster.has(name));
    }
    cluster.apply(service("default/d").holding(&["::ffff:192.0.2.77"]));
    assert_eq!(cluster.has("default/d"), "192.0.2.77");
}

#[test]
fn an_address_is_written_to_nobody_while_it_stands_in_another_status() {
    let mut cluster = Cluster::new([home(), pool("z-other", &["203.0.113.0/30"])]);
    cluster.apply_all([service("default/a").wants("192.0.2.1"), service("default/b").wants("192.0.2.2")]);
    // They swap: neither is written before the other is cleared.
    let swap = |cluster: &mut Cluster, name: &str, address: &str| {
        let wish = Service::clone(&cluster.snapshot.services[&key(name)]).wants(address);
        cluster.post(wish);
    };
    swap(&mut cluster, "default/a", "203.0.113.1");
    swap(&mut cluster, "default/b", "192.0.2.1");
    let (a, b) = (key("default/a"), key("default/b"));
    assert_eq!(cluster.allocation.given(&b).unwrap().addresses, [ip("192.0.2.1")]);
    assert_eq!((cluster.allocation.writable(&b), cluster.allocation.writable(&a)), (vec![], vec![ip("203.0.113.1")]));
    // The loss is seen: the gain can be written, and whoever gains is told so.
    let wish = cluster.wish(&cluster.snapshot.services[&a]).unwrap();
    cluster.write(wish);
    let touched = cluster.show_services([a]);
    assert!(touched.services.contains(&b), "{touched:?}");
    assert_eq!(cluster.allocation.writable(&b), [ip("192.0.2.1")]);
    cluster.arrive();
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("203.0.113.1".into(), "192.0.2.1".into()));

    // A real swap: both are cleared first.
    swap(&mut cluster, "default/a", "203.0.113.2");
    swap(&mut cluster, "default/b", "203.0.113.1");
    swap(&mut cluster, "default/a", "192.0.2.1");
    assert_eq!([key("default/a"), key("default/b")].map(|key| cluster.allocation.writable(&key).len()), [0, 0]);
    cluster.arrive();
    assert_eq!((cluster.has("default/a"), cluster.has("default/b")), ("192.0.2.1".into(), "203.0.113.1".into()));

    // One that is no load balancer any more, and one that is gone.
    cluster.post(service("default/c").wants("192.0.2.1"));
    let mut left = Service::clone(&cluster.snapshot.services[&key("default/a")]);
    left.load_balancer = false;
    cluster.post(left);
    assert!(cluster.allocation.writable(&key("default/c")).is_empty());
    cluster.arrive();
    assert_eq!(cluster.has("default/c"), "192.0.2.1");
    cluster.post(service("default/d").wants("203.0.113.1"));
    cluster.delete("default/b");
    assert_eq!(cluster.has("default/d"), "203.0.113.1");
}
