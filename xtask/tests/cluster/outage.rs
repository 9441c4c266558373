//! etcd is away for a minute: nothing can be written, and soon nothing read. Clients do not notice.

use anyhow::ensure;
use xtask::lab::{
    cluster::{Cluster, audit::Request},
    eventually,
};

use super::{
    bed::{Bed, RATE, SOON, name},
    harness::Scenario,
};

/// How long, in requests of the client: every lease, of speakers and of the leader, runs out several times.
const MINUTE: u64 = 60 * RATE as u64;

pub(crate) const SCENARIOS: &[Scenario] =
    &[("a_minute_without_etcd_costs_no_answer", a_minute_without_etcd_costs_no_answer)];

fn a_minute_without_etcd_costs_no_answer(cluster: &Cluster) {
    let bed = Bed::new(cluster, "Cluster");
    let addresses = bed.addresses();
    let owners = addresses.map(|address| bed.owner(address, ""));
    let speaker = bed.speaker(owners[0]);
    eventually(SOON, "the snapshot that carries a restart", || {
        let status = speaker.status()?;
        ensure!(status["kubernetes"]["snapshotAgoMs"].is_u64(), "{:#}", status["kubernetes"]);
        Ok(())
    })
    .unwrap();
    let before = bed.settled().len();

    let (asker, requests) = (bed.asker(&addresses), bed.requests(addresses[0]));
    cluster.etcd().kill().unwrap();
    speaker.terminate().unwrap();
    speaker.restart().unwrap();
    speaker.wait_ready().unwrap();
    eventually(3 * SOON, "a minute to pass", || {
        let account = requests.so_far();
        ensure!(account.sent >= MINUTE, "{} requests", account.sent);
        Ok(())
    })
    .unwrap();
    cluster.etcd().restart().unwrap();
    cluster.wait_ready().unwrap();

    // Everybody is back at work: something new goes all the way.
    bed.serve("new");
    let new = bed.address("new");
    bed.owner(new, "");
    eventually(SOON, "the restarted speaker to follow the API again", || {
        let status = speaker.status()?;
        ensure!(status["kubernetes"]["source"] == "api", "{:#}", status["kubernetes"]);
        Ok(())
    })
    .unwrap();
    assert_eq!(addresses.map(|address| bed.owner(address, "")), owners, "nothing moved");
    let writes = bed.settled();
    let old: Vec<String> = addresses.iter().map(|address| name(*address)).chain(["e2e".to_owned()]).collect();
    // The pool has the name of the Service, and its counters did change.
    let again = |write: &&Request| old.contains(&write.name) && !write.resource.starts_with("ipaddresspools");
    let again: Vec<&Request> = writes[before..].iter().filter(again).collect();
    assert!(again.is_empty(), "written again: {again:?}");
    let account = asker.stop().unwrap();
    assert_eq!((account.lost, account.doubled), (0, 0), "{account:?}");
    requests.stop().unwrap().expect_complete().unwrap();
}
