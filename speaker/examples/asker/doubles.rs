//! Pure: how long two nodes answered for one address at once, as its clients see it.
//!
//! A request is answered twice when two different MACs answer it in time. Requests in a row make one span: from the sending of
//! the first to the arrival of the last second answer. One request alone makes a span as long as the slower answer took, so
//! a span is never shorter than what was seen, and at most one request's distance longer or shorter than what was.

use std::net::IpAddr;

use serde::Serialize;

/// Spans that are listed; all are counted.
const LISTED: usize = 1000;

/// A time in which two nodes answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Double {
    pub(crate) address: IpAddr,
    /// Nanoseconds from the beginning of the measurement.
    pub(crate) from_ns: u64,
    pub(crate) length_ns: u64,
    /// Requests with two answerers.
    pub(crate) requests: u64,
}

/// Spans of all addresses.
#[derive(Debug, Default)]
pub(crate) struct Doubles {
    pub(crate) longest_ns: u64,
    pub(crate) total_ns: u64,
    pub(crate) listed: Vec<Double>,
    pub(crate) count: u64,
    /// Requests with two answerers.
    pub(crate) requests: u64,
}

/// The youngest span of one address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latest {
    span: Option<Double>,
    /// Number of its last request among those for this address.
    number: u64,
}

/// A request that was answered by two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) address: IpAddr,
    /// Among the requests for this address, from 0.
    pub(crate) number: u64,
    pub(crate) sent_ns: u64,
    /// Arrival of the second answer.
    pub(crate) at_ns: u64,
}

impl Doubles {
    /// Another node than the first has answered. Called once for each request.
    pub(crate) fn answered_twice(&mut self, latest: &mut Latest, request: Request) {
        self.requests += 1;
        // Second answers may overtake each other: the next request or any earlier one belongs to the same span.
        let running = latest.span.as_mut().filter(|_| request.number <= latest.number + 1);
        match running {
            Some(span) => {
                let until_ns = (span.from_ns + span.length_ns).max(request.at_ns);
                span.from_ns = span.from_ns.min(request.sent_ns);
                span.length_ns = until_ns.saturating_sub(span.from_ns);
                span.requests += 1;
            }
            None => {
                self.close(latest);
                let length_ns = request.at_ns.saturating_sub(request.sent_ns);
                let span = Double { address: request.address, from_ns: request.sent_ns, length_ns, requests: 1 };
                latest.span = Some(span);
            }
        }
        latest.number = latest.number.max(request.number);
    }

    /// The measurement is over, or another span begins.
    pub(crate) fn close(&mut self, latest: &mut Latest) {
        let Some(span) = latest.span.take() else { return };
        self.longest_ns = self.longest_ns.max(span.length_ns);
        self.total_ns = self.total_ns.saturating_add(span.length_ns);
        self.count += 1;
        if self.listed.len() < LISTED {
            self.listed.push(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn seen(requests: &[(u64, u64, u64)]) -> Doubles {
        let (mut doubles, mut latest) = (Doubles::default(), Latest::default());
        for (number, sent_ns, at_ns) in requests.iter().copied() {
            doubles.answered_twice(&mut latest, Request { address: A, number, sent_ns, at_ns });
        }
        doubles.close(&mut latest);
        doubles.close(&mut latest);
        doubles
    }

    #[test]
    fn requests_in_a_row_are_one_span() {
        let doubles = seen(&[(7, 700, 705), (8, 800, 809), (9, 900, 903)]);
        assert_eq!(doubles.listed, [Double { address: A, from_ns: 700, length_ns: 203, requests: 3 }]);
        assert_eq!((doubles.longest_ns, doubles.total_ns, doubles.count, doubles.requests), (203, 203, 1, 3));
    }

    #[test]
    fn a_request_with_one_answerer_parts_two_spans() {
        let doubles = seen(&[(0, 100, 104), (2, 300, 301), (3, 400, 410)]);
        let lengths: Vec<u64> = doubles.listed.iter().map(|span| span.length_ns).collect();
        assert_eq!(lengths, [4, 110]);
        assert_eq!((doubles.longest_ns, doubles.total_ns, doubles.count), (110, 114, 2));
    }

    #[test]
    fn a_second_answer_that_was_overtaken_belongs_to_the_span() {
        let doubles = seen(&[(4, 400, 490), (6, 600, 605), (5, 500, 640)]);
        // Request 6 came when 5 was not known to be answered twice: it began a span, which 5 joins from before.
        assert_eq!(doubles.listed.iter().map(|span| span.requests).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(doubles.listed[1], Double { address: A, from_ns: 500, length_ns: 140, requests: 2 });
    }

    #[test]
    fn without_a_second_answerer_there_is_no_span() {
        let doubles = seen(&[]);
        assert_eq!((doubles.count, doubles.longest_ns, doubles.requests), (0, 0, 0));
    }
}
