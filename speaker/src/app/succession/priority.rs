//! The thread of the succession before others: a heartbeat that waits for a processor is late.

#![expect(unsafe_code, reason = "there is no safe call for the scheduling of one thread")]

/// Above every ordinary thread, below those of the kernel.
const FIFO_PRIORITY: libc::c_int = 10;
/// Where real-time scheduling is not permitted.
const NICE: libc::c_int = -10;

/// How the calling thread is scheduled from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// SCHED_FIFO.
    RealTime,
    /// Ordinary, with a better nice value.
    Nice,
    /// As before: nothing else is permitted. Heartbeats may be late on a busy machine; the owner's kernel answers all the
    /// same, and a standby that is late itself does not take over.
    Ordinary,
}

/// Raises the priority of the calling thread as far as this process may; threads that it starts do not inherit it.
pub(super) fn raise() -> Priority {
    let parameters = libc::sched_param { sched_priority: FIFO_PRIORITY };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `sched_setscheduler` reads one `sched_param` through the pointer, which is to a live local value; thread 0 is
    // the calling one.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } == 0 {
        return Priority::RealTime;
    }
    // On Linux this is about the calling thread alone (setpriority(2), "C library/kernel differences").
    // SAFETY: the call takes and keeps no memory of ours.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } == 0 {
        return Priority::Nice;
    }
    Priority::Ordinary
}
