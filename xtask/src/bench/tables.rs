//! What the tables of every benchmark have in common.

use comfy_table::{CellAlignment, Table, presets};

use super::common::Goal;

/// What was promised.
pub(super) fn goals(goals: &[Goal]) -> Table {
    let mut table = table(&["goal", "measured", "at most", ""]);
    for goal in goals {
        let met = if goal.met { "met" } else { "MISSED" };
        table.add_row([goal.what.clone(), format!("{:.2}", goal.value), format!("{:.2}", goal.limit), met.to_owned()]);
    }
    align(table, 1)
}

/// An empty table under a line of headings.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Numbers stand at the right from column `first` on.
pub(super) fn align(mut table: Table, first: usize) -> Table {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
