//! When to decide: at once if nothing was decided lately, else bunched, so that deciding never takes more than a share of the
//! time however many events come in one by one.

use std::time::{Duration, Instant};

/// A decision that took a while is followed by a pause of this many times that while.
const PAUSES: u32 = 3;
/// Longest pause.
const MOST: Duration = Duration::from_millis(200);

/// When the next decision may be made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    next: Option<Instant>,
}

impl Pace {
    /// From when on the next decision may be made; `None`: now.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// A decision was made.
    pub(super) fn decided(&mut self, began: Instant, ended: Instant) {
        let took = ended.saturating_duration_since(began);
        self.next = Some(ended + (took * PAUSES).min(MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the beginning")]
    fn deciding_takes_a_quarter_of_the_time_at_most_and_never_waits_long() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.next(), None);
        let ended = start + Duration::from_millis(10);
        pace.decided(start, ended);
        assert_eq!(pace.next(), Some(ended + Duration::from_millis(30)));
        pace.decided(start, start + Duration::from_secs(5));
        assert_eq!(pace.next(), Some(start + Duration::from_secs(5) + MOST));
    }
}
