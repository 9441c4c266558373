//! The lease that tells the controller that this node's speaker lives.
//!
//! It is not given back when the agent is stopped: a restart must not change who owns what. It is when everything is withdrawn.

use std::{collections::BTreeMap, time::Duration};

use arpeggio_common::{
    api::{Speaker, names, node_reference},
    model::LeasePace,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    clock::{monotonic_ns, wall_ahead_ns},
    world::{Cluster, LeaseFault, LeaseTimes, fault},
};

/// How often the speakers of the cluster are counted: clusters grow.
const COUNTING: Duration = Duration::from_secs(300);

/// How often and for how long. Both are in the object, in whole seconds where it has room for no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartTimes {
    renew: Duration,
    duration: Duration,
}

impl HeartTimes {
    /// `renew` is the time between two renewals, `duration` how long the controller waits for the next.
    ///
    /// # Errors
    /// The rules of [`LeaseTimes::new`].
    pub fn new(renew: Duration, duration: Duration) -> Result<Self, Vec<LeaseFault>> {
        let times = LeaseTimes::new(renew, duration)?;
        Ok(Self { renew: times.renew(), duration: times.duration().max(Duration::from_secs(1)) })
    }
}

/// Renews the lease.
pub struct Heart {
    cluster: Cluster,
    times: HeartTimes,
    acquired: Option<Timestamp>,
    /// When the speakers were counted last.
    counted: Option<Instant>,
    /// How many there were.
    nodes: usize,
}

impl Heart {
    /// Of this node; nothing is sent yet.
    pub const fn new(cluster: Cluster, times: HeartTimes) -> Self {
        Self { cluster, times, acquired: None, counted: None, nodes: 0 }
    }

    /// Renews until it is dropped. A server that does not answer is asked again at the same pace, which is the load it has
    /// anyway.
    pub async fn beat(mut self) {
        loop {
            let began = Instant::now();
            let pace = LeasePace { renew: self.times.renew, duration: self.times.duration }.for_nodes(self.nodes);
            let result = timeout(self.times.duration, self.renew(pace.duration)).await;
            let result = result.unwrap_or_else(|_elapsed| Err("no answer in time".to_owned()));
            if let Err(error) = &result {
                tracing::debug!("the lease of this speaker is not renewed: {error}");
            }
            let answered = result.is_ok();
            self.cluster.seen.heard(result, monotonic_ns());
            if answered {
                // For the next renewal: what this one wrote holds until then.
                self.count(began).await;
            }
            // A tenth more or less, so that the nodes of a cluster do not beat together.
            let tenth = pace.renew / 10;
            sleep_until(began + pace.renew - tenth + tenth * 2 * fastrand::u32(..=100) / 100).await;
        }
    }

    /// Counts the speakers of the cluster from time to time. The server says how many there are beside the one that it gives. Where it
    /// does not say it, what was known holds.
    async fn count(&mut self, now: Instant) {
        if self.counted.is_some_and(|before| now < before + COUNTING) {
            return;
        }
        let speakers: Api<Speaker> = Api::all(self.cluster.client.clone());
        let one = ListParams::default().limit(1);
        if let Ok(Ok(list)) = timeout(self.times.renew, speakers.list_metadata(&one)).await {
            let further = usize::try_from(list.metadata.remaining_item_count.unwrap_or(0)).unwrap_or(0);
            self.nodes = list.items.len() + further;
            self.counted = Some(now);
        }
    }

    /// Gives the lease back: others need not wait for its end.
    ///
    /// # Errors
    /// Why the server did not take it, in a sentence.
    pub async fn release(mut self) -> Result<(), String> {
        let patience = Duration::from_secs(2);
        timeout(patience, self.renew(Duration::from_secs(1)))
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    async fn renew(&mut self, duration: Duration) -> Result<(), String> {
        let now = now();
        let acquired = *self.acquired.get_or_insert(now);
        let lease = lease(&self.cluster, duration, (acquired, now));
        let name = names::speaker_lease(self.cluster.node.as_str());
        let leases: Api<Lease> = Api::namespaced(self.cluster.client.clone(), &self.cluster.namespace);
        let parameters = PatchParams::apply(names::ANNOUNCER).force();
        leases.patch(&name, &parameters, &Patch::Apply(&lease)).await.map(drop).map_err(|error| fault(&error))
    }
}

fn lease(cluster: &Cluster, duration: Duration, (acquired, now): (Timestamp, Timestamp)) -> Lease {
    let node = cluster.node.to_string();
    let name = names::speaker_lease(&node);
    let is_shortened = !name.ends_with(&node);
    let annotations = is_shortened.then(|| BTreeMap::from([(names::LEASE_NODE.to_owned(), node.clone())]));
    Lease {
        metadata: ObjectMeta {
            name: Some(name),
            // It goes with its Node, where that is known.
            owner_references: cluster.seen.node().present().map(|owner| vec![node_reference(&node, &owner.uid)]),
            annotations,
            namespace: Some(cluster.namespace.clone()),
            labels: Some(BTreeMap::from([(names::COMPONENT.to_owned(), names::SPEAKER_COMPONENT.to_owned())])),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(node),
            lease_duration_seconds: Some(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: Some(MicroTime(acquired)),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        }),
    }
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    let ns = monotonic_ns().saturating_add(wall_ahead_ns());
    Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}
