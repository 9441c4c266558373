//! Pure: the findings as text for people, 100 columns wide.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};

use super::finding::{Area, CheckReport, Finding, Verdict};

const WIDTH: u16 = 100;
/// Unused interfaces that are shown one by one; a node with hundreds of pods has hundreds of them.
const SHOWN_UNUSED: usize = 8;

/// The text of a report, with a final line break.
pub fn render(report: &CheckReport) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .force_no_tty()
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(["VERDICT", "AREA", "SUBJECT", "FINDING"]);
    let mut unused = 0;
    for finding in &report.findings {
        unused += usize::from(is_unused(finding));
        if !is_unused(finding) || unused <= SHOWN_UNUSED {
            let remedy = finding.remedy.as_ref().map(|remedy| format!("\n→ {remedy}")).unwrap_or_default();
            let finding =
                [finding.verdict.name(), finding.area.name(), &finding.subject, &(finding.text.clone() + &remedy)];
            table.add_row(finding);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let more = unused.saturating_sub(SHOWN_UNUSED);
    let more = if more > 0 { format!("and {more} more interfaces that are not used\n") } else { String::new() };
    format!("{}\n{more}\n{}\n", table.trim_fmt(), summary(report))
}

/// An interface that is not used and need not be: of these only the first few are interesting.
fn is_unused(finding: &Finding) -> bool {
    finding.area == Area::Interface && finding.verdict == Verdict::Ok && finding.text.starts_with("not used")
}

fn summary(report: &CheckReport) -> String {
    let (failures, warnings) = (report.count(Verdict::Fail), report.count(Verdict::Warn));
    match report.verdict {
        Verdict::Ok => "The agent can run here.".to_owned(),
        Verdict::Warn => format!("The agent can run here; {}.", plural(warnings, "warning")),
        Verdict::Fail => {
            format!(
                "The agent cannot do its work here: {}, {}.",
                plural(failures, "failure"),
                plural(warnings, "warning")
            )
        }
    }
}

fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
