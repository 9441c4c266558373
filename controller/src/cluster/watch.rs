//! The one place that watches: a list, then every change, of one kind, into a bounded channel.
//!
//! What kube's watcher does is left to it (resuming where the watch broke off, a new list when that version has expired). What
//! is added: waiting with jitter after errors, a new list where resuming can never work again, and a new list on demand.

use arpeggio_common::{api::watching::is_beyond_resuming, program::with_causes};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::{
    Api,
    runtime::watcher::{Config, Error, Event, watcher},
};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tracing::{debug, info, warn};

use super::{
    index::Delta,
    project::{Kind, Watched},
};
use crate::backoff::Backoff;

/// How long a watch lasts before it is resumed on another connection, in seconds. One that died silently, because the API
/// server's machine did or a firewall forgot it, is noticed some seconds after that.
const LASTS: u32 = 60;

/// An event of a watch.
#[derive(Debug)]
pub struct WatchEvent {
    /// About which kind.
    pub kind: Kind,
    /// Which demand for a new list this comes after: see [`Watch::lists`].
    pub list: u64,
    /// The step, or that the watch failed.
    pub what: Result<Delta, Trouble>,
}

/// A watch that does not work at present; it is tried again.
#[derive(Debug)]
pub struct Trouble;

/// What a watch needs.
#[derive(Debug)]
pub struct Watch {
    /// Where what it tells goes.
    pub told: mpsc::Sender<WatchEvent>,
    /// A new number demands a new list.
    pub lists: watch::Receiver<u64>,
    /// Which objects, by labels; empty: all.
    pub labels: &'static str,
}

impl Watch {
    /// Watches until nobody listens any more.
    pub async fn run<K: Watched>(mut self, api: Api<K>) {
        let mut failures = 0;
        loop {
            let list = *self.lists.borrow_and_update();
            let config = Config {
                label_selector: Some(self.labels.to_owned()).filter(|text| !text.is_empty()),
                timeout: Some(LASTS),
                ..Config::default()
            };
            let mut stream = std::pin::pin!(watcher(api.clone(), config).map_ok(delta::<K>).boxed());
            loop {
                let event = tokio::select! {
                    biased;
                    demanded = self.lists.changed() => match demanded {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    event = stream.next() => event,
                };
                let what = match event {
                    Some(Ok(news)) => {
                        if std::mem::take(&mut failures) > 0 {
                            info!(kind = K::KIND.name(), "watching again");
                        }
                        Ok(news)
                    }
                    Some(Err(error)) => {
                        failures += 1;
                        report::<K>(&error, failures);
                        let told = WatchEvent { kind: K::KIND, list, what: Err(Trouble) };
                        if self.told.send(told).await.is_err() {
                            return;
                        }
                        sleep(Backoff::API.delay(failures, fastrand::f64())).await;
                        if is_beyond_resuming(&error) {
                            break;
                        }
                        continue;
                    }
                    None => break,
                };
                if self.told.send(WatchEvent { kind: K::KIND, list, what }).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn delta<K: Watched>(event: Event<K>) -> Delta {
    match event {
        Event::Init => Delta::Begin,
        Event::InitApply(object) | Event::Apply(object) => Delta::Applied(object.entry()),
        Event::Delete(object) => {
            let entry = object.entry();
            Delta::Deleted(entry.id, entry.version)
        }
        Event::InitDone => Delta::Complete,
    }
}

/// The first failure in a row is worth a line, the others are the same trouble.
fn report<K: Watched>(error: &Error, failures: u32) {
    let kind = K::KIND.name();
    let error = with_causes(error);
    if failures == 1 {
        warn!(kind, "cannot watch, trying again until it works: {error}");
    } else {
        debug!(kind, failures, "still cannot watch: {error}");
    }
}
