//! The loop of the responder: wait, read, decide, answer.
//!
//! A thread of its own, not a task of the agent's runtime: an answer must not wait until the agent has written ten thousand
//! entries somewhere else.

use std::{
    io::{self, Read},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, TryRecvError},
    },
};

use arpeggio_common::abi::Disposition;
use arpeggio_speaker_ebpf::{Frame, decide};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::tables::UserTables;
use crate::frames::{Capture, FrameSocket};

/// Frames of one socket that are read before the others have their turn.
const BATCH: usize = 64;
/// Longer than every message of which all is read; what lies beyond is not looked at by the decision.
const LONGEST: usize = 2048;

/// What the agent tells the thread.
#[derive(Debug)]
pub(super) enum Command {
    /// Serve this interface as well.
    Open(Port),
    /// No longer serve this interface.
    Close(u32),
}

/// The sockets of one interface.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) ifindex: u32,
    pub(super) captures: [Capture; 2],
}

/// What both sides reach.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) tables: Mutex<UserTables>,
    /// Can be read when there is something to be told.
    pub(super) woken: UnixStream,
    /// Answers that did not leave.
    pub(super) unsent: AtomicU64,
    /// Frames that came faster than they were read.
    pub(super) dropped: AtomicU64,
}

/// Serves until the other end of `commands` is gone, or the kernel refuses to wait.
pub(super) fn serve(shared: &Arc<Shared>, commands: &Receiver<Command>, sender: &FrameSocket) -> io::Result<()> {
    let mut ports: Vec<Port> = Vec::new();
    while follow(commands, &mut ports) {
        wait(shared, &ports)?;
        for port in &mut ports {
            answer(shared, sender, port);
        }
    }
    Ok(())
}

/// Carries out what was told; `false` when the agent is gone.
fn follow(commands: &Receiver<Command>, ports: &mut Vec<Port>) -> bool {
    loop {
        match commands.try_recv() {
            Ok(Command::Open(port)) => ports.push(port),
            Ok(Command::Close(ifindex)) => ports.retain(|port| port.ifindex != ifindex),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

fn wait(shared: &Shared, ports: &[Port]) -> io::Result<()> {
    let sockets = ports.iter().flat_map(|port| &port.captures).map(AsFd::as_fd);
    let mut waited: Vec<PollFd<'_>> =
        sockets.chain([shared.woken.as_fd()]).map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)).collect();
    match poll(&mut waited, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    if waited.last().and_then(PollFd::any).unwrap_or(false) {
        // However much is in it: what was told is looked at as a whole.
        let _ = (&shared.woken).read(&mut [0; 64]);
    }
    Ok(())
}

/// Reads a batch of each socket and answers what has to be answered.
fn answer(shared: &Shared, sender: &FrameSocket, port: &mut Port) {
    let ifindex = port.ifindex;
    for capture in &mut port.captures {
        capture.begin();
        let before = capture.dropped();
        for _ in 0..BATCH {
            let mut buffer = [0; LONGEST];
            // An error is that the interface went down (once, then the socket waits for it to come back) or away (the agent
            // will tell); neither can be helped here.
            let Ok(Some(arrival)) = capture.receive(&mut buffer) else { break };
            let Some(bytes) = buffer.get_mut(..arrival.length) else { break };
            let outcome = {
                let mut tables = shared.tables.lock().unwrap_or_else(PoisonError::into_inner);
                tables.begin_frame(arrival.at_ns);
                let outcome = Frame::over(bytes, |frame| decide(frame, &*tables, ifindex));
                tables.count_outcome(outcome);
                outcome
            };
            if outcome.disposition() == Disposition::Transmit && sender.send(ifindex, bytes).is_err() {
                shared.unsent.fetch_add(1, Ordering::Relaxed);
            }
        }
        let lost = capture.dropped().wrapping_sub(before);
        shared.dropped.fetch_add(lost.into(), Ordering::Relaxed);
    }
}
