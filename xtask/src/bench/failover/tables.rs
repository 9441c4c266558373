//! The figures as a table.

use comfy_table::Table;

use super::report::Line;
use crate::bench::tables::{align, table};

/// What the reader should know of the lines.
pub(super) const NOTES: &str = "\
gap: the longest time without an answer to a request, or without an echo of a packet, whichever was longer
killed: ours answers until its lease ends, here after 3 s; the address of a killed keepalived stays until it is started again,
which is done as soon as another node should have taken over: two answer for as long as nobody does it
every repetition includes the end of its fault: what the return of the node costs is in the figures";

/// One line for each fault and contender; times in milliseconds.
pub(super) fn lines(lines: &[Line]) -> Table {
    let mut table = table(&[
        "fault",
        "who",
        "gap ms: median",
        "p99",
        "worst",
        "packets lost: median",
        "worst",
        "two answer ms: median",
        "worst",
        "failovers",
    ]);
    let mut last = None;
    for line in lines {
        // A fault is named once, and followed by its contenders.
        let fault = if last == Some(line.fault) { String::new() } else { line.fault.to_string() };
        last = Some(line.fault);
        table.add_row([
            fault,
            line.contender.clone(),
            shown(line.gap_ms.median),
            shown(line.gap_ms.p99),
            shown(line.gap_ms.worst),
            format!("{:.0}", line.packets_lost.median),
            format!("{:.0}", line.packets_lost.worst),
            shown(line.double_ms.median),
            shown(line.double_ms.worst),
            line.takeovers().to_string(),
        ]);
    }
    align(table, 2)
}

/// Milliseconds with as many digits as say something.
pub(super) fn shown(ms: f64) -> String {
    if ms == 0.0 {
        "0".to_owned()
    } else if ms < 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            faults::Fault,
            report::{Heading, Trial},
            timeline::Curve,
        },
        *,
    };

    #[test]
    fn every_fault_is_named_once() {
        let line = |contender: &str, fault| {
            let heading = Heading { contender: contender.to_owned(), interval_ms: 50.0, ours: true, fault };
            let trial = Trial { answer_gap_ms: 151.4, packets_lost: 76, ..Trial::default() };
            Line::new(heading, vec![trial], &Curve::default())
        };
        let table = lines(&[line("a", Fault::LinkCut), line("b", Fault::LinkCut), line("a", Fault::Killed)]);
        let text = table.to_string();
        assert_eq!((text.matches("link cut").count(), text.matches("killed").count()), (1, 1), "{text}");
        assert!(text.contains("151") && text.contains("76"), "{text}");
    }

    #[test]
    fn small_times_have_a_digit_behind_the_point() {
        assert_eq!([0.0, 0.26, 9.99, 12.4, 2712.0].map(shown), ["0", "0.3", "10.0", "12", "2712"]);
    }
}
