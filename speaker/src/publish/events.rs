//! Events on BGPPeers: a session of this node came up or went down. One that cannot be written is lost: the status says the same.

use std::time::Duration;

use arpeggio_common::api::BGPPeer;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    bgp::Turn,
    world::{Cluster, fault},
};

/// A request that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest note of an event, in characters.
const LONGEST: usize = 1000;

/// Writes them until whoever tells is gone.
pub async fn write_events(cluster: Cluster, mut turns: mpsc::Receiver<Turn>) {
    let reporter = Reporter { controller: "arpeggio-speaker".to_owned(), instance: Some(cluster.node.to_string()) };
    let recorder = Recorder::new(cluster.client.clone(), reporter);
    while let Some(turn) = turns.recv().await {
        let reference = ObjectReference {
            api_version: Some(BGPPeer::API_VERSION.to_owned()),
            kind: Some(BGPPeer::kind(&()).into_owned()),
            name: Some(turn.peer.clone()),
            namespace: Some(cluster.namespace.clone()),
            ..ObjectReference::default()
        };
        match timeout(PATIENCE, recorder.publish(&event(&turn, cluster.node.as_str()), &reference)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(peer = turn.peer, "an event is not written: {}", fault(&error)),
            Err(_elapsed) => tracing::debug!(peer = turn.peer, "an event is not written: no answer in time"),
        }
    }
}

fn event(turn: &Turn, node: &str) -> Event {
    let (type_, reason) = if turn.up { (EventType::Normal, "SessionUp") } else { (EventType::Warning, "SessionDown") };
    let note: String = format!("node {node}: {}", turn.text).chars().take(LONGEST).collect();
    Event { type_, reason: reason.to_owned(), note: Some(note), action: "Announce".to_owned(), secondary: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_the_node_and_fits() {
        let turn = |up, text: &str| Turn { peer: "tor".to_owned(), up, text: text.to_owned() };
        let up = event(&turn(true, "the session with 192.0.2.1 is up"), "node-a");
        assert_eq!(
            (up.reason.as_str(), up.note.as_deref()),
            ("SessionUp", Some("node node-a: the session with 192.0.2.1 is up"))
        );
        let down = event(&turn(false, &"ä".repeat(2000)), "node-a");
        assert_eq!((down.reason.as_str(), down.note.unwrap().chars().count()), ("SessionDown", LONGEST));
    }
}
