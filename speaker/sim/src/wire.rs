//! The segment: who hears whom, what gets lost, and how long a frame takes.

use fastrand::Rng;

/// A port of a node, the gateway, a client or a stranger, by its number.
pub(crate) type Station = usize;

/// A set of stations as bits.
pub(crate) type Stations = u32;

/// The set of one.
pub(crate) const fn only(station: Station) -> Stations {
    1 << station
}

/// What the wire is like while nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// Every frame takes at least this long, in nanoseconds.
    pub delay_ns: u64,
    /// And up to this much longer.
    pub jitter_ns: u64,
    /// Frames that arrive twice, of a thousand.
    pub twice_per_mille: u32,
}

/// The segment now.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    stations: usize,
    quality: Quality,
    /// Faults that keep frames of one station from another, by `from * stations + to`.
    cuts: Vec<u8>,
    /// Faults that keep the carrier from a station.
    down: Vec<u8>,
    /// Frames that get lost, of a thousand, by each fault in force.
    losses: Vec<u32>,
    /// Nanoseconds more, by each fault in force.
    delays: Vec<u64>,
    /// When the last frame arrived, by pair: bridges do not let frames of one pair overtake each other.
    last_ns: Vec<u64>,
}

impl Wire {
    /// Everybody hears everybody.
    pub(crate) fn new(stations: usize, quality: Quality) -> Self {
        let pairs = stations * stations;
        Self {
            stations,
            quality,
            cuts: vec![0; pairs],
            down: vec![0; stations],
            losses: Vec::new(),
            delays: Vec::new(),
            last_ns: vec![0; pairs],
        }
    }

    /// When a frame arrives at another station: never, once or twice.
    pub(crate) fn carry(&mut self, rng: &mut Rng, now_ns: u64, (from, to): (Station, Station)) -> [Option<u64>; 2] {
        if !self.hears(from, to) || self.loses(rng) {
            return [None; 2];
        }
        let first_ns = self.arrival_ns(rng, now_ns, from * self.stations + to);
        let twice = rng.u32(0..1_000) < self.quality.twice_per_mille;
        // The second one took another way.
        let second_ns = twice.then(|| first_ns + rng.u64(0..=self.quality.jitter_ns.max(1)));
        [Some(first_ns), second_ns]
    }

    fn loses(&self, rng: &mut Rng) -> bool {
        self.losses.iter().any(|per_mille| rng.u32(0..1_000) < *per_mille)
    }

    fn arrival_ns(&mut self, rng: &mut Rng, now_ns: u64, pair: usize) -> u64 {
        let Quality { delay_ns, jitter_ns, .. } = self.quality;
        let more_ns: u64 = self.delays.iter().map(|most_ns| rng.u64(0..=*most_ns)).sum();
        let at_ns = now_ns + delay_ns + rng.u64(0..=jitter_ns) + more_ns;
        let last_ns = &mut self.last_ns[pair];
        *last_ns = at_ns.max(*last_ns + 1);
        *last_ns
    }

    /// Whether frames of one station reach another.
    pub(crate) fn hears(&self, from: Station, to: Station) -> bool {
        from != to && self.has_carrier(from) && self.has_carrier(to) && self.cuts[from * self.stations + to] == 0
    }

    /// Whether the link of a station is up.
    pub(crate) fn has_carrier(&self, station: Station) -> bool {
        self.down[station] == 0
    }

    /// Keeps frames of one set of stations from another, or ends that.
    pub(crate) fn cut(&mut self, (from, to): (Stations, Stations), begins: bool) {
        for pair in 0..self.cuts.len() {
            let (one, other) = (pair / self.stations, pair % self.stations);
            if one != other && from & only(one) != 0 && to & only(other) != 0 {
                count(&mut self.cuts[pair], begins);
            }
        }
    }

    /// Takes the carrier from a station, or ends that.
    pub(crate) fn pull(&mut self, station: Station, begins: bool) {
        count(&mut self.down[station], begins);
    }

    /// Loses frames, or ends that.
    pub(crate) fn lose(&mut self, per_mille: u32, begins: bool) {
        toggle(&mut self.losses, per_mille, begins);
    }

    /// Makes frames slower, each by up to `most_ns`, or ends that.
    pub(crate) fn slow(&mut self, most_ns: u64, begins: bool) {
        toggle(&mut self.delays, most_ns, begins);
    }

    /// The sets of stations, `among` these, in which everybody hears everybody. A set in which somebody does not is not one
    /// of them: no protocol can give one owner to stations that do not agree who is there.
    pub(crate) fn segments(&self, among: Stations) -> Vec<Stations> {
        let mut left: Stations = members(among).filter(|station| self.has_carrier(*station)).map(only).sum();
        let mut segments = Vec::new();
        while left != 0 {
            let mut segment = only(left.trailing_zeros() as usize);
            loop {
                let wider = members(segment).fold(segment, |wider, one| wider | (self.friends(one) & among));
                if wider == segment {
                    break;
                }
                segment = wider;
            }
            left &= !segment;
            if members(segment).all(|one| (self.friends(one) & among) | only(one) == segment) {
                segments.push(segment);
            }
        }
        segments
    }

    /// Whom a station hears and is heard by.
    fn friends(&self, one: Station) -> Stations {
        let both = |other: &Station| self.hears(one, *other) && self.hears(*other, one);
        (0..self.stations).filter(both).map(only).sum()
    }
}

/// The stations of a set.
pub(crate) fn members(stations: Stations) -> impl Iterator<Item = Station> {
    let mut left = stations;
    std::iter::from_fn(move || {
        let next = (left != 0).then_some(left.trailing_zeros() as usize);
        // Without the lowest one.
        left &= left.wrapping_sub(1);
        next
    })
}

fn count(counter: &mut u8, begins: bool) {
    *counter = if begins { counter.saturating_add(1) } else { counter.saturating_sub(1) };
}

fn toggle<T: PartialEq>(list: &mut Vec<T>, value: T, begins: bool) {
    if begins {
        list.push(value);
    } else if let Some(at) = list.iter().position(|other| *other == value) {
        list.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Quality = Quality { delay_ns: 10, jitter_ns: 5, twice_per_mille: 0 };

    #[test]
    fn frames_of_one_pair_do_not_overtake() {
        let (mut wire, mut rng) = (Wire::new(2, GOOD), Rng::with_seed(1));
        wire.slow(1_000, true);
        let arrivals: Vec<_> = (0..100).map(|now| wire.carry(&mut rng, now, (0, 1))[0].unwrap()).collect();
        assert!(arrivals.windows(2).all(|pair| pair[0] < pair[1]), "{arrivals:?}");
        assert!((arrivals[0]) >= 10);
    }

    #[test]
    fn faults_of_a_kind_add_up_and_end_one_by_one() {
        let mut wire = Wire::new(3, GOOD);
        assert_eq!(wire.segments(0b111), [0b111]);
        wire.cut((0b001, 0b110), true);
        assert!(!wire.hears(0, 1) && wire.hears(1, 0), "one way only");
        assert_eq!(wire.segments(0b111), [0b001, 0b110]);
        wire.cut((0b001, 0b010), true);
        wire.cut((0b001, 0b110), false);
        assert!(!wire.hears(0, 1) && wire.hears(0, 2));
        assert_eq!(wire.segments(0b111), [] as [Stations; 0], "0 and 1 know each other only through 2");
        wire.pull(2, true);
        assert_eq!(wire.segments(0b111), [0b001, 0b010]);
        wire.pull(2, false);
        wire.cut((0b001, 0b010), false);
        assert_eq!(wire.segments(0b111), [0b111]);
    }

    #[test]
    fn what_is_lost_does_not_arrive() {
        let (mut wire, mut rng) = (Wire::new(2, GOOD), Rng::with_seed(1));
        wire.lose(100, true);
        let lost = (0..1_000).filter(|now| wire.carry(&mut rng, *now, (0, 1))[0].is_none()).count();
        assert!((60..=140).contains(&lost), "{lost}");
        wire.lose(1_000, true);
        assert_eq!(wire.carry(&mut rng, 0, (0, 1)), [None; 2]);
    }
}
