//! Whether an interface hears anything at all: a node that hears nothing is the one at fault.

/// The counter of received frames of one interface, as far as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hearing {
    frames: Option<u64>,
    read_ns: u64,
    /// Frames came between these two readings, the last two of which that is true.
    heard: Option<(u64, u64)>,
}

impl Hearing {
    /// The counter stands at `frames` now. A counter that went back belongs to another device: it proves nothing.
    pub(super) fn read(&mut self, frames: u64, now_ns: u64) {
        if self.frames.is_some_and(|before| frames > before) {
            self.heard = Some((self.read_ns, now_ns));
        }
        self.frames = Some(frames);
        self.read_ns = now_ns;
    }

    /// Whether a frame certainly came after that moment.
    pub(super) fn since(&self, ns: u64) -> bool {
        self.heard.is_some_and(|(from, _)| from >= ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_only_between_two_readings_after_the_moment() {
        let mut hearing = Hearing::default();
        hearing.read(100, 10);
        assert!(!hearing.since(0), "one reading says nothing");
        hearing.read(100, 20);
        assert!(!hearing.since(0));
        hearing.read(101, 30);
        assert!(hearing.since(20) && !hearing.since(21), "it came after 20, nobody knows when");
        hearing.read(5, 40);
        assert!(!hearing.since(21), "another device");
        hearing.read(6, 50);
        assert!(hearing.since(40));
    }
}
