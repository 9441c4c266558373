//! What is planned, by time.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::world::Event;

/// Of a key, so many low bits say where the event is kept.
const SLOT_BITS: u32 = 24;

/// Events by time. Of two at the same time, the one that was planned first happens first. Only times and places are sorted: events are
/// many times as large.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    times: BinaryHeap<Reverse<(u64, u64)>>,
    events: Vec<Option<Event>>,
    free: Vec<u64>,
    planned: u64,
}

impl Queue {
    /// At that time.
    pub(crate) fn push(&mut self, at_ns: u64, event: Event) {
        let slot = self.free.pop().unwrap_or(self.events.len() as u64);
        match usize::try_from(slot).ok().and_then(|slot| self.events.get_mut(slot)) {
            Some(free) => *free = Some(event),
            None => self.events.push(Some(event)),
        }
        self.planned += 1;
        self.times.push(Reverse((at_ns, self.planned << SLOT_BITS | slot)));
    }

    /// The next one, and its time.
    pub(crate) fn pop(&mut self) -> Option<(u64, Event)> {
        let Reverse((at_ns, key)) = self.times.pop()?;
        let slot = key & ((1 << SLOT_BITS) - 1);
        self.free.push(slot);
        let event = self.events.get_mut(usize::try_from(slot).ok()?)?.take()?;
        Some((at_ns, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_happen_by_time_and_then_as_they_were_planned() {
        let mut queue = Queue::default();
        let number = |event| if let Event::Wake(number) = event { number } else { usize::MAX };
        let mut seen = Vec::new();
        for round in 0..3 {
            for (at_ns, number) in [(7, 1), (5, 2), (7, 3), (5, 4)] {
                queue.push(at_ns, Event::Wake(10 * round + number));
            }
            seen.extend([queue.pop(), queue.pop()].into_iter().flatten().map(|(at_ns, event)| (at_ns, number(event))));
        }
        seen.extend(std::iter::from_fn(|| queue.pop()).map(|(at_ns, event)| (at_ns, number(event))));
        let first: Vec<_> = [2, 4, 12, 14, 22, 24].map(|number| (5, number)).into();
        let then: Vec<_> = [1, 3, 11, 13, 21, 23].map(|number| (7, number)).into();
        assert_eq!(seen, [first, then].concat());
        assert!(queue.events.len() <= 8, "what has happened makes room: {}", queue.events.len());
    }
}
