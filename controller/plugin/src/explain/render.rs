//! The chain as text for people.

use std::fmt::Write as _;

use super::{AddressChain, Explanation};
use crate::output::{Style, or_dash, table};

/// The verdict first, then the chain that leads to it.
pub fn render(explanation: &Explanation, style: Style) -> String {
    let mut text = style.findings(std::slice::from_ref(&explanation.verdict));
    for request in &explanation.services {
        let _ = writeln!(text, "\nSERVICE {}", request.service);
        line(&mut text, "asks for", &request.asks.join("; "));
        let addresses: Vec<String> = request.addresses.iter().map(ToString::to_string).collect();
        line(&mut text, "has", &addresses.join(", "));
        request.conditions.iter().for_each(|condition| line(&mut text, "condition", condition));
    }
    explanation.addresses.iter().for_each(|chain| address(&mut text, chain));
    let events = explanation.events.iter();
    let events = events.map(|it| [it.time.clone(), it.kind.clone(), it.reason.clone(), it.message.clone()]);
    text + &table("LAST EVENTS", ["TIME", "TYPE", "REASON", "MESSAGE"], events)
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<16}{}", or_dash(value));
}

fn address(text: &mut String, chain: &AddressChain) {
    let _ = writeln!(text, "\nADDRESS {}", chain.address);
    line(text, "pool", &chain.pool);
    line(text, "advertised by", &chain.advertisements.join(", "));
    line(text, "candidates", &chain.candidates.join(", then "));
    for (node, why) in &chain.others {
        line(text, "no candidate", &format!("{node}: {why}"));
    }
    let since = chain.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
    let on = if chain.interfaces.is_empty() { String::new() } else { format!(" on {}", chain.interfaces.join(", ")) };
    line(text, "owner", &chain.owner.as_ref().map(|owner| format!("{owner}{on}{since}")).unwrap_or_default());
    chain.routes.iter().for_each(|route| line(text, "BGP", route));
    chain.condition.iter().for_each(|condition| line(text, "condition", condition));
    chain.ask.iter().for_each(|command| line(text, "ask the wire", command));
}
