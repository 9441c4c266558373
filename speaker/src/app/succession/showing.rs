//! How everything stands, put together between the turns: ten thousand addresses at once would keep heartbeats waiting.

use std::{collections::VecDeque, ops::Bound};

use arpeggio_succession::Succession;
use tokio::sync::oneshot;

use super::{Snapshot, effects::Outlet, tables::SharedTables};
use crate::dataplane::Place;

/// Addresses that are shown before the next turn: some 100 µs.
const AT_ONCE: usize = 256;

/// The snapshots that are asked for, the oldest first.
#[derive(Default)]
pub(super) struct Showing(VecDeque<Half>);

/// One of them, as far as it is.
struct Half {
    answer: oneshot::Sender<Snapshot>,
    snapshot: Snapshot,
    last: Option<Place>,
}

impl Showing {
    /// One more is asked for.
    pub(super) fn add(&mut self, answer: oneshot::Sender<Snapshot>) {
        self.0.push_back(Half { answer, snapshot: Snapshot::default(), last: None });
    }

    /// Whether something is left to be shown.
    pub(super) fn is_due(&self) -> bool {
        !self.0.is_empty()
    }

    /// Goes on with the oldest.
    pub(super) fn work(&mut self, succession: &Succession, tables: &SharedTables, outlet: &Outlet) {
        let Some(half) = self.0.front_mut() else { return };
        let from = half.last.map_or(Bound::Unbounded, Bound::Excluded);
        half.last = None;
        for (place, view) in succession.views_from(from).take(AT_ONCE) {
            half.snapshot.views.insert(place, view);
            half.snapshot.sent_of.extend(outlet.sent_of(place.1).map(|sent| (place.1, sent)));
            half.last = Some(place);
        }
        if half.last.is_none()
            && let Some(Half { answer, mut snapshot, .. }) = self.0.pop_front()
        {
            snapshot.peers = tables.peers().unwrap_or_default();
            snapshot.sent = outlet.sent();
            // Whoever asked may be gone.
            let _ = answer.send(snapshot);
        }
    }
}
