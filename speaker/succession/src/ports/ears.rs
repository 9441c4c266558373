//! Ports that receive nothing although others of their segment do: what is broadcast there reaches all of them.

use std::collections::BTreeMap;

/// A port whose counter stood still for so long is doubted, in nanoseconds.
const SILENT_NS: u64 = 3_000_000_000;
/// Broadcasts of another port that it did not receive either, before it counts as deaf.
const ASKED: u32 = 3;

/// What is known of one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ear {
    frames: u64,
    /// When its counter moved last.
    moved_ns: u64,
    /// Broadcasts that others of its segment sent since.
    asked: u32,
}

/// What all ports of this node's segments receive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ears(BTreeMap<u32, Ear>);

/// What follows from a reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hearing {
    /// Ports, and whether each is deaf.
    pub deaf: BTreeMap<u32, bool>,
    /// A port that hears and is to broadcast something, so that a doubtful one receives it or does not.
    pub ask_from: Option<u32>,
}

impl Ears {
    /// The counters of received frames of the ports of one segment, read now.
    pub fn read(&mut self, segment: &BTreeMap<u32, u64>, now_ns: u64) -> Hearing {
        for (port, frames) in segment {
            let fresh = Ear { frames: *frames, moved_ns: now_ns, asked: 0 };
            let ear = self.0.entry(*port).or_insert(fresh);
            if ear.frames != *frames {
                *ear = fresh;
            }
        }
        let silent = |ear: &Ear| now_ns.saturating_sub(ear.moved_ns) >= SILENT_NS;
        let ears = || segment.keys().filter_map(|port| Some((*port, *self.0.get(port)?)));
        let hears = ears().find(|(_, ear)| !silent(ear)).map(|(port, _)| port);
        let doubtful: Vec<u32> = ears().filter(|(_, ear)| silent(ear)).map(|(port, _)| port).collect();
        let deaf = ears().map(|(port, ear)| (port, silent(&ear) && ear.asked >= ASKED)).collect();
        let ask_from = hears.filter(|_| !doubtful.is_empty());
        if ask_from.is_some() {
            for port in doubtful {
                if let Some(ear) = self.0.get_mut(&port) {
                    ear.asked = ear.asked.saturating_add(1);
                }
            }
        }
        Hearing { deaf, ask_from }
    }

    /// Only these ports are of interest.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.0.retain(|port, _| keep(*port));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Reads two ports every second; the counter of a port moves where `moves` says so.
    fn run(ears: &mut Ears, seconds: std::ops::Range<u64>, moves: [bool; 2]) -> Hearing {
        let mut last = Hearing::default();
        for second in seconds {
            let counter = |moves: bool, base: u64| if moves { base + second } else { base };
            let segment = [(2, counter(moves[0], 1000)), (3, counter(moves[1], 2000))].into();
            last = ears.read(&segment, second * SECOND);
        }
        last
    }

    #[test]
    fn a_port_that_misses_what_another_receives_and_sends_is_deaf_until_it_receives() {
        let mut ears = Ears::default();
        assert_eq!(run(&mut ears, 0..3, [false, true]).ask_from, None, "not long enough to be doubted");
        assert_eq!(
            run(&mut ears, 3..4, [false, true]),
            Hearing { deaf: [(2, false), (3, false)].into(), ask_from: Some(3) }
        );
        assert!(!run(&mut ears, 4..6, [false, true]).deaf[&2]);
        assert_eq!(run(&mut ears, 6..7, [false, true]).deaf, [(2, true), (3, false)].into());
        assert_eq!(
            run(&mut ears, 7..8, [true, true]),
            Hearing { deaf: [(2, false), (3, false)].into(), ask_from: None }
        );
    }

    #[test]
    fn a_silent_segment_makes_nobody_deaf() {
        let mut ears = Ears::default();
        let told = run(&mut ears, 0..60, [false, false]);
        assert_eq!(told, Hearing { deaf: [(2, false), (3, false)].into(), ask_from: None });
        ears.retain(|port| port != 2);
        assert_eq!(ears.0.keys().copied().collect::<Vec<_>>(), [3]);
    }
}
