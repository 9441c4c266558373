//! One verdict for each state of a Service.

use serde_json::json;

use super::*;
use crate::{
    fixture::{self, condition, kill, typed},
    output::Style,
};

fn explain(objects: &Objects, subject: &str) -> Explanation {
    let (snapshot, _) = objects.index().take();
    Explanation::new(objects, &snapshot, &Subject::read(subject, "shop"))
}

#[test]
fn a_subject_is_an_address_or_a_service() {
    let service = |namespace: &str, name: &str| Subject::Service(ServiceKey::new(namespace, name));
    assert_eq!(Subject::read("192.0.2.1", "shop"), Subject::Address("192.0.2.1".parse().unwrap()));
    assert_eq!(Subject::read("2001:db8::1", "shop"), Subject::Address("2001:db8::1".parse().unwrap()));
    assert_eq!(Subject::read("web", "shop"), service("shop", "web"));
    assert_eq!(Subject::read("svc/web", "shop"), service("shop", "web"));
    assert_eq!(Subject::read("other/web", "shop"), service("other", "web"));
}

#[test]
fn who_answers_is_named_with_the_whole_chain() {
    let mut objects = fixture::cluster();
    objects.pods = vec![typed(json!({"metadata": {"name": "speaker-x1", "labels": {"component": "speaker"}},
        "spec": {"nodeName": "node-b", "containers": []}}))];
    objects.events = vec![
        typed(
            json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Service", "namespace": "shop", "name": "web"},
            "type": "Normal", "reason": "IPAllocated", "message": "Assigned IP", "lastTimestamp": fixture::NOW}),
        ),
        typed(
            json!({"metadata": {"name": "f"}, "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web"}}),
        ),
    ];
    for subject in ["web", "192.0.2.100"] {
        let explanation = explain(&objects, subject);
        assert!(explanation.is_well(), "{:?}", explanation.verdict);
        assert_eq!(explanation.verdict.message, "node-a answers for 192.0.2.100");
        let chain = &explanation.addresses[0];
        assert_eq!((chain.pool.as_str(), chain.advertisements.join(",")), ("pool", "all".to_owned()));
        assert_eq!((chain.candidates.len(), chain.others.len()), (3, 0));
        assert_eq!(chain.ask, ["kubectl -n metallb-system exec speaker-x1 -c speaker -- speaker explain 192.0.2.100"]);
        assert_eq!(explanation.events.len(), 1);
        let text = render(&explanation, Style::default());
        for part in ["node-a, then node-b, then node-c", "IPAllocated", "on eth0 02:00:00:00:00:01"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn the_first_broken_link_is_the_verdict() {
    let verdict = |objects: &Objects, subject: &str| {
        let explanation = explain(objects, subject);
        assert!(!explanation.is_well());
        explanation.verdict.message
    };
    assert!(verdict(&fixture::cluster(), "nobody").contains("no such Service"));
    assert!(verdict(&fixture::cluster(), "198.51.100.1").contains("no such Service"));

    let mut objects = fixture::cluster();
    let mut service = fixture::service("web", "");
    service["status"] =
        json!({"conditions": [condition("arpeggio.io/Allocated", "False", "AllocationFailed", "pool is full")]});
    objects.services[0] = typed(service);
    assert_eq!(verdict(&objects, "web"), "pool is full");

    let mut objects = fixture::cluster();
    objects.services[0].spec.as_mut().unwrap().load_balancer_class = Some("other.io/x".to_owned());
    assert!(verdict(&objects, "web").contains("other.io/x"));
    objects.services[0].spec.as_mut().unwrap().type_ = Some("ClusterIP".to_owned());
    assert!(verdict(&objects, "web").contains("not of type LoadBalancer"));

    let mut objects = fixture::cluster();
    kill(&mut objects, "node-a");
    assert!(verdict(&objects, "web").starts_with("node-a owned 192.0.2.100"));

    let mut objects = fixture::cluster();
    let mut nobody = fixture::announcement("192.0.2.100", "web", &["node-b"]);
    nobody["spec"]["l2"]["candidates"] = json!([]);
    nobody["status"] = json!({"conditions": [condition("Announced", "False", "NoEligibleNode", "no node may")]});
    objects.announcements[0] = typed(nobody);
    assert!(verdict(&objects, "web").contains("no node may"));
    let others = explain(&objects, "web").addresses.remove(0).others;
    assert_eq!(others.len(), 3, "every node has a reason");
}
