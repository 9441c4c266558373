//! Pure: what this node says about itself in its Speaker object.

use std::collections::BTreeMap;

use arpeggio_common::{
    api::speaker::{Authentication, BgpSession, SpeakerInterface, SpeakerStatus, SpeakerSuccession},
    model::Keys,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::{
    bgp::{BgpReport, SessionReport},
    decide::Desired,
    status::{AttachmentFacts, PathFault, attach_mode_name},
    world::Links,
};

/// Faults that are spelled out; the object has to stay small.
const SPELLED_OUT: usize = 5;

/// What is known of the agent.
pub struct Health<'h> {
    /// Interfaces that are served, or should be.
    pub desired: &'h Desired,
    /// All interfaces.
    pub links: &'h Links,
    /// How each is served.
    pub attachments: &'h BTreeMap<u32, AttachmentFacts>,
    /// Names of drivers, by interface index.
    pub drivers: &'h BTreeMap<u32, String>,
    /// Who wants the node to be evacuated; nobody: it is not.
    pub evacuated_by: &'h [&'static str],
    /// Announcements that cannot be used, and why.
    pub faults: &'h [(String, String)],
    /// Addresses that it owns.
    pub owned: usize,
    /// By what it knows the frames of others.
    pub keys: &'h Keys,
    /// What does not come through between it and others, with the interface's name.
    pub path_faults: &'h [(String, PathFault)],
    /// How it stands with BGP.
    pub bgp: Option<&'h BgpReport>,
}

/// The status. The times of its conditions mean nothing.
pub fn speaker_status(health: &Health<'_>) -> SpeakerStatus {
    SpeakerStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        interfaces: health.desired.interfaces.keys().filter_map(|index| interface(health, *index)).collect(),
        owned: i64::try_from(health.owned).unwrap_or(i64::MAX),
        succession: Some(SpeakerSuccession { authentication: Some(authentication(health.keys)) }),
        // Absent where no router daemon is driven: the controller has to know, or it says that BGP peers get routes.
        bgp_sessions: health.bgp.filter(|bgp| bgp.is_driven()).map(sessions),
        conditions: vec![ready(health), evacuating(health), accepted(health), connected(health.path_faults)],
    }
}

fn sessions(report: &BgpReport) -> Vec<BgpSession> {
    let session = |session: &SessionReport| {
        let facts = session.facts.as_ref();
        let sent = facts.filter(|_| session.is_up()).map_or(0, |facts| facts.sent);
        BgpSession {
            peer: session.peer.clone(),
            state: session.state().to_owned(),
            since: i64::try_from(session.since_s).ok().and_then(|s| Timestamp::from_second(s).ok()).map(Time),
            prefixes: i64::try_from(sent).unwrap_or(i64::MAX),
            bfd: facts.and_then(|facts| Some(facts.bfd.as_ref()?.status.clone())).unwrap_or_default(),
            last_error: session.last_error.clone().unwrap_or_default(),
        }
    };
    report.sessions.iter().map(session).collect()
}

fn authentication(keys: &Keys) -> Authentication {
    Authentication { keys: keys.fingerprints(), refuses_unauthenticated: !keys.accept_unauthenticated() }
}

fn interface(health: &Health<'_>, index: u32) -> Option<SpeakerInterface> {
    let link = health.links.0.get(&index)?;
    let attachment = health.attachments.get(&index);
    let better = attachment.map(|attachment| attachment.steps_down.as_slice()).unwrap_or_default();
    let behind = attachment.map(|attachment| attachment.behind.as_slice()).unwrap_or_default();
    let behind = behind.iter().map(|program| format!("behind {program}, which may take requests away"));
    let steps = better.iter().map(|(mode, why)| format!("not {}: {why}", attach_mode_name(*mode)));
    let reasons: Vec<_> = behind.chain(steps).collect();
    let subnets = link.addresses.iter().filter(|net| match net.addr() {
        std::net::IpAddr::V4(_) => true,
        std::net::IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    });
    Some(SpeakerInterface {
        name: link.name.clone(),
        mac: link.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        addresses: subnets.map(ToString::to_string).collect(),
        attached: attachment
            .and_then(|attachment| attachment.mode)
            .map(attach_mode_name)
            .unwrap_or_default()
            .to_owned(),
        driver: health.drivers.get(&index).cloned().unwrap_or_default(),
        carrier: link.carrier,
        reason: reasons.join("; "),
    })
}

fn ready(health: &Health<'_>) -> Condition {
    let served = |index: &u32| health.attachments.get(index).is_some_and(|attachment| attachment.mode.is_some());
    let (good, bad): (Vec<_>, Vec<_>) = health.desired.interfaces.iter().partition(|(index, _)| served(index));
    let names = |interfaces: &[(&u32, &crate::decide::DesiredInterface)]| {
        interfaces.iter().map(|(_, interface)| interface.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    match (good.is_empty(), bad.is_empty()) {
        (false, true) => condition("Ready", true, "Attached", format!("answers on {}", names(&good))),
        (false, false) => {
            let text = format!("answers on {}, nothing could be attached to {}", names(&good), names(&bad));
            condition("Ready", true, "PartlyAttached", text)
        }
        (true, false) => {
            condition("Ready", false, "NotAttached", format!("nothing could be attached to {}", names(&bad)))
        }
        (true, true) => condition("Ready", false, "NoInterface", "no interface of the node is eligible".to_owned()),
    }
}

fn evacuating(health: &Health<'_>) -> Condition {
    match health.evacuated_by {
        [] => condition("Evacuating", false, "NotAsked", "the node takes part".to_owned()),
        by => {
            let left = match health.owned {
                0 => String::new(),
                left => format!("; {left} addresses are answered here until another candidate takes them over"),
            };
            let told = format!("other nodes take over, as asked by {}{left}", by.join(" and "));
            condition("Evacuating", true, "Asked", told)
        }
    }
}

fn accepted(health: &Health<'_>) -> Condition {
    if health.faults.is_empty() {
        return condition("Accepted", true, "Valid", "every Announcement is understood".to_owned());
    }
    let told: Vec<_> = health.faults.iter().take(SPELLED_OUT).map(|(name, why)| format!("{name}: {why}")).collect();
    let more = health.faults.len().saturating_sub(SPELLED_OUT);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    condition("Accepted", false, "Invalid", told.join("; ") + &more)
}

fn connected(faults: &[(String, PathFault)]) -> Condition {
    let told = faults.iter().map(|(interface, fault)| format!("{interface}: {}", fault.lasting()));
    let told: Vec<_> = told.collect();
    let unanswered = faults.iter().any(|(_, fault)| matches!(fault, PathFault::Unanswered(_)));
    match (told.is_empty(), unanswered) {
        (true, _) => condition("Connected", true, "Answered", "other speakers answer this node".to_owned()),
        (false, true) => condition("Connected", false, "NotAnswered", told.join("; ")),
        (false, false) => condition("Connected", true, "NotFlooded", told.join("; ")),
    }
}

fn condition(kind: &str, holds: bool, reason: &str, message: String) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
        observed_generation: None,
    }
}

#[cfg(test)]
mod tests {
    use arpeggio_common::{model::Key, wire::Mac};

    use super::*;
    use crate::{
        decide::{AttachMode, AttachPolicy, DesiredInterface},
        world::{LinkKind, testing::card},
    };

    fn desired(indices: &[u32]) -> Desired {
        let interface = |index: &u32| DesiredInterface {
            name: format!("eth{index}"),
            mac: Mac([2, 0, 0, 0, 0, 1]),
            kind: LinkKind::Physical,
            carries_vlans: false,
            carrier: true,
            policy: AttachPolicy::Auto,
        };
        Desired { interfaces: indices.iter().map(|index| (*index, interface(index))).collect(), ..Desired::default() }
    }

    fn status(modes: &[(u32, Option<AttachMode>)], faults: &[(String, String)], by: &[&'static str]) -> SpeakerStatus {
        let links = Links([(2, card(2, "eth2", &["192.0.2.7/24", "fe80::7/64", "2001:db8::7/64"]))].into());
        let attachments = modes.iter().map(|(index, mode)| {
            let steps_down = vec![(AttachMode::Native, "no".to_owned())];
            (*index, AttachmentFacts { mode: *mode, steps_down, ..AttachmentFacts::default() })
        });
        let indices: Vec<_> = modes.iter().map(|(index, _)| *index).collect();
        speaker_status(&Health {
            desired: &desired(&indices),
            links: &links,
            attachments: &attachments.collect(),
            drivers: &[(2, "virtio_net".to_owned())].into(),
            evacuated_by: by,
            faults,
            owned: 3,
            keys: &Keys::new(vec![Key::new([7; 16]).unwrap()], false).unwrap(),
            path_faults: &[],
            bgp: None,
        })
    }

    fn told(status: &SpeakerStatus, kind: &str) -> (String, String) {
        let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
        (condition.status.clone(), condition.reason.clone())
    }

    #[test]
    fn interfaces_are_told_with_their_subnets_and_how_they_are_served() {
        let status = status(&[(2, Some(AttachMode::Tcx)), (3, None)], &[], &[]);
        assert_eq!(
            status.interfaces,
            [SpeakerInterface {
                name: "eth2".into(),
                mac: "02:00:00:00:00:02".into(),
                addresses: vec!["192.0.2.7/24".into(), "2001:db8::7/64".into()],
                attached: "tcx".into(),
                driver: "virtio_net".into(),
                carrier: true,
                reason: "not native: no".into(),
            }]
        );
        assert_eq!((status.owned, status.version.is_empty()), (3, false));
        assert_eq!(told(&status, "Ready"), ("True".into(), "PartlyAttached".into()));
        assert_eq!(told(&status, "Evacuating"), ("False".into(), "NotAsked".into()));
        assert_eq!(told(&status, "Accepted"), ("True".into(), "Valid".into()));
    }

    #[test]
    fn whether_frames_of_speakers_come_through_is_told() {
        let unanswered = ("eth2".to_owned(), PathFault::Unanswered(45_000));
        let unflooded = ("eth3".to_owned(), PathFault::Unflooded("node-b".to_owned()));
        let told = |faults: &[(String, PathFault)]| {
            let condition = connected(faults);
            (condition.status, condition.reason, condition.message)
        };
        assert_eq!((told(&[]).0.as_str(), told(&[]).1.as_str()), ("True", "Answered"));
        let (status, reason, message) = told(std::slice::from_ref(&unflooded));
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("True", "NotFlooded"),
            "heartbeats and claims by unicast remain"
        );
        assert!(message.starts_with("eth3: node-b answers heartbeats, but not"), "{message}");
        let (status, reason, message) = told(&[unanswered, unflooded]);
        assert_eq!((status.as_str(), reason.as_str()), ("False", "NotAnswered"));
        assert!(message.contains("eth2: no other node answers") && message.contains("; eth3: "), "{message}");
    }

    #[test]
    fn sessions_are_told_where_a_router_daemon_is_driven() {
        use crate::bgp::Engine;
        let session = SessionReport { peer: "tor".to_owned(), since_s: 7, ..SessionReport::default() };
        let report = |engine| BgpReport { engine, sessions: vec![session.clone()], ..BgpReport::default() };
        let told = sessions(&report(Engine::Silent));
        assert_eq!((told[0].peer.as_str(), told[0].state.as_str(), told[0].prefixes), ("tor", "Idle", 0));
        assert_eq!(told[0].since.as_ref().map(|Time(since)| since.as_second()), Some(7));
        let drives = |engine| report(engine).is_driven();
        assert!(drives(Engine::Driven) && drives(Engine::Idle) && !drives(Engine::Absent) && !drives(Engine::Waiting));
        assert_eq!(status(&[(2, None)], &[], &[]).bgp_sessions, None);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let faults: Vec<_> = (0..7).map(|index| (format!("192.0.2.{index}"), "bad".to_owned())).collect();
        let bad = status(&[(2, None)], &faults, &["spec.evacuate"]);
        assert_eq!(told(&bad, "Ready"), ("False".into(), "NotAttached".into()));
        assert_eq!(told(&bad, "Evacuating"), ("True".into(), "Asked".into()));
        let left = "; 3 addresses are answered here until another candidate takes them over";
        assert!(bad.conditions[1].message.ends_with(left), "{:?}", bad.conditions[1]);
        assert_eq!(told(&bad, "Accepted"), ("False".into(), "Invalid".into()));
        let message = &bad.conditions[2].message;
        assert!(message.contains("192.0.2.4: bad; and 2 more") && !message.contains("192.0.2.5"), "{message}");
        assert_eq!(told(&status(&[], &[], &[]), "Ready"), ("False".into(), "NoInterface".into()));
    }
}
