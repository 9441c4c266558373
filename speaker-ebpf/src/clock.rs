//! The coarse clock, read once a tick.
//!
//! `bpf_ktime_get_coarse_ns` is exact to a tick and costs as much as half a look-up. The number of ticks is there for nothing: the
//! kernel puts the load of `jiffies` in place of the call (Linux 5.6). So each CPU keeps what the clock said in its present
//! tick. What is returned is at most one tick older than what the clock would say: another CPU may take in the new tick a
//! moment before the clock.

use aya_ebpf::{
    btf_maps::PerCpuArray,
    helpers::{bpf_jiffies64, bpf_ktime_get_coarse_ns},
    macros::btf_map,
};

/// A tick, and what the clock said in it.
#[repr(C)]
struct Tick {
    jiffies: u64,
    now_ns: u64,
}

#[btf_map]
static CLOCK: PerCpuArray<Tick, 1> = PerCpuArray::new();

/// Monotonic nanoseconds, exact to two ticks.
#[inline(always)]
pub(crate) fn coarse_now_ns() -> u64 {
    // SAFETY: the helper has no arguments and no preconditions.
    let jiffies = unsafe { bpf_jiffies64() };
    let Some(tick) = CLOCK.get_ptr_mut(0) else { return read() };
    // SAFETY: the pointer is to this CPU's own element of a per-CPU array, which lives as long as the map.
    if unsafe { (&raw const (*tick).jiffies).read_volatile() } != jiffies {
        // First the time, then the tick it belongs to: whoever interrupts this in between reads the clock himself.
        // SAFETY: as above.
        unsafe { (&raw mut (*tick).now_ns).write_volatile(read()) };
        // SAFETY: as above.
        unsafe { (&raw mut (*tick).jiffies).write_volatile(jiffies) };
    }
    // SAFETY: as above.
    unsafe { (&raw const (*tick).now_ns).read_volatile() }
}

/// What the clock says, for who asks rarely.
#[inline(always)]
pub(crate) fn read() -> u64 {
    // SAFETY: the helper has no arguments and no preconditions (Linux 5.11).
    unsafe { bpf_ktime_get_coarse_ns() }
}
