//! What would change, as text for people.

use super::{Effect, Foresight};
use crate::output::{Severity, Style, or_dash, table};

/// A summary, what is refused, and every Service that changes.
pub fn render(foresight: &Foresight, style: Style) -> String {
    let harmed = foresight.changes.iter().filter(|change| change.effect.is_harm()).count();
    let (changed, all) = (foresight.changes.len(), foresight.services);
    let summary = match (harmed, changed) {
        (0, 0) => style.paint(Severity::Ok, &format!("None of {all} Services changes.")),
        (0, _) => style.paint(Severity::Ok, &format!("{changed} of {all} Services change; no client notices.")),
        _ => style.paint(
            Severity::Problem,
            &format!("{changed} of {all} Services change; {harmed} of them lose an address, move, or fall silent."),
        ),
    };
    let rows = foresight.changes.iter().map(|change| {
        let why = if change.effect.is_harm() || style.wide { change.why.as_str() } else { "" };
        [
            word(change.effect).to_owned(),
            change.service.clone(),
            or_dash(&change.before),
            or_dash(&change.after),
            or_dash(why),
        ]
    });
    let changes = table("CHANGES", ["EFFECT", "SERVICE", "BEFORE", "AFTER", "WHY"], rows);
    format!("{}{summary}\n{changes}", style.findings(&foresight.findings))
}

const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Loses => "LOSES",
        Effect::Silenced => "SILENCED",
        Effect::Moves => "MOVES",
        Effect::Gets => "gets",
        Effect::Announced => "announced",
        Effect::Owner => "owner",
        Effect::Pool => "pool",
        Effect::Reason => "reason",
    }
}
