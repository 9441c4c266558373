//! The table: how the program finished with a frame → what the kernel is told, what is counted, what is explained.

use arpeggio_common::abi::{Disposition, Outcome};
use aya_ebpf::{EbpfContext, cty::c_void};
use aya_log_ebpf::debug;

use crate::maps::Maps;

/// Logging writes to a ring buffer and has no use for the context; one type for all hooks keeps one copy of the calls.
struct AnyHook;

impl EbpfContext for AnyHook {
    fn as_ptr(&self) -> *mut c_void {
        core::ptr::null_mut()
    }
}

/// Counts the outcome, explains rare ones at debug level, and says what happens to the frame.
#[inline(always)]
pub(crate) fn finish(outcome: Outcome) -> Disposition {
    Maps::count_outcome(outcome);
    if outcome.counter().is_some() {
        explain(outcome);
    }
    outcome.disposition()
}

/// Says why a frame was left alone although it looked like one of ours. The level is a read-only global that is frozen at
/// load time, so with logging off the verifier removes every call: nothing of this runs, and never on the answered path.
/// Not inlined: it would double the size of every entry.
#[inline(never)]
fn explain(outcome: Outcome) {
    match outcome {
        Outcome::Conflict => debug!(&AnyHook, "another MAC speaks for an address that this node answers for"),
        Outcome::UnknownAction => debug!(&AnyHook, "an entry holds an action that this program does not know"),
        Outcome::BadSender => debug!(&AnyHook, "asked by a group: not answered"),
        Outcome::BadHopLimit => debug!(&AnyHook, "neighbour discovery from beyond a router: not answered"),
        Outcome::BadChecksum => debug!(&AnyHook, "wrong ICMPv6 checksum: not answered"),
        Outcome::BadOption => debug!(&AnyHook, "impossible length in neighbour discovery: not answered"),
        Outcome::TooManyOptions => debug!(&AnyHook, "more options than are read: not answered"),
        Outcome::Ordinary
        | Outcome::Answered
        | Outcome::HeartbeatAnswered
        | Outcome::Suppressed
        | Outcome::OtherBucket
        | Outcome::HeartbeatRefused
        | Outcome::HeartbeatHeard
        | Outcome::Observed
        | Outcome::Claimed
        | Outcome::OwnEcho
        | Outcome::ForeignTarget
        | Outcome::OtherMac
        | Outcome::LeaseOver
        | Outcome::SuppressedBeyond
        | Outcome::AnsweredNothing
        | Outcome::Truncated
        | Outcome::ForeignHardware
        | Outcome::ForeignOperation
        | Outcome::BadCode
        | Outcome::BadTarget
        | Outcome::BadDestination
        | Outcome::BadProbe => {}
    }
}
