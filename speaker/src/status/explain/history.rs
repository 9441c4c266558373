//! Pure: the flight recorder's entries as people and programs read them.

use arpeggio_succession::Report;

use super::{evidence::Evidence, report::EventReport};
use crate::status::{parties::Party, wording::change};

/// One change of ownership, with the wall-clock time it happened at.
pub(super) fn event(evidence: &Evidence, report: &Report) -> EventReport {
    let names = &evidence.facts.names;
    let (index, address) = report.place;
    EventReport {
        at: clock(report.at_ns.saturating_add(evidence.wall_ahead_ns)),
        ago_ms: evidence.facts.now_ns.saturating_sub(report.at_ns) / 1_000_000,
        interface: evidence.name(index),
        address,
        happened: report.happened,
        cause: report.cause,
        other: report.other.map(|voice| Party::new(voice, names)),
        gap_ms: report.gap_ns.map(|ns| ns.div_ceil(1_000_000)),
        shares: report.buckets.count_ones(),
        text: change(report, names),
    }
}

/// Wall-clock nanoseconds as RFC 3339 in UTC, milliseconds shown.
fn clock(wall_ns: u64) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(wall_ns)).unwrap_or_default();
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(clock(1_700_000_000_123_999_999), "2023-11-14T22:13:20.123Z");
        assert_eq!(clock(0), "1970-01-01T00:00:00.000Z");
    }
}
