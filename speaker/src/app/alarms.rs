//! Pure: which changes of ownership are warnings, and when they are told again.

use std::collections::BTreeMap;

use arpeggio_succession::{Cause, Happened, Report};

use crate::dataplane::Place;

/// The same is no warning again for so long, in nanoseconds.
const RARELY_NS: u64 = 600_000_000_000;

/// What was warned of, and when.
#[derive(Debug, Default)]
pub(super) struct Alarms(BTreeMap<(Place, Happened), u64>);

impl Alarms {
    /// Whether this is a warning now: it is out of order, and was not told lately.
    pub(super) fn warns(&mut self, report: &Report) -> bool {
        if !is_out_of_order(report) {
            return false;
        }
        let at_ns = report.at_ns;
        self.0.retain(|_, told_ns| at_ns.saturating_sub(*told_ns) < RARELY_NS);
        let news = !self.0.contains_key(&(report.place, report.happened));
        if news {
            self.0.insert((report.place, report.happened), at_ns);
        }
        news
    }
}

/// Somebody else has the address, or it moved although no order said so.
fn is_out_of_order(report: &Report) -> bool {
    let by_itself = matches!(
        report.cause,
        Cause::OwnerSilent
            | Cause::Unheeded
            | Cause::LinkDown
            | Cause::LeaseLapsed
            | Cause::NoSuccessor
            | Cause::Claimed
    );
    match report.happened {
        Happened::AddressConflict | Happened::AddressInUse | Happened::SameName | Happened::Stays => true,
        Happened::Took | Happened::Lost => by_itself,
        Happened::Leaving | Happened::Follows | Happened::Suspects | Happened::Shares => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(happened: Happened, cause: Cause, at_ns: u64) -> Report {
        let place = (2, [192, 0, 2, 10].into());
        Report { place, at_ns, happened, cause, other: None, gap_ns: None, buckets: 0 }
    }

    #[test]
    fn what_no_order_said_is_a_warning_once_and_then_rarely() {
        let mut alarms = Alarms::default();
        let mut warns = |happened, cause, at_ns| alarms.warns(&report(happened, cause, at_ns));
        assert!(warns(Happened::AddressConflict, Cause::Stranger, 1));
        assert!(!warns(Happened::AddressConflict, Cause::Stranger, 2));
        assert!(warns(Happened::Took, Cause::OwnerSilent, 2), "something else");
        assert!(!warns(Happened::AddressConflict, Cause::Stranger, RARELY_NS));
        assert!(warns(Happened::AddressConflict, Cause::Stranger, 1 + RARELY_NS));
        for (happened, cause) in [
            (Happened::Took, Cause::Unclaimed),
            (Happened::Took, Cause::Preferred),
            (Happened::Lost, Cause::Succeeded),
            (Happened::Lost, Cause::NotCandidate),
            (Happened::Follows, Cause::Claimed),
        ] {
            assert!(!warns(happened, cause, 5), "{happened:?} {cause:?}");
        }
    }
}
