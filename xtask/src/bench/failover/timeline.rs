//! Pure: what a list of requests and their answers says about who answered when.
//!
//! Gaps and the time with two answerers come from the account of the asker itself; here is what the picture and the count of
//! failovers need. Times are nanoseconds from the fault, negative before it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lab::Double;

/// A node that was silent for so long and then answers has taken over. Answers that race each other for the first place while
/// two nodes answer, or one that is lost under load, are no failover.
const SILENCE_NS: i64 = 100_000_000;
/// Where the curve begins: the distance of two requests at 500 a second.
const FIRST_NS: f64 = 2e6;
/// Parts of a tenfold time.
const PARTS: u32 = 12;
/// Parts of the curve: it ends at twenty seconds.
const ALL_PARTS: usize = 4 * PARTS as usize;

/// Requests sent at about the same time after the fault, of all repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Milliseconds from the fault to the sending.
    pub ms: f64,
    /// Share of them that was answered, from 0 to 1.
    pub answered: f64,
    /// Share of them that two nodes answered.
    pub twice: f64,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// When it was sent.
    pub(super) sent_ns: i64,
    /// Who answered it in time, if somebody did.
    pub(super) answerer: Option<String>,
    /// Another one answered too.
    pub(super) twice: bool,
}

/// A line of the asker's log.
#[derive(Deserialize)]
struct Line {
    sent_ns: i64,
    mac: Option<String>,
}

/// Reads the asker's log; `fault_ns` counts from the beginning of the asking. Lines are written when requests end: they
/// are put in the order of sending. `doubles` are the times with two answerers, of the same account.
///
/// # Errors
/// If a line is not one of the asker's.
pub(super) fn read(log: &str, doubles: &[Double], fault_ns: i64) -> serde_json::Result<Vec<Request>> {
    let twice = |sent_ns: i64| {
        let Ok(sent_ns) = u64::try_from(sent_ns) else { return false };
        doubles.iter().any(|double| (double.from_ns..=double.from_ns + double.length_ns).contains(&sent_ns))
    };
    let mut requests: Vec<Request> = log
        .lines()
        .map(|line| {
            let Line { sent_ns, mac } = serde_json::from_str(line)?;
            Ok(Request { sent_ns: sent_ns - fault_ns, answerer: mac, twice: twice(sent_ns) })
        })
        .collect::<serde_json::Result<_>>()?;
    requests.sort_by_key(|request| request.sent_ns);
    Ok(requests)
}

/// How often a node began to answer that had not answered before; the first one did not take over from anybody.
pub(super) fn takeovers(requests: &[Request]) -> usize {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut begun: usize = 0;
    for request in requests {
        let Some(answerer) = &request.answerer else { continue };
        let before = last.insert(answerer, request.sent_ns);
        // The whole segment may have been silent: who was the last to answer is no new one.
        let others = last.iter().filter(|(name, _)| **name != answerer.as_str()).map(|(_, at_ns)| *at_ns).max();
        let new = before
            .is_none_or(|before| request.sent_ns - before > SILENCE_NS && others.is_some_and(|others| others > before));
        begun += usize::from(new);
    }
    begun.saturating_sub(1)
}

/// The shares of requests that were answered, and answered by two, by the time from the fault to the sending.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    sent: [u32; ALL_PARTS],
    answered: [u32; ALL_PARTS],
    twice: [u32; ALL_PARTS],
}

impl Default for Curve {
    fn default() -> Self {
        Self { sent: [0; ALL_PARTS], answered: [0; ALL_PARTS], twice: [0; ALL_PARTS] }
    }
}

impl Curve {
    /// Adds the requests of a repetition; those before the fault or after twenty seconds have no part in it.
    pub(super) fn add(&mut self, requests: &[Request]) {
        for request in requests {
            let Some(part) = part_of(request.sent_ns) else { continue };
            self.sent[part] += 1;
            self.answered[part] += u32::from(request.answerer.is_some());
            self.twice[part] += u32::from(request.twice);
        }
    }

    /// What the parts say; those without requests are left out.
    pub(super) fn points(&self) -> Vec<Point> {
        let share = |of: &[u32; ALL_PARTS], part: usize| f64::from(of[part]) / f64::from(self.sent[part]);
        (0..ALL_PARTS)
            .filter(|part| self.sent[*part] > 0)
            .map(|part| Point {
                ms: FIRST_NS * 10_f64.powf((part as f64 + 0.5) / f64::from(PARTS)) / 1e6,
                answered: share(&self.answered, part),
                twice: share(&self.twice, part),
            })
            .collect()
    }
}

/// Parts grow tenfold in [`PARTS`] steps.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the logarithm of what is at least 1")]
fn part_of(sent_ns: i64) -> Option<usize> {
    let ratio = sent_ns as f64 / FIRST_NS;
    (ratio >= 1.0).then(|| (ratio.log10() * f64::from(PARTS)) as usize).filter(|part| *part < ALL_PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn requests(answerers: &[(i64, Option<&str>)]) -> Vec<Request> {
        let request = |(ms, mac): &(i64, Option<&str>)| Request {
            sent_ns: ms * MS,
            answerer: mac.map(str::to_owned),
            twice: mac.is_some_and(|mac| mac == "both"),
        };
        answerers.iter().map(request).collect()
    }

    #[test]
    fn the_log_is_put_in_order_and_counts_from_the_fault() {
        let log = r#"{"sequence":1,"sent_ns":700,"latency_ns":5,"mac":"02:00:00:00:00:01","address":"192.0.2.10"}
{"sequence":0,"sent_ns":200,"latency_ns":null,"mac":null}"#;
        let read = read(log, &[Double { from_ns: 600, length_ns: 105 }], 500).unwrap();
        assert_eq!(read[0], Request { sent_ns: -300, answerer: None, twice: false });
        assert_eq!(read[1], Request { sent_ns: 200, answerer: Some("02:00:00:00:00:01".to_owned()), twice: true });
        assert!(super::read("{\"ready\":true}", &[], 0).is_err());
    }

    #[test]
    fn a_takeover_is_a_node_that_answers_after_silence_while_others_did() {
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(takeovers(&requests(&[])), 0);
        assert_eq!(takeovers(&requests(&[(0, a), (2, a), (4, None), (600, a)])), 0, "nobody else answered");
        assert_eq!(takeovers(&requests(&[(0, a), (2, None), (160, b), (162, b)])), 1);
        assert_eq!(takeovers(&requests(&[(0, a), (160, b), (5_000, a), (5_002, a)])), 2, "there and back");
        // Both answer, now one is faster, now the other.
        assert_eq!(takeovers(&requests(&[(0, a), (2, b), (4, a), (6, b), (8, a)])), 1);
    }

    #[test]
    fn the_curve_is_the_share_of_answered_requests() {
        let mut curve = Curve::default();
        curve.add(&requests(&[(-5, Some("a")), (3, None), (100, None), (900, Some("both"))]));
        curve.add(&requests(&[(3, None), (100, Some("b")), (900, Some("b")), (90_000, None)]));
        let points = curve.points();
        let shares: Vec<_> = points.iter().map(|point| (point.answered, point.twice)).collect();
        assert_eq!(shares, [(0.0, 0.0), (0.5, 0.0), (1.0, 0.5)]);
        for (point, sent) in points.iter().zip([3.0, 100.0, 900.0]) {
            let ratio = point.ms / sent;
            assert!(ratio > 0.8 && ratio < 1.25, "{point:?} for {sent}");
        }
    }

    #[test]
    fn parts_reach_from_two_milliseconds_to_twenty_seconds() {
        assert_eq!([-1, 0, 1].map(|ms| part_of(ms * MS)), [None; 3]);
        assert_eq!((part_of(2 * MS), part_of(19_990 * MS), part_of(20_001 * MS)), (Some(0), Some(ALL_PARTS - 1), None));
    }
}
