//! Follows the interfaces of this network namespace and their addresses.
//!
//! Subscribed first, then everything is listed, then changes are applied as they come; a burst of them is published as one
//! new table. When the kernel had to drop events, everything is listed again. MetalLB looks every ten seconds (behaviour
//! 4.7); here only what the kernel does not tell of waits for the slow round: an XDP program that somebody attached
//! through a BPF link.

mod decode;
mod socket;
mod table;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};

pub use self::socket::NetlinkError;
use self::socket::{Events, Monitor};
use super::{Links, task::Task};

/// From the first change of a burst to its publication: long enough for `ip link add` and its like to finish, short
/// against the time a client waits for an answer.
const BURST: Duration = Duration::from_millis(10);
/// Between two full lists when nothing speaks for one.
const ROUND: Duration = Duration::from_secs(30);
/// The same when the last list was made while interfaces kept changing, and before a broken socket is opened again.
const SOON: Duration = Duration::from_secs(1);

/// The interfaces, always up to date. Dropping it ends the watch.
#[derive(Debug)]
pub struct LinkWatch {
    links: watch::Receiver<Arc<Links>>,
    refresh: Arc<Notify>,
    _task: Task,
}

impl LinkWatch {
    /// Subscribes in the network namespace of the calling thread and lists what is there. The runtime must be a
    /// current-thread one, or all its threads in the same namespace.
    ///
    /// # Errors
    /// When there is no such socket or the list cannot be had.
    pub async fn start() -> Result<Self, NetlinkError> {
        let mut monitor = Monitor::open()?;
        let (links, settled) = monitor.dump().await?;
        let (publish, receiver) = watch::channel(Arc::new(links.clone()));
        let refresh = Arc::new(Notify::new());
        let follower = Follower { links, settled, publish, refresh: Arc::clone(&refresh) };
        Ok(Self { links: receiver, refresh, _task: Task::spawn(follower.run(monitor)) })
    }

    /// The newest table, and a way to wait for the next.
    pub fn links(&self) -> watch::Receiver<Arc<Links>> {
        self.links.clone()
    }

    /// Lists everything again: after attaching a program through a BPF link, of which the kernel tells nobody.
    pub fn refresh(&self) {
        self.refresh.notify_one();
    }
}

struct Follower {
    links: Links,
    /// Whether the last list is known to be consistent.
    settled: bool,
    publish: watch::Sender<Arc<Links>>,
    refresh: Arc<Notify>,
}

impl Follower {
    async fn run(mut self, mut monitor: Monitor) {
        loop {
            let Err(error) = self.follow(&mut monitor).await;
            let mut error = with_causes(&error);
            // The last table stays in force until there is a socket again.
            monitor = loop {
                tracing::error!(error, "lost sight of the interfaces, trying again");
                sleep(SOON).await;
                match self.reopen().await {
                    Ok(monitor) => break monitor,
                    Err(again) => error = with_causes(&again),
                }
            };
        }
    }

    async fn reopen(&mut self) -> Result<Monitor, NetlinkError> {
        let mut monitor = Monitor::open()?;
        self.list(&mut monitor).await?;
        Ok(monitor)
    }

    /// Applies changes until the socket breaks.
    async fn follow(&mut self, monitor: &mut Monitor) -> Result<std::convert::Infallible, NetlinkError> {
        let mut listed = Instant::now();
        let mut burst = None;
        loop {
            let round = listed + if self.settled { ROUND } else { SOON };
            let wanted = tokio::select! {
                events = monitor.follow(&mut self.links) => {
                    burst.get_or_insert_with(|| Instant::now() + BURST);
                    events? == Events::Lost
                }
                () = sleep_until(burst.unwrap_or(round)), if burst.is_some() => {
                    burst = None;
                    self.publish();
                    false
                }
                () = sleep_until(round) => true,
                () = self.refresh.notified() => true,
            };
            if wanted {
                self.list(monitor).await?;
                listed = Instant::now();
                burst = None;
            }
        }
    }

    async fn list(&mut self, monitor: &mut Monitor) -> Result<(), NetlinkError> {
        (self.links, self.settled) = monitor.dump().await?;
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        self.publish.send_if_modified(|published| {
            let changed = **published != self.links;
            if changed {
                *published = Arc::new(self.links.clone());
            }
            changed
        });
    }
}

/// The error with its causes in one line.
fn with_causes(error: &NetlinkError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
