//! Pure: an explanation as text for people. The verdict comes last, where the eye is.

use super::report::{EventReport, Explanation, Link};

/// Events that are shown; all are in the JSON.
const SHOWN_EVENTS: usize = 10;
/// Where a day ends and a time begins in RFC 3339.
const DAY: usize = 10;

/// The text, with a final line break.
pub fn render(explanation: &Explanation) -> String {
    let node = explanation.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    let asked = explanation.prefix.clone().unwrap_or_else(|| explanation.address.to_string());
    let mut text = format!("{asked}{node}\n");
    let mut interface = None;
    for link in &explanation.chain {
        if link.interface != interface {
            interface.clone_from(&link.interface);
            text += &format!("\n{}\n", interface.as_deref().unwrap_or("node"));
        }
        text += &line(link);
    }
    text += &events(&explanation.events);
    format!("{text}\n{}\n", explanation.verdict.text)
}

fn line(link: &Link) -> String {
    format!("  {:<9}{:<15}{}\n", link.level.name(), link.subject, link.text)
}

/// The last events. Times of another day than the last one's have their day.
fn events(events: &[EventReport]) -> String {
    let Some(last) = events.last() else { return String::new() };
    let more = events.len().saturating_sub(SHOWN_EVENTS);
    let before = if more > 0 { format!(", {more} before") } else { String::new() };
    let lines: String = events
        .iter()
        .skip(more)
        .map(|event| {
            let time = event.at.strip_suffix('Z').unwrap_or(&event.at);
            let today = event.at.get(..DAY) == last.at.get(..DAY);
            let time = if today { time.get(DAY + 1..).unwrap_or(time) } else { time };
            format!("  {time} {} {}: {}\n", event.interface, event.address, event.text)
        })
        .collect();
    format!("\nLAST EVENTS (UTC{before})\n{lines}")
}
