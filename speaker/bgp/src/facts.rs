//! The state of sessions, out of FRR's JSON. Of it only keys are used that FRR 8.4 to 10.5 have.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{config::Vrf, marks};

/// A BGP session as FRR sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionFacts {
    /// Its VRF.
    pub vrf: Vrf,
    /// Address or interface of the neighbour.
    pub neighbor: String,
    /// Name of the peer, if the neighbour is ours.
    pub peer: Option<String>,
    /// `Established`, `Active`, `Connect`, `Idle`, `OpenSent`, `OpenConfirm`, `Clearing`.
    pub state: String,
    /// When it was established, in seconds since 1970.
    pub since: Option<u64>,
    /// The neighbour's number.
    pub remote_as: u64,
    /// The neighbour's port.
    pub port: Option<u64>,
    /// The time of silence that was agreed on, in milliseconds.
    pub hold_time: u64,
    /// How often it was established.
    pub established: u64,
    /// How often it was lost.
    pub dropped: u64,
    /// Prefixes that we send.
    pub sent: u64,
    /// Prefixes that we took.
    pub accepted: u64,
    /// Why it was lost or cannot be established.
    pub last_error: Option<String>,
    /// Messages by name, as FRR counts them: `opensSent`, `updatesRecv`, ….
    pub messages: BTreeMap<String, u64>,
    /// Of a session with BFD.
    pub bfd: Option<Bfd>,
}

impl SessionFacts {
    /// Whether it is up.
    pub fn is_established(&self) -> bool {
        self.state == "Established"
    }
}

/// A BFD session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bfd {
    /// `up`, `down`, `init`.
    pub status: String,
    /// Why it is down, in FRR's words.
    pub diagnostic: String,
    /// Counters by name, as FRR has them: `control-packet-input`, `session-down`, ….
    pub counters: BTreeMap<String, u64>,
}

/// The sessions out of `show bgp vrf all neighbors json`. A text that is none has no sessions.
pub fn sessions(text: &str) -> Vec<SessionFacts> {
    let Ok(Value::Object(vrfs)) = serde_json::from_str(text) else { return Vec::new() };
    let sessions = vrfs.iter().flat_map(|(vrf, neighbors)| {
        let vrf = Some(vrf.clone()).filter(|vrf| vrf != "default");
        // Number and name of the VRF stand beside the neighbours.
        let neighbors =
            neighbors.as_object().into_iter().flatten().filter(|(_, facts)| facts.get("bgpState").is_some());
        neighbors.map(move |(neighbor, facts)| session(vrf.clone(), neighbor, facts))
    });
    sessions.collect()
}

fn session(vrf: Vrf, neighbor: &str, facts: &Value) -> SessionFacts {
    let text = |key: &str| facts.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| facts.get(key).and_then(Value::as_u64);
    let state = text("bgpState").unwrap_or_default();
    let up = state == "Established";
    let families = || facts.get("addressFamilyInfo").and_then(Value::as_object).into_iter().flatten();
    let total = |key: &str| families().filter_map(|(_, family)| family.get(key)?.as_u64()).sum();
    let messages = facts.get("messageStats").and_then(Value::as_object).into_iter().flatten();
    SessionFacts {
        vrf,
        neighbor: neighbor.to_owned(),
        peer: text("nbrDesc").and_then(|text| Some(text.strip_prefix(marks::DESCRIPTION)?.to_owned())),
        since: number("bgpTimerUpEstablishedEpoch").filter(|_| up),
        remote_as: number("remoteAs").unwrap_or_default(),
        port: number("portForeign"),
        hold_time: number("bgpTimerHoldTimeMsecs").unwrap_or_default(),
        established: number("connectionsEstablished").unwrap_or_default(),
        dropped: number("connectionsDropped").unwrap_or_default(),
        sent: total("sentPrefixCounter"),
        accepted: total("acceptedPrefixCounter"),
        last_error: (!up).then(|| last_error(facts)).flatten(),
        messages: numbers(messages),
        bfd: None,
        state,
    }
}

/// The most telling of what FRR knows.
fn last_error(facts: &Value) -> Option<String> {
    let text = |key: &str| facts.get(key).and_then(Value::as_str).filter(|text| !text.is_empty() && *text != "never");
    let reset = text("lastNotificationReason").or_else(|| text("lastResetDueTo"))?;
    let said = text("lastShutdownDescription").map(|said| format!(": {said}")).unwrap_or_default();
    Some(format!("{reset}{said}"))
}

fn numbers<'a>(entries: impl Iterator<Item = (&'a String, &'a Value)>) -> BTreeMap<String, u64> {
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_u64()?))).collect()
}

/// Adds what `show bfd peers json` and `show bfd peers counters json` say.
pub fn add_bfd(sessions: &mut [SessionFacts], peers: &str, counters: &str) {
    let list = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Array(list)) => list,
        Ok(_) | Err(_) => Vec::new(),
    };
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (peers, counters) = (list(peers), list(counters));
    for session in sessions {
        let is_its = |value: &&Value| {
            let vrf = Some(text(value, "vrf")).filter(|vrf| vrf != "default" && !vrf.is_empty());
            let place = text(value, "peer") == session.neighbor || text(value, "interface") == session.neighbor;
            place && vrf == session.vrf
        };
        let counters = counters.iter().find(is_its).and_then(Value::as_object).into_iter().flatten();
        session.bfd = peers.iter().find(is_its).map(|peer| Bfd {
            status: text(peer, "status"),
            diagnostic: text(peer, "diagnostic"),
            counters: numbers(counters),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEIGHBORS: &str = r#"{"default": {"vrfId": 0, "vrfName": "default",
        "192.0.2.1": {"remoteAs": 64513, "nbrDesc": "arpeggio: tor", "bgpState": "Established", "bgpTimerUpEstablishedEpoch": 7,
          "connectionsEstablished": 2, "connectionsDropped": 1, "portForeign": 179, "bgpTimerHoldTimeMsecs": 9000,
          "messageStats": {"opensSent": 3}, "lastResetDueTo": "Hold Timer Expired",
          "addressFamilyInfo": {"ipv4Unicast": {"sentPrefixCounter": 4, "acceptedPrefixCounter": 0}, "ipv6Unicast": {"sentPrefixCounter": 1}}}},
      "red": {"vrfId": 9, "vrfName": "red", "eth0": {"bgpState": "Idle", "lastNotificationReason": "Cease/Administrative Shutdown",
          "lastShutdownDescription": "bye"}, "eth1": {"bgpState": "Active", "lastReset": "never"}}}"#;

    #[test]
    fn sessions_of_all_vrfs_are_read() {
        let sessions = sessions(NEIGHBORS);
        let [tor, eth0, eth1] = sessions.as_slice() else { panic!("{sessions:?}") };
        assert_eq!((tor.peer.as_deref(), tor.since, tor.sent, tor.accepted), (Some("tor"), Some(7), 5, 0));
        assert_eq!((tor.established, tor.dropped, tor.last_error.as_deref()), (2, 1, None));
        assert_eq!(tor.messages, BTreeMap::from([("opensSent".to_owned(), 3)]));
        assert_eq!((eth0.vrf.as_deref(), eth0.peer.as_deref()), (Some("red"), None));
        assert_eq!(eth0.last_error.as_deref(), Some("Cease/Administrative Shutdown: bye"));
        assert_eq!(eth1.last_error, None);
    }

    #[test]
    fn bfd_is_found_by_address_and_vrf() {
        let mut sessions = sessions(NEIGHBORS);
        let peers = r#"[{"peer": "192.0.2.1", "vrf": "default", "status": "up", "diagnostic": "ok"},
            {"peer": "fe80::1", "interface": "eth0", "vrf": "red", "status": "down", "diagnostic": "control detection time expired"}]"#;
        let counters = r#"[{"peer": "192.0.2.1", "vrf": "default", "session-up": 1}]"#;
        add_bfd(&mut sessions, peers, counters);
        let status = |index: usize| sessions[index].bfd.as_ref().map(|bfd| bfd.status.as_str());
        assert_eq!((status(0), status(1), status(2)), (Some("up"), Some("down"), None));
        assert_eq!(sessions[0].bfd.as_ref().unwrap().counters["session-up"], 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            add_bfd(&mut sessions(&text), &text, &text);
            add_bfd(&mut sessions(NEIGHBORS), &text, &text);
        }
    }
}
