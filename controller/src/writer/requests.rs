//! What each write is on the wire.

use std::net::IpAddr;

use arpeggio_common::api::{
    Announcement, BFDProfile, BGPAdvertisement, BGPPeer, Community, ConfigurationState, IPAddressPool, L2Advertisement,
    ServiceL2Status,
    announcement::{AnnouncementSpec, L2, Mode, Route, ServiceReference},
    metallb::{InterfaceInfo, Nothing, ServiceL2StatusStatus},
    names, node_reference,
};
use k8s_openapi::{
    Resource as _,
    api::core::v1::{Event, EventSource, ObjectReference, Service},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time},
};
use serde_json::{Value, json};

use crate::{
    cluster::{
        Acceptance, AnnouncementContent, ConfigurationKind, L2StatusContent, Refusal, StateContent, StateOf,
        project::{ALLOCATED, ANNOUNCED, CONFLICT, state::result},
    },
    decide::{Notice, NoticeKind},
    names::label_value,
    plan::{ConditionChange, ConfiguredStatus, ServiceStatus, Subject},
};

/// Longest note of an event: the API server refuses longer ones.
const MAX_NOTE: usize = 1024;
/// Longest name of an object.
const MAX_NAME: usize = 253;

/// A strategic merge patch for `services/status`. Conditions of others stay. `now`: an RFC 3339 time.
pub(super) fn service_status(status: &ServiceStatus, now: &str) -> Value {
    let ingress: Vec<Value> = status.ingress.iter().map(|ip| json!({"ip": ip, "ipMode": "VIP"})).collect();
    let conditions: Vec<Value> = [
        (ALLOCATED, Words { wrong: "False", right: "True", cured: "Allocated" }, &status.allocated),
        (ANNOUNCED, Words { wrong: "False", right: "True", cured: "Announced" }, &status.announced),
        (CONFLICT, Words { wrong: "True", right: "False", cured: "OneWriter" }, &status.conflict),
    ]
    .into_iter()
    .filter_map(|(type_, words, change)| condition(type_, words, change, now))
    .collect();
    let mut patch = json!({
        "metadata": {
            "uid": status.uid,
            "resourceVersion": status.resource_version,
            "annotations": {names::ALLOCATED_FROM: status.allocated_from},
        },
        // The list is replaced as a whole; null takes it away.
        "status": {"loadBalancer": {"ingress": if ingress.is_empty() { Value::Null } else { ingress.into() }}},
    });
    if !conditions.is_empty() {
        patch["status"]["conditions"] = conditions.into();
    }
    patch
}

/// What a condition says.
struct Words {
    /// Its status while something is wrong.
    wrong: &'static str,
    /// Its status afterwards.
    right: &'static str,
    /// Its reason afterwards.
    cured: &'static str,
}

fn condition(type_: &str, words: Words, change: &ConditionChange, now: &str) -> Option<Value> {
    let (status, reason, message) = match change {
        ConditionChange::Keep => return None,
        ConditionChange::Remove => return Some(json!({"$patch": "delete", "type": type_})),
        ConditionChange::Cured => (words.right, words.cured, ""),
        ConditionChange::Trouble(refusal) | ConditionChange::Still(refusal) => {
            (words.wrong, refusal.reason.as_str(), refusal.message.as_str())
        }
    };
    let mut condition = json!({"type": type_, "status": status, "reason": reason, "message": message});
    // A field that a strategic merge patch leaves out stays as it is.
    if !matches!(change, ConditionChange::Still(_)) {
        condition["lastTransitionTime"] = now.into();
    }
    Some(condition)
}

/// The object to create.
pub(super) fn announcement(content: &AnnouncementContent) -> Announcement {
    let services = content.services.iter().map(|(key, uid)| ServiceReference {
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        uid: uid.clone(),
    });
    let l2 = content.candidates.as_ref().map(|candidates| L2 {
        candidates: candidates.iter().map(ToString::to_string).collect(),
        interfaces: content.interfaces.iter().map(ToString::to_string).collect(),
        mode: Mode::Exclusive,
    });
    let spec = AnnouncementSpec {
        address: content.address.to_string(),
        pool: content.pool.clone(),
        services: services.collect(),
        l2,
        bgp: content.routes.iter().map(Route::from).collect(),
    };
    Announcement::new(&names::announcement(content.address), spec)
}

/// A merge patch that makes the specification this one; what others put into metadata stays.
pub(super) fn announcement_patch(content: &AnnouncementContent, resource_version: &str) -> Value {
    let spec = announcement(content).spec;
    // Fields that are left out of a merge patch keep what they have: everything is named.
    let l2 = spec.l2.map(|l2| json!({"candidates": l2.candidates, "interfaces": l2.interfaces, "mode": l2.mode}));
    let bgp = (!spec.bgp.is_empty()).then_some(spec.bgp);
    json!({
        "metadata": {"resourceVersion": resource_version},
        "spec": {"address": spec.address, "pool": spec.pool, "services": spec.services, "l2": l2, "bgp": bgp},
    })
}

/// The whole status of an Announcement for which nobody is to answer, for server-side apply. `since`: an RFC 3339 time.
pub(super) fn silence(address: IpAddr, silence: &Refusal, version: &str, since: &str) -> Value {
    json!({
        "apiVersion": Announcement::API_VERSION,
        "kind": "Announcement",
        "metadata": {"name": names::announcement(address), "resourceVersion": version},
        "status": {"conditions": [{
            "type": names::ANNOUNCED,
            "status": "False",
            "reason": silence.reason,
            "message": silence.message,
            "lastTransitionTime": since,
        }]},
    })
}

/// A merge patch for the status of an object of the configuration. `now`: an RFC 3339 time.
///
/// Not server-side apply: the API server refuses that as a whole where an older definition of the kind has no conditions, or
/// where the object itself does not keep its definition, which is when there is something to say.
pub(super) fn configured_status(status: &ConfiguredStatus, now: &str) -> Value {
    let mut patch = json!({"status": {}});
    if let Some(usage) = status.usage {
        patch["status"] = json!({
            "assignedIPv4": usage.assigned_v4,
            "assignedIPv6": usage.assigned_v6,
            "availableIPv4": usage.available_v4,
            "availableIPv6": usage.available_v6,
        });
    }
    if let Some(change) = &status.accepted {
        let Acceptance { accepted, reason, message } = &change.says;
        let ours = json!({
            "type": names::ACCEPTED,
            "status": if *accepted { "True" } else { "False" },
            "reason": reason,
            "message": message,
            "observedGeneration": change.generation,
            "lastTransitionTime": change.since.as_deref().unwrap_or(now),
        });
        let conditions: Vec<Value> = change.others.iter().cloned().chain([ours]).collect();
        patch["status"]["conditions"] = conditions.into();
        // The list is written as a whole: nobody else may have written another one meanwhile.
        patch["metadata"] = json!({"resourceVersion": change.resource_version});
    }
    patch
}

/// The object to create; its status is written after.
pub(super) fn l2_status(name: &str, content: &L2StatusContent) -> ServiceL2Status {
    let mut object = ServiceL2Status::new(name, Nothing {});
    object.metadata.labels = Some(
        [
            ("metallb.io/node", label_value(&content.node)),
            ("metallb.io/service-name", content.service.name.to_string()),
            ("metallb.io/service-namespace", content.service.namespace.to_string()),
        ]
        .map(|(label, value)| (label.to_owned(), value))
        .into(),
    );
    object
}

/// A merge patch for the status of a ServiceL2Status.
pub(super) fn l2_status_patch(content: &L2StatusContent, resource_version: Option<&str>) -> Value {
    let status = ServiceL2StatusStatus {
        node: content.node.to_string(),
        service_name: content.service.name.to_string(),
        service_namespace: content.service.namespace.to_string(),
        interfaces: content.interfaces.iter().map(|name| InterfaceInfo { name: name.clone() }).collect(),
    };
    let mut patch = json!({"status": status});
    patch["status"]["interfaces"] = json!(status.interfaces);
    if let Some(version) = resource_version {
        patch["metadata"] = json!({"resourceVersion": version});
    }
    patch
}

/// The object to create; its status is written after. `owner`: uid of the Node that it goes with.
pub(super) fn state(of: &StateOf, owner: Option<&str>) -> ConfigurationState {
    let mut object = ConfigurationState::new(&of.name(), Nothing {});
    object.metadata.labels = Some(of.labels());
    if let (StateOf::Speaker(node), Some(uid)) = (of, owner) {
        object.metadata.owner_references = Some(vec![node_reference(node.as_str(), uid)]);
    }
    object
}

/// A merge patch that adds labels and owners where they are missing; `None`: all are there.
pub(super) fn metadata(wanted: &ObjectMeta, there: &ObjectMeta) -> Option<Value> {
    let labels = wanted.labels.iter().flatten();
    let lacks_label =
        labels.clone().any(|(label, value)| there.labels.as_ref().and_then(|all| all.get(label)) != Some(value));
    let mut owners = wanted.owner_references.iter().flatten();
    let lacks_owner = owners.any(|owner| !there.owner_references.iter().flatten().any(|other| other.uid == owner.uid));
    let mut patch = json!({});
    if lacks_label {
        patch["labels"] = json!(wanted.labels);
    }
    if lacks_owner {
        patch["ownerReferences"] = json!(wanted.owner_references);
    }
    (lacks_label || lacks_owner).then(|| json!({"metadata": patch}))
}

/// A merge patch for the status of a ConfigurationState: only we write that, so it takes whatever version is there. `since`: of
/// the condition, if not `now`, both RFC 3339 times.
pub(crate) fn state_patch(of: &StateOf, content: &StateContent, since: Option<&str>, now: &str) -> Value {
    let (status, reason) = content.soundness.condition();
    json!({"status": {
        "result": result(content.soundness),
        "errorSummary": content.errors,
        "conditions": [{
            "type": of.condition(),
            "status": status,
            "reason": reason,
            "message": content.message(),
            "lastTransitionTime": since.unwrap_or(now),
        }],
    }})
}

/// Who tells an event, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Teller<'a> {
    /// Identity of this process.
    pub(super) instance: &'a str,
    /// Makes the name of the event different from any other.
    pub(super) unique: u64,
    /// Now.
    pub(super) now: jiff::Timestamp,
}

/// An event about an object. `namespace`: that of the configuration.
///
/// It is one of `v1`: only there may the fields be filled that kubectl sorts by, and by which MetalLB's users find events
/// (`kubectl get events --field-selector source=metallb-speaker`). The API server refuses them in `events.k8s.io`.
pub(super) fn event(about: &Subject, uid: &str, notice: &Notice, namespace: &str, teller: Teller<'_>) -> Event {
    let kind = match notice.kind {
        NoticeKind::Normal => "Normal",
        NoticeKind::Warning => "Warning",
    };
    let regarding = reference(about, uid, namespace);
    let mut name = regarding.name.clone().unwrap_or_default();
    // A name has at most 253 characters, all of them ASCII; that of a Service has at most 63, but that of a pool has as many.
    name.truncate(MAX_NAME - 17);
    let name = format!("{}.{:016x}", name.trim_end_matches(['.', '-']), teller.unique);
    Event {
        metadata: ObjectMeta { namespace: regarding.namespace.clone(), name: Some(name), ..ObjectMeta::default() },
        action: Some(notice.reason.to_owned()),
        reason: Some(notice.reason.to_owned()),
        type_: Some(kind.to_owned()),
        message: Some(shortened(&notice.message)),
        involved_object: regarding,
        event_time: Some(MicroTime(teller.now)),
        first_timestamp: Some(Time(teller.now)),
        last_timestamp: Some(Time(teller.now)),
        count: Some(1),
        source: Some(EventSource { component: Some(notice.source().to_owned()), host: None }),
        reporting_component: Some(notice.source().to_owned()),
        reporting_instance: Some(teller.instance.chars().take(128).collect()),
        ..Event::default()
    }
}

fn reference(about: &Subject, uid: &str, namespace: &str) -> ObjectReference {
    let (api_version, kind, namespace, name) = match about {
        Subject::Service(key) => (Service::API_VERSION, Service::KIND, &*key.namespace, &*key.name),
        Subject::Configured(object) => {
            let api_version = match object.kind {
                ConfigurationKind::Pool => IPAddressPool::API_VERSION,
                ConfigurationKind::L2Advertisement => L2Advertisement::API_VERSION,
                ConfigurationKind::BgpAdvertisement => BGPAdvertisement::API_VERSION,
                ConfigurationKind::Peer => BGPPeer::API_VERSION,
                ConfigurationKind::Community => Community::API_VERSION,
                ConfigurationKind::BfdProfile => BFDProfile::API_VERSION,
            };
            (api_version, object.kind.name(), namespace, &*object.name)
        }
    };
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

fn shortened(note: &str) -> String {
    if note.len() <= MAX_NOTE {
        return note.to_owned();
    }
    format!("{}…", &note[..note.floor_char_boundary(MAX_NOTE - '…'.len_utf8())])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arpeggio_common::{
        api::Decoded,
        model::{Few, FewMap, InterfaceName, NodeName},
    };

    use super::*;
    use crate::{
        cluster::{ConfiguredName, PoolUsage, ServiceKey},
        plan::{AcceptedChange, Matter},
    };

    fn key() -> ServiceKey {
        ServiceKey::new("shop", "web")
    }

    fn status() -> ServiceStatus {
        ServiceStatus {
            key: key(),
            uid: "u".to_owned(),
            resource_version: "7".to_owned(),
            ingress: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            allocated_from: Some("gold".to_owned()),
            allocated: ConditionChange::Keep,
            announced: ConditionChange::Keep,
            conflict: ConditionChange::Keep,
            matter: Matter::Traffic,
            rival: None,
        }
    }

    #[test]
    fn one_patch_carries_addresses_annotation_and_preconditions() {
        assert_eq!(
            service_status(&status(), "now"),
            json!({
                "metadata": {"uid": "u", "resourceVersion": "7",
                    "annotations": {"metallb.io/ip-allocated-from-pool": "gold"}},
                "status": {"loadBalancer": {"ingress": [
                    {"ip": "192.0.2.1", "ipMode": "VIP"}, {"ip": "2001:db8::1", "ipMode": "VIP"}]}},
            })
        );
    }

    #[test]
    fn what_goes_is_taken_away_by_name() {
        let refusal = Refusal { reason: "AllocationFailed".to_owned(), message: "no pool".to_owned() };
        let wanted = ServiceStatus {
            ingress: Vec::new(),
            allocated_from: None,
            allocated: ConditionChange::Trouble(refusal),
            announced: ConditionChange::Remove,
            conflict: ConditionChange::Trouble(Refusal {
                reason: "StatusOverwritten".to_owned(),
                message: "x writes".to_owned(),
            }),
            ..status()
        };
        let patch = service_status(&wanted, "now");
        assert_eq!(patch["metadata"]["annotations"], json!({"metallb.io/ip-allocated-from-pool": null}));
        assert_eq!(patch["status"]["loadBalancer"], json!({"ingress": null}));
        assert_eq!(
            patch["status"]["conditions"],
            json!([{"type": "arpeggio.io/Allocated", "status": "False", "reason": "AllocationFailed",
                "message": "no pool", "lastTransitionTime": "now"},
                {"$patch": "delete", "type": "arpeggio.io/Announced"},
                {"type": "arpeggio.io/StatusConflict", "status": "True", "reason": "StatusOverwritten",
                "message": "x writes", "lastTransitionTime": "now"}])
        );
    }

    #[test]
    fn a_time_is_that_of_the_change_from_yes_to_no() {
        let refusal = Refusal { reason: "AllocationFailed".to_owned(), message: "another reason".to_owned() };
        let time = |allocated| {
            let patch = service_status(&ServiceStatus { allocated, ..status() }, "now");
            patch["status"]["conditions"][0].get("lastTransitionTime").cloned()
        };
        assert_eq!(time(ConditionChange::Still(refusal.clone())), None, "the API server keeps what is there");
        assert_eq!(time(ConditionChange::Trouble(refusal)), Some(json!("now")));
        assert_eq!(time(ConditionChange::Cured), Some(json!("now")));
    }

    #[test]
    fn the_status_of_a_pool_is_one_patch_that_keeps_what_others_say() {
        let others = vec![json!({"type": "Other", "status": "True"})];
        let says = Acceptance { accepted: false, reason: "Invalid".to_owned(), message: "m".to_owned() };
        let accepted = AcceptedChange {
            resource_version: "9".to_owned(),
            says,
            generation: 4,
            since: None,
            others: others.clone(),
        };
        let object = ConfiguredName::pool("gold");
        let usage = Some(PoolUsage { assigned_v4: 1, ..PoolUsage::default() });
        let both = ConfiguredStatus { object, usage, accepted: Some(accepted.clone()) };
        let patch = configured_status(&both, "now");
        assert_eq!(patch["metadata"], json!({"resourceVersion": "9"}));
        assert_eq!((&patch["status"]["assignedIPv4"], &patch["status"]["conditions"][0]), (&json!(1), &others[0]));
        let ours = json!({"type": "Accepted", "status": "False", "reason": "Invalid", "message": "m",
            "observedGeneration": 4, "lastTransitionTime": "now"});
        assert_eq!(patch["status"]["conditions"][1], ours);
        let since = Some("then".to_owned());
        let still = ConfiguredStatus { usage: None, accepted: Some(AcceptedChange { since, ..accepted }), ..both };
        let patch = configured_status(&still, "now");
        assert_eq!(patch["status"]["conditions"][1]["lastTransitionTime"], "then");
        assert_eq!(patch["status"].as_object().unwrap().len(), 1, "counters stay");
    }

    #[test]
    fn who_is_not_to_answer_is_replaced_by_the_reason() {
        use crate::cluster::project::{Object, Watched as _};
        let why = Refusal { reason: "NoEndpoints".to_owned(), message: "192.0.2.1 is not announced".to_owned() };
        let mut object = silence("192.0.2.1".parse().unwrap(), &why, "7", "2026-01-01T00:00:00Z");
        assert_eq!(object["metadata"], json!({"name": "192.0.2.1", "resourceVersion": "7"}));
        assert_eq!(object["status"].as_object().unwrap().len(), 1, "what an owner wrote goes: {object}");
        object["spec"] = json!({"address": "192.0.2.1"});
        let read: Decoded<Announcement> = serde_json::from_value(object).unwrap();
        let Ok(Object::Announcement(facts)) = read.project() else { panic!("unreadable") };
        let trouble = facts.observed.trouble.unwrap();
        assert_eq!((trouble.says, trouble.since.as_str()), (why, "2026-01-01T00:00:00Z"));
    }

    fn content() -> AnnouncementContent {
        let route = Route {
            prefix: "2001:db8::/64".to_owned(),
            local_pref: 200,
            communities: vec!["64512:100".to_owned()],
            large_communities: vec!["64512:100:1".to_owned()],
            peers: vec!["rack".to_owned()],
            nodes: Some(vec!["node-a".to_owned()]),
        };
        let route = route.validate("2001:db8::1".parse().unwrap()).unwrap();
        AnnouncementContent {
            address: "2001:db8::1".parse().unwrap(),
            pool: "gold".to_owned(),
            services: FewMap::from([(key(), "u".to_owned())]),
            candidates: Some(vec![NodeName::try_from("node-b").unwrap(), NodeName::try_from("node-a").unwrap()]),
            interfaces: BTreeSet::from([InterfaceName::try_from("eth0").unwrap()]),
            routes: BTreeSet::from([route]),
        }
    }

    #[test]
    fn what_is_created_is_read_back_as_the_same() {
        use crate::cluster::project::{Object, Watched as _};
        for content in [content(), AnnouncementContent { candidates: None, interfaces: BTreeSet::new(), ..content() }] {
            let object = serde_json::to_value(announcement(&content)).unwrap();
            let read: Decoded<Announcement> = serde_json::from_value(object).unwrap();
            let Ok(Object::Announcement(facts)) = read.project() else { panic!("unreadable") };
            assert_eq!(facts.observed.content.as_ref(), Some(&content));
        }
    }

    #[test]
    fn a_patch_of_an_announcement_names_every_field_it_wants_empty() {
        let bare =
            AnnouncementContent { candidates: None, interfaces: BTreeSet::new(), routes: BTreeSet::new(), ..content() };
        let patch = announcement_patch(&bare, "9");
        for field in ["l2", "bgp"] {
            assert_eq!(patch["spec"].as_object().unwrap().get(field), Some(&Value::Null), "{field}");
        }
        assert_eq!(patch["metadata"]["resourceVersion"], "9");
        let open = AnnouncementContent { interfaces: BTreeSet::new(), ..content() };
        assert_eq!(announcement_patch(&open, "9")["spec"]["l2"]["interfaces"], json!([]));
    }

    #[test]
    fn counters_and_reports_have_the_names_of_metallb() {
        let usage = PoolUsage { assigned_v4: 1, assigned_v6: 2, available_v4: 3, available_v6: 4 };
        let counters = ConfiguredStatus { object: ConfiguredName::pool("gold"), usage: Some(usage), accepted: None };
        let patch = configured_status(&counters, "now");
        assert_eq!(patch.get("metadata"), None, "counters are written whatever is there");
        let status: arpeggio_common::api::metallb::IPAddressPoolStatus =
            serde_json::from_value(patch["status"].clone()).unwrap();
        assert_eq!((status.assigned_ipv4, status.available_ipv6), (1, 4));
        let content =
            L2StatusContent { service: key(), node: NodeName::try_from("node-a").unwrap(), interfaces: Few::new() };
        assert_eq!(
            l2_status_patch(&content, Some("3")),
            json!({"metadata": {"resourceVersion": "3"},
                "status": {"node": "node-a", "serviceName": "web", "serviceNamespace": "shop", "interfaces": []}})
        );
        assert_eq!(l2_status("l2-x", &content).metadata.labels.unwrap()["metallb.io/service-name"], "web");
    }

    #[test]
    fn the_state_of_a_node_goes_with_its_node() {
        let of = StateOf::Speaker(NodeName::try_from("node-a").unwrap());
        let object = state(&of, Some("n1"));
        let owners = json!(object.metadata.owner_references);
        assert_eq!(owners, json!([{"apiVersion": "v1", "kind": "Node", "name": "node-a", "uid": "n1"}]));
        assert_eq!(metadata(&object.metadata, &object.metadata), None);
        let bare = ObjectMeta { owner_references: None, ..object.metadata.clone() };
        assert_eq!(metadata(&object.metadata, &bare), Some(json!({"metadata": {"ownerReferences": owners}})));
        let before = state(&of, Some("n0")).metadata;
        assert!(metadata(&object.metadata, &before).is_some(), "a Node of that name before it");
        let unlabelled = ObjectMeta { labels: None, ..object.metadata.clone() };
        let patch = metadata(&object.metadata, &unlabelled).unwrap();
        assert_eq!(patch["metadata"]["labels"]["metallb.io/node-name"], "node-a");
        assert_eq!(state(&StateOf::Controller, None).metadata.owner_references, None);
    }

    #[test]
    fn an_event_has_everything_that_the_api_server_asks_for() {
        let notice = Notice { kind: NoticeKind::Warning, reason: "AllocationFailed", message: "ä".repeat(2000) };
        let teller = Teller { instance: "pod-1", unique: 255, now: jiff::Timestamp::UNIX_EPOCH };
        let told = |about: Subject| event(&about, "u", &notice, "m", teller);
        let event = told(Subject::Service(key()));
        assert_eq!(event.metadata.name.as_deref(), Some("web.00000000000000ff"));
        let source = event.source.unwrap().component;
        assert_eq!((source.as_deref(), event.reporting_component), (Some("metallb-controller"), source.clone()));
        assert_eq!((event.type_.as_deref(), event.count), (Some("Warning"), Some(1)));
        let now = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!((&event.first_timestamp, &event.last_timestamp), (&now, &now));
        let note = event.message.unwrap();
        assert!(note.len() <= 1024 && note.ends_with("ä…"), "{}", note.len());
        let regarding = event.involved_object;
        assert_eq!((regarding.kind.as_deref(), regarding.api_version.as_deref()), (Some("Service"), Some("v1")));
        assert!(event.action.is_some() && event.event_time.is_some() && event.reporting_instance.is_some());

        let assigned = Notice { reason: "nodeAssigned", ..notice.clone() };
        let event = super::event(&Subject::Service(key()), "u", &assigned, "m", teller);
        assert_eq!(event.source.unwrap().component.as_deref(), Some("metallb-speaker"));

        let event = told(Subject::Configured(ConfiguredName::l2(&format!("{}.a", "b".repeat(235)))));
        let name = event.metadata.name.unwrap();
        assert_eq!((name.len(), name.ends_with("bb.00000000000000ff")), (252, true), "{name}");
        assert_eq!(event.metadata.namespace.as_deref(), Some("m"));
        let regarding = event.involved_object;
        let what = (regarding.kind.as_deref(), regarding.api_version.as_deref(), regarding.namespace.as_deref());
        assert_eq!(what, (Some("L2Advertisement"), Some("metallb.io/v1beta1"), Some("m")));
    }
}
