//! The figures as a table.

use comfy_table::Table;

use super::report::Line;
use crate::bench::tables::{align, table};

/// What the reader should know of the lines.
pub(super) const NOTES: &str = "\
existing: the Services are there before the contender begins; created: eight connections make them while it runs
writes: all objects written for a Service (status, Announcement, its status, ServiceL2Status, event), leases left out
plain writer: the status and an Announcement for each Service with as many connections as ours has; it decides nothing
memory and CPU: the contender / one speaker";

/// One line for each contender and phase.
pub(super) fn lines(lines: &[Line]) -> Table {
    let mut table = table(&[
        "Services",
        "who",
        "seconds",
        "announced",
        "addresses/s",
        "made in s",
        "lag ms: median",
        "p99",
        "worst",
        "writes",
        "CPU s",
        "MiB",
    ]);
    for line in lines {
        let lag = |at: usize| line.lag_ms.map_or_else(String::new, |lag| format!("{:.0}", lag[at]));
        let made = if line.created_ms > 0.0 { seconds(line.created_ms) } else { String::new() };
        table.add_row([
            format!("{} {}", line.services, line.phase),
            line.contender.clone(),
            seconds(line.total_ms),
            if line.announced_ms > 0.0 { seconds(line.announced_ms) } else { String::new() },
            format!("{:.0}", line.rate()),
            made,
            lag(0),
            lag(1),
            lag(2),
            format!("{:.2}", line.writes),
            line.cpu_s.map(|cpu| format!("{cpu:.1}")).join(" / "),
            line.memory_mib.map(|memory| format!("{memory:.0}")).join(" / "),
        ]);
    }
    align(table, 2)
}

fn seconds(ms: f64) -> String {
    format!("{:.1}", ms / 1000.0)
}
