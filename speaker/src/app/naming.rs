//! Pure: whether the orders know this node by its name, which may be mistyped.

use std::collections::BTreeSet;

use crate::world::Config;

/// Candidates that are named one by one.
const NAMED: usize = 5;

/// What is odd about the name of this node, if there are orders and none of them contains it.
pub(super) fn unknown_here(config: &Config) -> Option<String> {
    let candidates = || config.announcements.values().flat_map(|announcement| announcement.candidates());
    if config.announcements.is_empty() || candidates().any(|name| *name == config.node) {
        return None;
    }
    let names: BTreeSet<&str> = candidates().map(|name| name.as_str()).collect();
    let named: Vec<&str> = names.iter().take(NAMED).copied().collect();
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    let known =
        if names.is_empty() { "there is none".to_owned() } else { format!("they are {}{more}", named.join(", ")) };
    let node = &config.node;
    Some(format!("no announcement has this node, {node}, among its candidates ({known}); it answers for no address"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::world::Defaults;

    fn told(node: &str, candidates: &str) -> Option<String> {
        let list = if candidates.is_empty() {
            String::new()
        } else {
            format!("{{address: 192.0.2.1, l2: {{candidates: [{candidates}]}}}}")
        };
        let text = format!("node: {node}\nannouncements: [{list}]\n");
        unknown_here(&Config::parse(&text, Path::new("a"), &Defaults::default()).unwrap())
    }

    #[test]
    fn a_name_that_no_order_contains_is_told_with_those_that_are() {
        assert_eq!(told("a", "b, a"), None);
        assert_eq!(told("a", ""), None, "nothing is announced");
        let text = told("a", "b, c").unwrap();
        assert!(text.contains("this node, a, among its candidates (they are b, c)"), "{text}");
        assert!(told("a", "b, c, d, e, f, g").unwrap().contains("b, c, d, e, f and 1 more"));
    }
}
