//! Reports out of what FRR says.

use std::collections::BTreeMap;

use arpeggio_bgp::{Desired, vty::VtyError};
use arpeggio_common::model::Remote;

use super::*;

fn wish(names: &[&str]) -> Arc<Wish> {
    let place = |index: usize| Remote::Address(std::net::IpAddr::from([192, 0, 2, u8::try_from(index + 1).unwrap()]));
    let peers: BTreeMap<String, Remote> =
        names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), place(index))).collect();
    Arc::new(Wish { peers, ..Wish::default() })
}

fn facts(peer: &str, state: &str, since: Option<u64>, last_error: Option<&str>) -> SessionFacts {
    SessionFacts {
        peer: Some(peer.to_owned()),
        state: state.to_owned(),
        since,
        last_error: last_error.map(str::to_owned),
        ..SessionFacts::default()
    }
}

fn outcome(sessions: Vec<SessionFacts>) -> Outcome {
    Outcome { version: Some((10, 3)), sessions, ..Outcome::default() }
}

#[test]
fn a_session_is_told_with_its_state_since_when_and_its_last_error() {
    let wish = wish(&["tor"]);
    let first = BgpReport::default().after(&wish, &outcome(vec![facts("tor", "Connect", None, None)]), 100);
    assert_eq!((first.sessions[0].state(), first.sessions[0].since_s, first.engine), ("Active", 100, Engine::Driven));
    let up = first.with_sessions(&[facts("tor", "Established", Some(107), None)], 110);
    assert_eq!((up.sessions[0].state(), up.sessions[0].since_s), ("Established", 107));
    let down = up.with_sessions(&[facts("tor", "Idle", None, Some("Hold Timer Expired"))], 120);
    assert_eq!((down.sessions[0].state(), down.sessions[0].since_s), ("Idle", 120));
    let tried = down.with_sessions(&[facts("tor", "Active", None, None)], 130);
    assert_eq!(tried.sessions[0].since_s, 120, "it is down since then");
    assert_eq!(tried.sessions[0].last_error.as_deref(), Some("Hold Timer Expired"));
    let texts: Vec<String> = [(&up, &first), (&down, &up), (&tried, &down)]
        .into_iter()
        .flat_map(|(now, before)| now.turns(before))
        .map(|turn| turn.text)
        .collect();
    let expected = ["the session with 192.0.2.1 is up", "the session with 192.0.2.1 is down: Hold Timer Expired"];
    assert_eq!(texts, expected);
}

#[test]
fn a_session_that_was_lost_between_two_looks_is_noticed() {
    let wish = wish(&["tor"]);
    let up = BgpReport::default().after(&wish, &outcome(vec![facts("tor", "Established", Some(100), None)]), 100);
    let again = up.with_sessions(&[facts("tor", "Established", Some(104), None)], 105);
    assert!(again.turns(&up)[0].text.contains("was lost and is up again"));
    assert_eq!(up.turns(&up), []);
}

#[test]
fn counters_alone_are_no_news() {
    let wish = wish(&["tor"]);
    let before = BgpReport::default().after(&wish, &outcome(vec![facts("tor", "Established", Some(1), None)]), 1);
    let mut newer = facts("tor", "Established", Some(1), None);
    newer.messages.insert("keepalivesSent".to_owned(), 7);
    assert!(before.with_sessions(&[newer.clone()], 9).says_the_same(&before));
    newer.sent = 1;
    assert!(!before.with_sessions(&[newer], 9).says_the_same(&before));
}

#[test]
fn frr_that_does_not_answer_is_told_and_its_sessions_are_down() {
    let wish = wish(&["tor", "other"]);
    let up = BgpReport::default().after(&wish, &outcome(vec![facts("tor", "Established", Some(1), None)]), 1);
    let daemon = arpeggio_bgp::Daemon::Bgpd;
    let gone = Outcome { faults: vec![VtyError::Ended { daemon }], ..Outcome::default() };
    let down = up.after(&wish, &gone, 5);
    assert_eq!((down.engine, down.sessions.len(), down.sessions[0].is_up()), (Engine::Silent, 2, false));
    assert!(down.is_driven() && down.problems[0].contains("bgpd ended the connection"));
    assert_eq!(down.version, Some((10, 3)));
}

#[test]
fn good_bye_is_said_when_no_session_is_left() {
    let mut closing = Wish::clone(&wish(&["tor"]));
    closing.desired = Desired::default().closing("bye");
    let closing = Arc::new(closing);
    let up = BgpReport::default().after(&closing, &outcome(vec![facts("tor", "Established", Some(1), None)]), 1);
    assert_eq!(up.closing, Some(false));
    assert_eq!(up.with_sessions(&[facts("tor", "Idle", None, None)], 2).closing, Some(true));
    let daemon = arpeggio_bgp::Daemon::Bgpd;
    let gone = Outcome { faults: vec![VtyError::Ended { daemon }], ..Outcome::default() };
    assert_eq!(up.after(&closing, &gone, 3).closing, Some(true), "FRR is gone, and its sessions with it");
    assert_eq!(BgpReport::resting(Engine::Absent, &closing, None).closing, Some(true));
    assert_eq!(BgpReport::resting(Engine::Absent, &wish(&["tor"]), None).closing, None);
}
