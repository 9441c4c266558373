//! The thread that drives the succession: heartbeats, takeovers, claims and the lease must not wait until the agent has written
//! ten thousand entries. This is the agent's side of it: what it is told and what it tells.

mod corrections;
mod counters;
mod effects;
mod healing;
mod lease;
mod priority;
mod showing;
mod tables;
mod thread;
mod wait;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
    net::IpAddr,
    os::unix::net::UnixStream,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use arpeggio_common::{
    abi::{Event, Keys, PeerKey},
    model::NodeId,
    wire::Mac,
};
use arpeggio_succession::{Orders, Recorder, Report, View};
use tokio::sync::{mpsc as tasks, oneshot};

use self::thread::Driver;
use crate::{
    dataplane::{EventQueue, Healer, Live, Place, Roles},
    frames::{
        FrameSocket, ResponderLive, SendError,
        messages::{Signer, Speaker},
    },
    status::{GratuitousFacts, PeerFacts},
    world::LeaseTimes,
};

/// Commands that wait for the thread, which takes them before anything else.
const COMMANDS: usize = 256;
/// Events that wait for the agent.
const NEWS: usize = 1024;

/// The thread cannot run.
#[derive(Debug, thiserror::Error)]
pub(super) enum SuccessionError {
    /// No socket for its frames.
    #[error(transparent)]
    Open(#[from] SendError),
    /// No thread, no socket to ask the kernel, or no way to wake it.
    #[error("cannot start the thread of the succession; raise the limit of processes or open files")]
    Start(#[source] io::Error),
}

/// Everything that the thread has to know of the world, whole.
#[derive(Clone, Debug)]
pub(super) struct Situation {
    /// This node, and what its frames are signed with.
    pub(super) signer: Signer,
    /// What tags of others are proven with.
    pub(super) keys: Keys,
    /// The other candidates on each interface.
    pub(super) candidates: BTreeSet<PeerKey>,
    /// What it may have.
    pub(super) orders: Arc<Orders>,
    /// Who it is on each interface, by index.
    pub(super) speakers: BTreeMap<u32, Speaker>,
    /// Who answers when this node doubts its hearing, by interface index.
    pub(super) witnesses: BTreeMap<u32, BTreeSet<IpAddr>>,
    /// How often owned addresses are announced again.
    pub(super) refresh: Option<Duration>,
    /// How long the entries may answer without this thread.
    pub(super) lease: LeaseTimes,
    /// The tables of the raw sockets, where there are any.
    pub(super) user: Option<ResponderLive>,
}

/// What the thread is told.
#[derive(Debug)]
enum Command {
    Follow(Box<Situation>),
    /// An event of the raw sockets.
    Heard(Event),
    Show(oneshot::Sender<Snapshot>),
    Stop,
}

/// What the thread tells by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SuccessionEvent {
    /// Ownership changed.
    Changes(Vec<Report>),
    /// It is known of every address who has it, or soon will not be.
    Settled,
    /// A frame of this node came in on this interface, from another MAC: another interface of ours, or a machine of the same name.
    Ourselves(u32, Mac),
    /// So many of the others found no room.
    Lost(u64),
    /// Something did not work out, in a sentence.
    Trouble(String),
}

/// How everything stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// Every address on every interface.
    pub(super) views: BTreeMap<Place, View>,
    /// The other speakers that were heard.
    pub(super) peers: Vec<PeerFacts>,
    /// Claims sent so far.
    pub(super) sent: GratuitousFacts,
    /// The same by address: those that were sent.
    pub(super) sent_of: BTreeMap<IpAddr, u64>,
}

/// What the thread works with.
pub(super) struct Parts {
    /// This node.
    pub(super) node: NodeId,
    /// The maps of the kernel program, and once more for corrections; `None` without one.
    pub(super) kernel: Option<(Live, Live, EventQueue)>,
    /// What finds senders of stray traffic.
    pub(super) healer: Option<Healer>,
    /// Shared with whoever writes entries.
    pub(super) roles: Roles,
    /// What is answered already because an agent before this one left it so.
    pub(super) adopted: BTreeSet<Place>,
}

/// The thread; it ends with this.
pub(super) struct SuccessionHandle {
    commands: mpsc::SyncSender<Command>,
    wake: UnixStream,
    told: tasks::Receiver<SuccessionEvent>,
    recorder: Recorder,
    thread: Option<JoinHandle<()>>,
}

impl SuccessionHandle {
    /// Starts the thread in the network namespace of the calling one. It does nothing before it is told a [`Situation`].
    ///
    /// # Errors
    /// See [`SuccessionError`].
    pub(super) fn start(parts: Parts) -> Result<Self, SuccessionError> {
        let (wake, woken) = UnixStream::pair().map_err(SuccessionError::Start)?;
        for end in [&wake, &woken] {
            end.set_nonblocking(true).map_err(SuccessionError::Start)?;
        }
        let (commands, heard) = mpsc::sync_channel(COMMANDS);
        let (tell, told) = tasks::channel(NEWS);
        let sockets = [FrameSocket::open()?, FrameSocket::open()?];
        let driver = Driver::new(parts, sockets, woken, (heard, tell)).map_err(SuccessionError::Start)?;
        let thread = std::thread::Builder::new()
            .name("succession".into())
            .spawn(move || driver.run())
            .map_err(SuccessionError::Start)?;
        Ok(Self { commands, wake, told, recorder: Recorder::default(), thread: Some(thread) })
    }

    /// From now on this is the world. The entries of these orders have to be in the tables.
    pub(super) fn follow(&self, situation: Situation) {
        self.command(Command::Follow(Box::new(situation)));
    }

    /// An event of the raw sockets.
    pub(super) fn heard(&self, event: Event) {
        // Without room it is lost: what was seen stands in the tables as well.
        if self.commands.try_send(Command::Heard(event)).is_ok() {
            self.wake();
        }
    }

    /// How everything stands now; empty when the thread is gone.
    pub(super) async fn snapshot(&self) -> Snapshot {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Show(answer));
        answered.await.unwrap_or_default()
    }

    /// The last changes of ownership.
    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// What it told and nobody heard yet.
    pub(super) fn unheard(&mut self) -> Option<SuccessionEvent> {
        self.told.try_recv().ok().map(|news| self.record(news))
    }

    fn record(&mut self, news: SuccessionEvent) -> SuccessionEvent {
        if let SuccessionEvent::Changes(reports) = &news {
            reports.iter().for_each(|report| self.recorder.record(*report));
        }
        news
    }

    /// What the thread has to tell; `None` when it ended, which it does by itself only when the kernel refuses to wait.
    /// Cancel safe.
    pub(super) async fn news(&mut self) -> Option<SuccessionEvent> {
        let news = self.told.recv().await?;
        Some(self.record(news))
    }

    fn command(&self, command: Command) {
        // Fails only when the thread is gone. It never waits for this side, so waiting for room ends.
        if self.commands.send(command).is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        // Full means that it is about to wake anyway.
        let _ = (&self.wake).write(&[1]);
    }
}

impl Drop for SuccessionHandle {
    /// Ends the thread: nothing is written or sent any more when this returns. Entries and lease stay as they are.
    fn drop(&mut self) {
        self.command(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
