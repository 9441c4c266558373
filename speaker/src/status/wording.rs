//! Pure: changes of ownership in words, for the log, the flight recorder and explanations.

use arpeggio_succession::{Cause, Happened, Report};

use super::parties::{Names, Party};

/// One change in one sentence, without time and place: `took over from node-a (02:…): its heartbeats went unanswered, gap
/// 142 ms`.
pub fn change(report: &Report, names: &Names) -> String {
    let other = report.other.map(|voice| Party::new(voice, names));
    let what = what(report, other.as_ref());
    let gap = report.gap_ns.map(|ns| format!(", gap {} ms", ns.div_ceil(1_000_000))).unwrap_or_default();
    format!("{what}: {}{gap}", why(report.cause))
}

fn what(report: &Report, other: Option<&Party>) -> String {
    let with = |named: &str, alone: &str| other.map_or_else(|| alone.to_owned(), |other| format!("{named} {other}"));
    match report.happened {
        Happened::Took => with("took over from", "took it"),
        Happened::Lost => with("yielded to", "let go"),
        Happened::Leaving => "evacuated, and answers until a successor claims it".to_owned(),
        Happened::Stays => "answers on, for no successor took over".to_owned(),
        Happened::Follows => with("owned by", "owned by another node"),
        Happened::Suspects => with("waiting to take over from", "waiting to take over"),
        Happened::AddressConflict => with("address conflict with", "address conflict"),
        Happened::AddressInUse => with("not claimed, in use by", "not claimed, in use by a stranger"),
        Happened::SameName => with("this node's name is used by", "another machine has this node's name"),
        Happened::Shares => format!("answers {} of 64 shares of clients", report.buckets.count_ones()),
    }
}

/// The reason, to stand behind a colon.
const fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Unclaimed => "no node answered for it",
        Cause::OwnerSilent => "its heartbeats went unanswered",
        Cause::Preferred => "the newest order puts this node first",
        Cause::Adopted => "it was answered already when the agent started",
        Cause::Outranked => "a candidate that ranks better claimed it",
        Cause::Unheeded => "it answers and repeats its claims against this node",
        Cause::Succeeded => "the successor claimed it",
        Cause::NoSuccessor => "no successor claimed it in time",
        Cause::NotCandidate => "this node is no longer a candidate",
        Cause::LinkDown => {
            "the interface has no carrier, nothing answers there, or another one answers for its segment"
        }
        Cause::LeaseLapsed => "the agent was stopped for longer than its lease",
        Cause::Claimed => "it claimed the address",
        Cause::Answered => "it answered when asked",
        Cause::Stranger => "it is no speaker",
        Cause::Shares => "the shares were redistributed",
        Cause::NewerOrder => "it follows a newer order",
        Cause::Twin => "two machines have the same name",
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use arpeggio_common::{
        abi::ALL_BUCKETS,
        model::{NodeId, NodeName},
        wire::Mac,
    };

    use super::*;
    use arpeggio_succession::Origin;

    fn report(happened: Happened, cause: Cause, other: Option<Option<NodeId>>) -> Report {
        Report {
            place: (2, IpAddr::from([192, 0, 2, 10])),
            at_ns: 0,
            happened,
            cause,
            other: other.map(|node| Origin { mac: Mac([2, 0, 0, 0, 0, 1]), node }),
            gap_ns: None,
            buckets: ALL_BUCKETS,
        }
    }

    #[test]
    fn every_change_reads_as_a_sentence() {
        let name = NodeName::try_from("node-a").unwrap();
        let (names, node) = (Names::new("", [&name]), Some(Some(NodeId::from(&name))));
        let took = Report { gap_ns: Some(141_300_000), ..report(Happened::Took, Cause::OwnerSilent, node) };
        let shares = Report { buckets: 0b111, ..report(Happened::Shares, Cause::Shares, None) };
        for (report, text) in [
            (took, "took over from node-a (02:00:00:00:00:01): its heartbeats went unanswered, gap 142 ms"),
            (report(Happened::Took, Cause::Unclaimed, None), "took it: no node answered for it"),
            (
                report(Happened::Lost, Cause::LinkDown, None),
                "let go: the interface has no carrier, nothing answers there, or another one answers for its segment",
            ),
            (
                report(Happened::Lost, Cause::Outranked, node),
                "yielded to node-a (02:00:00:00:00:01): a candidate that ranks better claimed it",
            ),
            (
                report(Happened::Follows, Cause::Answered, node),
                "owned by node-a (02:00:00:00:00:01): it answered when asked",
            ),
            (
                report(Happened::Suspects, Cause::OwnerSilent, node),
                "waiting to take over from node-a (02:00:00:00:00:01): its heartbeats went unanswered",
            ),
            (
                report(Happened::AddressInUse, Cause::Stranger, Some(None)),
                "not claimed, in use by 02:00:00:00:00:01: it is no speaker",
            ),
            (
                report(Happened::AddressConflict, Cause::Stranger, Some(None)),
                "address conflict with 02:00:00:00:00:01: it is no speaker",
            ),
            (shares, "answers 3 of 64 shares of clients: the shares were redistributed"),
        ] {
            assert_eq!(change(&report, &names), text);
        }
    }
}
