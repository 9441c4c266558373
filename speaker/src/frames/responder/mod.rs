//! The responder of last resort: answers from a raw socket where BPF is not to be had.
//!
//! It runs the same decision as the kernel program over [tables](UserTables) of its own, so what is answered, counted and
//! seen is the same. What it cannot do is stop a frame: see [`USER_MODE_REASON`].

mod live;
mod recent;
mod tables;
mod thread;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    io::Write as _,
    net::IpAddr,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use arpeggio_common::abi::{Client, Event, Lease, NodeId, Outcome, Peer, Sighting, Stats, Vip};
use tokio::sync::mpsc;

pub use self::live::ResponderLive;
use self::{
    tables::UserTables,
    thread::{Command, Port, Shared, serve},
};
use super::{Capture, CaptureError, FrameSocket, Heard, SendError};
use crate::{
    dataplane::{ENTRIES_AT_ONCE, Entries, Place, Roles, Write, plan, taken},
    decide::Desired,
};

/// What an interface in user mode lacks, for status.
pub const USER_MODE_REASON: &str = "answers come from a raw socket of the agent: they stop with the agent, and requests for \
    addresses that another node owns cannot be kept from this node's kernel; where it holds those addresses (kube-ipvs0), \
    set net.ipv4.conf.all.arp_ignore=1 and arp_announce=2 (kube-proxy: ipvs.strictARP)";

/// Events that wait to be read by the agent; each rival makes one a second, and status shows the sightings anyhow.
const EVENT_QUEUE: usize = 256;
/// Commands that wait for the thread, which takes them within a millisecond; more than a machine has interfaces.
const COMMAND_QUEUE: usize = 1024;

/// The responder cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ResponderError {
    /// No socket for the answers.
    #[error(transparent)]
    Open(#[from] SendError),
    /// No thread, or no way to wake it.
    #[error("cannot start the thread of the user-space responder; raise the limit of processes or open files")]
    Start(#[source] io::Error),
}

/// What a change did.
#[derive(Debug, Default)]
pub struct ResponderApplied {
    /// Entries written.
    pub written: usize,
    /// Entries removed.
    pub removed: usize,
    /// Addresses that are answered for now and were not before, or with another MAC: announce them.
    pub taken: Vec<Place>,
    /// Entries beyond the capacity.
    pub left_out: Vec<Place>,
    /// Interfaces that cannot be listened on, by index; the next call tries again.
    pub failed: BTreeMap<u32, CaptureError>,
}

/// What went wrong between the wire and the tables, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponderLosses {
    /// Answers that did not leave: a full queue, or an interface that is down.
    pub unsent: u64,
    /// Requests that came faster than they were read.
    pub dropped: u64,
    /// Events that were not read in time.
    pub events: u64,
}

/// The responder: a thread and what it is told. Dropping it ends the thread and with it all answers.
#[derive(Debug)]
pub struct Responder {
    shared: Arc<Shared>,
    wake: UnixStream,
    commands: Option<SyncSender<Command>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    entries: Entries,
    roles: Roles,
    open: BTreeSet<u32>,
    capacity: u32,
}

impl Responder {
    /// Starts it in the network namespace of the calling thread, with room for `capacity` entries. It answers nothing until
    /// it is told entries, interfaces and a lease. The events are those of the kernel's ring buffer.
    ///
    /// # Errors
    /// See [`ResponderError`].
    pub fn start(capacity: u32) -> Result<(Self, mpsc::Receiver<Event>), ResponderError> {
        let sender = FrameSocket::open()?;
        let (wake, woken) = UnixStream::pair().map_err(ResponderError::Start)?;
        for end in [&wake, &woken] {
            end.set_nonblocking(true).map_err(ResponderError::Start)?;
        }
        let (events, heard) = mpsc::channel(EVENT_QUEUE);
        let shared = Arc::new(Shared {
            tables: Mutex::new(UserTables::new(events)),
            woken,
            unsent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let (commands, told) = sync_channel(COMMAND_QUEUE);
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("responder".into())
            .spawn(move || serve(&served, &told, &sender))
            .map_err(ResponderError::Start)?;
        let responder = Self {
            shared,
            wake,
            commands: Some(commands),
            thread: Some(thread),
            entries: Entries::new(),
            roles: Roles::default(),
            open: BTreeSet::new(),
            capacity,
        };
        Ok((responder, heard))
    }

    /// Serves exactly these interfaces, by index, with the entries that are desired for them.
    pub fn follow(&mut self, desired: &Desired, served: &BTreeSet<u32>) -> ResponderApplied {
        let vips = self.roles.applied_to(desired).vips.into_iter().filter(|((ifindex, _), _)| served.contains(ifindex));
        // What the succession wrote since.
        self.roles.written_to(&mut self.entries);
        // Planned on a copy of our own, so that the thread is not kept from answering meanwhile.
        let plan = plan(&self.entries, &vips.collect(), self.capacity);
        let before = self.entries.clone();
        for places in plan.remove.chunks(ENTRIES_AT_ONCE) {
            self.tables().remove(places);
            self.entries.retain(|place, _| !places.contains(place));
        }
        for writes in plan.set.chunks(ENTRIES_AT_ONCE) {
            let held = self.roles.hold();
            let writes: Vec<_> =
                writes.iter().map(|write| Write { vip: held.entry(&write.place, write.vip), ..*write }).collect();
            self.tables().set(&writes);
            drop(held);
            self.entries.extend(writes.iter().map(|write| (write.place, write.vip)));
        }
        ResponderApplied {
            written: plan.set.len(),
            removed: plan.remove.len(),
            taken: taken(&before, &self.entries),
            failed: self.serve_interfaces(served),
            left_out: plan.left_out,
        }
    }

    /// From now on entries say what these roles say, where there is one.
    pub fn follow_roles(&mut self, roles: Roles) {
        self.roles = roles;
    }

    /// The tables, for whoever works beside this one and shares its roles.
    pub fn live(&self) -> ResponderLive {
        ResponderLive::new(Arc::clone(&self.shared))
    }

    /// Allows answering until the end of the lease, in the name of its node.
    pub fn renew(&self, lease: Lease) {
        self.tables().set_lease(lease);
    }

    /// Until when answering is allowed.
    pub fn lease(&self) -> Lease {
        self.tables().lease()
    }

    /// Every entry.
    pub const fn installed(&self) -> &Entries {
        &self.entries
    }

    /// Every entry with its counters.
    pub fn entries(&self) -> BTreeMap<Place, (Vip, Stats)> {
        let stats = self.tables().stats();
        let with_stats = |vip: Vip| (vip, stats.get(&vip.slot()).copied().unwrap_or_default());
        let mut entries = self.entries.clone();
        self.roles.written_to(&mut entries);
        entries.into_iter().map(|(place, vip)| (place, with_stats(vip))).collect()
    }

    /// Who else was seen with an address.
    pub fn sightings(&self) -> BTreeMap<Place, Sighting> {
        self.tables().sightings()
    }

    /// The other speakers, by interface index and node.
    pub fn peers(&self) -> BTreeMap<(u32, NodeId), Peer> {
        self.tables().peers()
    }

    /// Who asked for which address.
    pub fn clients(&self) -> BTreeMap<(Place, IpAddr), Client> {
        self.tables().clients()
    }

    /// Frames by outcome; answers and suppressed requests are counted per address.
    pub fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        self.tables().outcomes()
    }

    /// What went wrong so far.
    pub fn losses(&self) -> ResponderLosses {
        ResponderLosses {
            unsent: self.shared.unsent.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            events: self.tables().events_lost(),
        }
    }

    /// Whether the thread is still there. It ends by itself only when the kernel refuses to wait for sockets.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn tables(&self) -> MutexGuard<'_, UserTables> {
        self.shared.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve_interfaces(&mut self, wanted: &BTreeSet<u32>) -> BTreeMap<u32, CaptureError> {
        let mut failed = BTreeMap::new();
        for ifindex in self.open.clone().difference(wanted) {
            self.tell(Command::Close(*ifindex));
            self.open.remove(ifindex);
        }
        for ifindex in wanted.difference(&self.open.clone()).copied() {
            let sockets = Capture::open(ifindex, Heard::Arp)
                .and_then(|arp| Capture::open(ifindex, Heard::Neighbors).map(|neighbors| [arp, neighbors]));
            match sockets {
                Ok(captures) => {
                    self.tell(Command::Open(Port { ifindex, captures }));
                    self.open.insert(ifindex);
                }
                Err(error) => drop(failed.insert(ifindex, error)),
            }
        }
        failed
    }

    /// Fails only when the thread is gone, which [`Self::is_running`] tells.
    fn tell(&self, command: Command) {
        if let Some(commands) = &self.commands
            && commands.send(command).is_ok()
        {
            self.wake();
        }
    }

    fn wake(&self) {
        // Full means that it is about to wake anyway.
        let _ = (&self.wake).write(&[1]);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Without a sender the thread ends at its next look; it is woken for that.
        drop(self.commands.take());
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
