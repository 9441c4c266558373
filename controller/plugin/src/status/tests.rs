//! What the screen says of a cluster, sound or not.

use serde_json::json;

use super::*;
use crate::{
    fixture::{self, condition, kill, typed},
    output::{Severity, Style},
};

fn status(objects: &Objects) -> Status {
    let (snapshot, _) = objects.index().take();
    Status::new(objects, &snapshot)
}

/// Subject and next command of each problem.
fn problems(objects: &Objects) -> Vec<(String, String)> {
    let findings = status(objects).findings.into_iter();
    findings.filter(|one| one.severity == Severity::Problem).map(|one| (one.subject, one.next)).collect()
}

#[test]
fn a_sound_cluster_has_no_findings_and_every_table() {
    let status = status(&fixture::cluster());
    assert_eq!(status.findings, []);
    assert!(status.is_well());
    let text = render(&status, Style::default());
    for part in ["nothing is wrong", "arpeggio-controller", "node-c", "192.0.2.100-192.0.2.109", "shop/api"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(render(&status, Style { wide: true, colour: false }).contains("node-b, node-c, node-a"));
    assert_eq!((status.pools[0].used_v4, status.pools[0].free_v4), (2, 8));
    assert_eq!(status.speakers.iter().map(|row| row.owned).collect::<Vec<_>>(), [1, 1, 0]);
}

#[test]
fn each_problem_has_a_next_command() {
    let mut objects = fixture::cluster();
    kill(&mut objects, "node-a");
    let found = problems(&objects);
    assert_eq!(found[0].0, "speaker on node-a");
    assert!(found[0].1.contains("spec.nodeName=node-a"), "{found:?}");
    assert_eq!(found[1], ("address 192.0.2.100".to_owned(), "kubectl arpeggio explain 192.0.2.100".to_owned()));
    assert_eq!(found.len(), 2);

    let mut objects = fixture::cluster();
    objects.leases.remove(0);
    assert_eq!(problems(&objects)[0].0, "controller");

    let mut objects = fixture::cluster();
    let mut waiting = fixture::service("late", "");
    waiting["status"] =
        json!({"conditions": [condition("arpeggio.io/Allocated", "False", "AllocationFailed", "every pool is full")]});
    objects.services.push(typed(waiting));
    assert_eq!(problems(&objects), [("Service shop/late".to_owned(), "kubectl arpeggio explain shop/late".to_owned())]);

    let mut objects = fixture::cluster();
    let mut refused = fixture::pool("pool", &["nonsense"]);
    refused["status"] = json!({"conditions": [condition("Accepted", "False", "Invalid", "is no address")]});
    objects.pools[0] = typed(refused);
    assert_eq!(problems(&objects)[0].1, "kubectl -n metallb-system edit ipaddresspools pool");
}

#[test]
fn what_is_no_fault_is_a_warning() {
    let mut objects = fixture::cluster();
    objects.nodes[1].metadata.annotations = Some([("arpeggio.io/evacuate".to_owned(), "true".to_owned())].into());
    objects.nodes.push(typed(fixture::node("node-d")));
    let status = status(&objects);
    assert!(status.is_well());
    let subjects: Vec<&str> = status.findings.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(subjects, ["speaker on node-b", "node node-d"]);
    assert!(render(&status, Style::default()).contains("node-b (evacuated)"));
}
