//! Finds ports of a segment that receive nothing: they stand by for one that hears.

use std::{collections::BTreeMap, fs, time::Duration};

use arpeggio_common::program::with_causes;
use tracing::{debug, info, warn};

use super::{
    agent::Agent,
    situation::{signer, speaker},
};
use crate::{
    clock::monotonic_ns,
    frames::{FrameSocket, messages::sign_of_life},
    world::World,
};

/// Between two readings of the counters.
pub(super) const PACE: Duration = Duration::from_secs(1);
/// The counters of the network namespace of whoever reads it, without a lock that others may hold for long.
const COUNTERS: &str = "/proc/thread-self/net/dev";

impl Agent {
    /// Whether there are segments with several ports.
    pub(super) fn has_segments(&self) -> bool {
        !self.surroundings.standing_by.is_empty()
    }

    /// Reads what the ports of segments have received.
    pub(super) fn listen(&mut self) {
        let Some(world) = self.current.as_ref().map(|(world, _)| world.clone()) else { return };
        let counters = match fs::read_to_string(COUNTERS) {
            Ok(text) => counters(&text),
            Err(error) => return debug!("cannot read {COUNTERS}: {error}"),
        };
        let read = |port: &u32| Some((*port, *counters.get(&world.links.0.get(port)?.name)?));
        let mut segments: BTreeMap<u32, BTreeMap<u32, u64>> = BTreeMap::new();
        for (port, other) in &self.surroundings.standing_by {
            segments.entry(*other).or_default().extend([port, other].into_iter().filter_map(read));
        }
        self.ears.retain(|port| segments.values().any(|segment| segment.contains_key(&port)));
        let mut changed = false;
        for segment in segments.values() {
            let hearing = self.ears.read(segment, monotonic_ns());
            for (port, deaf) in hearing.deaf {
                if self.segments.set_deaf(port, deaf) {
                    changed = true;
                    let interface = self.interface_name(port);
                    if deaf {
                        warn!(
                            interface,
                            "it receives nothing, although another port of its segment does: it stands by"
                        );
                    } else {
                        info!(interface, "it receives again");
                    }
                }
            }
            if let Some(port) = hearing.ask_from {
                self.ask_from(&world, port);
            }
        }
        if changed && self.look_at_segments(&world) {
            self.decide(world);
            self.reconcile();
        }
    }

    /// Broadcasts something on this port: a request for an address that is announced.
    fn ask_from(&self, world: &World, port: u32) {
        let speaker = world.links.0.get(&port).and_then(|link| speaker(signer(&world.config), link));
        let of = world.config.announcements.keys().next();
        let Some(frame) = speaker.zip(of).and_then(|(speaker, of)| sign_of_life(&speaker, port, *of)) else { return };
        let sent = FrameSocket::open().and_then(|socket| socket.send(port, frame.bytes()));
        if let Err(error) = sent {
            debug!("nothing can be broadcast on {}: {}", self.interface_name(port), with_causes(&error));
        }
    }
}

/// Frames received by each interface: the second number of a line of `/proc/net/dev` after the name.
fn counters(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (name, numbers) = line.rsplit_once(':')?;
        Some((name.trim().to_owned(), numbers.split_whitespace().nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_by_name() {
        let text = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    8820     120    0    0    0     0          0         0     8820     120    0    0    0     0       0          0
eth0.5: 1000000    4711    0    0    0     0          0         0        0       0    0    0    0     0       0          0
";
        assert_eq!(counters(text), [("eth0.5".to_owned(), 4711), ("lo".to_owned(), 120)].into());
    }
}
