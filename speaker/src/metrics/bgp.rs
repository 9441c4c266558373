//! Sessions with BGP peers, under MetalLB's names. Pure.

use prometheus::proto::MetricFamily;

use super::family::{Sample, counter, gauge, number};
use crate::bgp::{BgpReport, SessionReport};

/// The port of BGP, where FRR does not say another one.
const PORT: u64 = 179;

/// Counters of messages: the name of the metric, FRR's name, what it is.
const MESSAGES: [(&str, &str, &str); 10] = [
    ("metallb_bgp_updates_total", "updatesSent", "UPDATE messages sent to a BGP peer"),
    ("metallb_bgp_updates_total_received", "updatesRecv", "UPDATE messages of a BGP peer"),
    ("metallb_bgp_opens_sent", "opensSent", "OPEN messages sent to a BGP peer"),
    ("metallb_bgp_opens_received", "opensRecv", "OPEN messages of a BGP peer"),
    ("metallb_bgp_notifications_sent", "notificationsSent", "NOTIFICATION messages sent to a BGP peer"),
    ("metallb_bgp_keepalives_sent", "keepalivesSent", "KEEPALIVE messages sent to a BGP peer"),
    ("metallb_bgp_keepalives_received", "keepalivesRecv", "KEEPALIVE messages of a BGP peer"),
    ("metallb_bgp_route_refresh_sent", "routeRefreshSent", "ROUTE-REFRESH messages sent to a BGP peer"),
    ("metallb_bgp_total_sent", "totalSent", "messages sent to a BGP peer"),
    ("metallb_bgp_total_received", "totalRecv", "messages of a BGP peer"),
];

/// Counters of BFD, in the same way.
const BFD: [(&str, &str, &str); 7] = [
    ("metallb_bfd_control_packet_input", "control-packet-input", "BFD control packets of a peer"),
    ("metallb_bfd_control_packet_output", "control-packet-output", "BFD control packets sent to a peer"),
    ("metallb_bfd_echo_packet_input", "echo-packet-input", "BFD echo packets that came back"),
    ("metallb_bfd_echo_packet_output", "echo-packet-output", "BFD echo packets sent to a peer"),
    ("metallb_bfd_session_up_events", "session-up", "times that a BFD session came up"),
    ("metallb_bfd_session_down_events", "session-down", "times that a BFD session went down"),
    ("metallb_bfd_zebra_notifications", "zebra-notifications", "changes of a BFD session that FRR's daemons were told"),
];

/// A session with the labels that MetalLB gives it.
struct Labelled<'r> {
    session: &'r SessionReport,
    peer: String,
    vrf: &'r str,
}

/// How a peer is named: BFD has no port.
#[derive(Clone, Copy)]
enum Place {
    Peer,
    Address,
}

fn samples<'s>(
    sessions: &'s [Labelled<'_>],
    place: Place,
    value: impl Fn(&SessionReport) -> Option<f64>,
) -> Vec<Sample<'s>> {
    let sample = |it: &'s Labelled<'_>| {
        let peer = match place {
            Place::Peer => it.peer.as_str(),
            Place::Address => it.session.place.as_str(),
        };
        Some((vec![("peer", peer), ("vrf", it.vrf)], value(it.session)?))
    };
    sessions.iter().filter_map(sample).collect()
}

/// All of it; nothing where no peer selects the node.
pub(super) fn families(report: Option<&BgpReport>) -> Vec<MetricFamily> {
    let sessions: Vec<Labelled<'_>> = report.iter().flat_map(|report| &report.sessions).map(labelled).collect();
    let bool_of = |value: bool| f64::from(u8::from(value));
    let up = samples(&sessions, Place::Peer, |it| Some(bool_of(it.is_up())));
    let sent = samples(&sessions, Place::Peer, |it| {
        Some(it.facts.as_ref().filter(|_| it.is_up()).map_or(0.0, |facts| number(facts.sent)))
    });
    let wanted = samples(&sessions, Place::Peer, |it| Some(number(it.wanted as u64)));
    let mut families = vec![
        gauge("metallb_bgp_session_up", "1 while the session with a BGP peer is up", up),
        gauge("metallb_bgp_announced_prefixes_total", "prefixes that a BGP peer has of this node", sent),
        gauge("metallb_bgp_pending_prefixes_total", "prefixes that a BGP peer is to have of this node", wanted),
    ];
    for (name, key, help) in MESSAGES {
        let count = |it: &SessionReport| it.facts.as_ref()?.messages.get(key).copied().map(number);
        families.push(counter(name, help, samples(&sessions, Place::Peer, count)));
    }
    let up = |it: &SessionReport| Some(bool_of(it.facts.as_ref()?.bfd.as_ref()?.status == "up"));
    let up = samples(&sessions, Place::Address, up);
    families.push(gauge("metallb_bfd_session_up", "1 while the BFD session with a peer is up", up));
    for (name, key, help) in BFD {
        let count = |it: &SessionReport| it.facts.as_ref()?.bfd.as_ref()?.counters.get(key).copied().map(number);
        families.push(counter(name, help, samples(&sessions, Place::Address, count)));
    }
    families
}

fn labelled(session: &SessionReport) -> Labelled<'_> {
    let facts = session.facts.as_ref();
    let port = facts.and_then(|facts| facts.port).filter(|port| *port != 0).unwrap_or(PORT);
    let vrf = facts.and_then(|facts| facts.vrf.as_deref()).unwrap_or_default();
    Labelled { session, peer: format!("{}:{port}", session.place), vrf }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use arpeggio_bgp::{Bfd, SessionFacts};
    use arpeggio_common::serve::encode;

    use super::*;

    pub(crate) fn report() -> Arc<BgpReport> {
        let facts = SessionFacts {
            state: "Established".to_owned(),
            sent: 4,
            port: Some(1_790),
            vrf: Some("red".to_owned()),
            messages: MESSAGES.iter().map(|(_, key, _)| ((*key).to_owned(), 7)).collect(),
            bfd: Some(Bfd {
                status: "up".to_owned(),
                diagnostic: String::new(),
                counters: BFD.iter().map(|(_, key, _)| ((*key).to_owned(), 3)).collect(),
            }),
            ..SessionFacts::default()
        };
        let session = |place: &str, facts| SessionReport {
            peer: "p".to_owned(),
            place: place.to_owned(),
            wanted: 5,
            facts,
            ..SessionReport::default()
        };
        let sessions = vec![session("192.0.2.1", Some(facts)), session("192.0.2.2", None)];
        Arc::new(BgpReport { sessions, ..BgpReport::default() })
    }

    #[test]
    fn names_and_labels_are_those_of_metallb() {
        let page = encode(&families(Some(&report()))).unwrap();
        for line in [
            "metallb_bgp_session_up{peer=\"192.0.2.1:1790\",vrf=\"red\"} 1",
            "metallb_bgp_session_up{peer=\"192.0.2.2:179\",vrf=\"\"} 0",
            "metallb_bgp_announced_prefixes_total{peer=\"192.0.2.1:1790\",vrf=\"red\"} 4",
            "metallb_bgp_pending_prefixes_total{peer=\"192.0.2.2:179\",vrf=\"\"} 5",
            "# TYPE metallb_bgp_updates_total counter",
            "metallb_bgp_opens_sent{peer=\"192.0.2.1:1790\",vrf=\"red\"} 7",
            "metallb_bfd_session_up{peer=\"192.0.2.1\",vrf=\"red\"} 1",
            "metallb_bfd_control_packet_input{peer=\"192.0.2.1\",vrf=\"red\"} 3",
            "metallb_bfd_zebra_notifications{peer=\"192.0.2.1\",vrf=\"red\"} 3",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("metallb_bfd_session_up{peer=\"192.0.2.2\""), "it has no BFD");
        assert!(!encode(&families(None)).unwrap().contains("metallb_bgp_session_up{"));
    }
}
