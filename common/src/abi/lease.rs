//! Permission to answer, and who holds it.

use super::NodeId;

/// Value of [`LEASE`](super::names::LEASE). 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Monotonic nanoseconds until which answering is allowed; 0 for never.
    pub until_ns: u64,
    /// This node: what the program writes into the tag of its answers. `None` before an agent began.
    pub node: Option<NodeId>,
}

impl Lease {
    /// What stands there before an agent ever renewed it.
    pub const NONE: Self = Self { until_ns: 0, node: None };

    /// Whether answering is no longer allowed.
    #[inline(always)]
    pub const fn is_over(&self, now_ns: u64) -> bool {
        now_ns >= self.until_ns
    }
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn layout_is_pinned() {
        assert_eq!(size_of::<Lease>(), 16);
        assert_eq!((offset_of!(Lease, until_ns), offset_of!(Lease, node)), (0, 8));
    }

    #[test]
    fn the_end_itself_is_over() {
        let lease = Lease { until_ns: 10, ..Lease::NONE };
        assert_eq!([9, 10, 11].map(|now| lease.is_over(now)), [false, true, true]);
        assert!(Lease::NONE.is_over(0));
    }
}
