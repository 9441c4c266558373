//! The figures as a table.

use comfy_table::Table;

use super::report::Line;
use crate::bench::tables::{align, table};

/// What the reader should know of the lines.
pub(super) const NOTES: &str = "\
agent: per cent of one processor, the owner's / the busiest standby's; softirq: of the whole machine, bridge and attacker included
sent: frames a second of the busiest node, answers to clients included
gap: the longest time without an answer when the owner is cut off during the attack";

/// One line for each kind of attack.
pub(super) fn lines(lines: &[Line]) -> Table {
    let mut table =
        table(&["attack", "frames/s", "agent %", "softirq %", "sent/s", "requests lost", "of", "gap ms", "agent MiB"]);
    for line in lines {
        table.add_row([
            line.kind.to_string(),
            format!("{:.0}", line.frames),
            format!("{:.1} / {:.1}", line.owner_cpu, line.standby_cpu),
            format!("{:.0}", line.softirq_cpu),
            format!("{:.0}", line.sent),
            line.lost.to_string(),
            line.requests.to_string(),
            format!("{:.0}", line.gap_ms),
            format!("{:.1}", line.memory_mib),
        ]);
    }
    align(table, 1)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{goals::tests::line, report::Kind},
        *,
    };

    #[test]
    fn every_attack_has_a_line() {
        let text = lines(&[line(Kind::None), line(Kind::Questions)]).to_string();
        assert!(text.contains("no attack") && text.contains("questions, invented nodes"), "{text}");
        assert!(text.contains("1.5 / 4.0") && text.contains("99000"), "{text}");
    }
}
