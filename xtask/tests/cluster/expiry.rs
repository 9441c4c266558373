//! The versions that watches want to resume from are forgotten while they are cut off: they have to list anew, and find what
//! came and what went meanwhile.

use xtask::lab::{
    clients,
    cluster::{Cluster, audit::Request},
    eventually,
};

use super::{
    bed::{Bed, CONTROLLER, NODES, SOON, SPEAKER, name},
    harness::Scenario,
};

pub(crate) const SCENARIOS: &[Scenario] =
    &[("watches_whose_version_has_expired_lose_nothing", watches_whose_version_has_expired_lose_nothing)];

fn cut_off(bed: &Bed<'_>, cut: bool) {
    NODES.iter().for_each(|node| bed.cluster.cut_off(node, cut).unwrap());
    bed.controllers.iter().for_each(|controller| controller.cut_off(bed.cluster, cut).unwrap());
}

fn watches_whose_version_has_expired_lose_nothing(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    bed.serve("early");
    let (addresses, early) = (bed.addresses(), bed.address("early"));
    let owners = addresses.map(|address| bed.owner(address, ""));
    bed.owner(early, "");
    bed.settled();
    let asker = bed.asker(&addresses);

    cut_off(&bed, true);
    // A new API server remembers nothing either, and has nothing under way to those who are cut off.
    cluster.api_server().kill().unwrap();
    cluster.api_server().restart().unwrap();
    cluster.wait_ready().unwrap();
    let before = (cluster.requests().unwrap().len(), bed.writes().len());
    cluster.kubectl(&["delete", "service", "early"]).unwrap();
    cluster.kubectl(&["delete", "announcement", &name(early)]).unwrap();
    bed.serve("late");
    let compacted = cluster.compact().unwrap();
    cut_off(&bed, false);

    let late = bed.address("late");
    bed.owner(late, "");
    if late != early {
        let silence = || clients::expect_silence(&cluster.segment().client, early);
        eventually(SOON, "nobody to answer for what is gone", silence).unwrap();
    }
    assert_eq!(bed.addresses(), addresses, "addresses are kept");
    assert_eq!(addresses.map(|address| bed.owner(address, "")), owners, "nothing moved");
    let writes = bed.settled();
    let mut requests = cluster.requests().unwrap().split_off(before.0);
    requests.retain(|request| [CONTROLLER, SPEAKER].contains(&request.user.as_str()));
    // Slices are never listed anew on demand: only by who was told that the version has expired.
    for (user, resource, path) in [
        (CONTROLLER, "endpointslices", "/apis/discovery.k8s.io/v1/endpointslices"),
        (SPEAKER, "announcements", "/apis/arpeggio.io/v1alpha1/announcements"),
    ] {
        let version = refused(&requests, user, resource, compacted);
        let answer =
            cluster.kubectl(&["get", "--raw", &format!("{path}?watch=1&timeoutSeconds=1&resourceVersion={version}")]);
        assert!(answer.as_ref().is_ok_and(|text| text.contains("\"code\":410")), "{answer:?}");
    }
    let old: Vec<String> = addresses.iter().map(|address| name(*address)).chain(["e2e".to_owned()]).collect();
    // The pool has the name of the Service, and its counters did change.
    let again = |write: &&Request| old.contains(&write.name) && !write.resource.starts_with("ipaddresspools");
    let again: Vec<&Request> = writes[before.1..].iter().filter(again).collect();
    assert!(again.is_empty(), "written again: {again:?}");
    let account = asker.stop().unwrap();
    assert_eq!((account.lost, account.doubled), (0, 0), "{account:?}");
}

/// The version that a watch of this user wanted to resume from after all versions up to `compacted` were forgotten; a new list
/// has followed.
fn refused(requests: &[Request], user: &str, resource: &str, compacted: u64) -> u64 {
    let mine: Vec<&Request> =
        requests.iter().filter(|request| request.user == user && request.resource == resource).collect();
    let old =
        |request: &&Request| request.verb == "watch" && request.version.is_some_and(|version| version < compacted);
    let tried = mine.iter().position(old).unwrap_or(mine.len());
    let version = mine.get(tried).and_then(|request| request.version);
    assert!(version.is_some(), "no watch of {user} wanted to resume {resource}: {mine:?}");
    assert!(mine[tried..].iter().any(|request| request.verb == "list"), "no new list: {mine:?}");
    version.unwrap()
}
