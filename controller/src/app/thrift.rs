//! When free memory goes back to the kernel: after a burst, once nothing is urgent. A first list of ten thousand objects, or as many
//! writes, leave a heap full of holes that would count for the process until its end.

/// So many objects that were taken in, or writes that ended, are a burst.
const BURST: usize = 1_000;

/// Counts what was handled, and tells when memory is to go back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thrift {
    handled: usize,
    /// What had been handled when this was asked last.
    before: usize,
}

impl Thrift {
    /// Objects were taken in, or writes ended.
    pub(super) const fn handled(&mut self, count: usize) {
        self.handled = self.handled.saturating_add(count);
    }

    /// Asked from time to time: whether a burst is over, and free memory is to go back. `idle`: nothing waits to be written.
    pub(super) const fn is_due(&mut self, idle: bool) -> bool {
        let since = self.handled - self.before;
        self.before = self.handled;
        // Still in it, or too little to be worth the time.
        if !idle || since >= BURST || self.handled < BURST {
            return false;
        }
        *self = Self { handled: 0, before: 0 };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_back_once_after_a_burst_and_never_within_it() {
        let mut thrift = Thrift::default();
        assert!(!thrift.is_due(true), "nothing happened");
        thrift.handled(20_000);
        assert!(!thrift.is_due(true), "it may go on");
        assert!(!thrift.is_due(false), "there is something to write");
        assert!(thrift.is_due(true) && !thrift.is_due(true));
        for _ in 0..9 {
            thrift.handled(100);
            assert!(!thrift.is_due(true));
        }
        thrift.handled(100);
        assert!(thrift.is_due(true), "many small things are a burst at last");
    }
}
