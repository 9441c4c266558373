//! Labels and annotations of a Service that were meant for us, and that nobody reads: told where the Service lacks something.

use arpeggio_common::api::names::{ADDRESSES, ALLOCATED_FROM, OLD_PREFIX, POOL, SHARING};

use crate::cluster::Stray;

/// What is read.
const READ: [&str; 3] = [POOL, ADDRESSES, SHARING];
/// Letters that may be wrong.
const SLIPS: usize = 2;

/// Those of these keys.
pub(super) fn strays<'a>(
    labels: impl Iterator<Item = &'a str>,
    annotations: impl Iterator<Item = &'a str>,
) -> Vec<Stray> {
    let stray = |is_label| {
        move |name: &'a str| meant(name, is_label).map(|meant| Stray { name: name.to_owned(), is_label, meant })
    };
    labels.filter_map(stray(true)).chain(annotations.filter_map(stray(false))).collect()
}

/// The annotation that a key was meant to be; `None`: it is that annotation, or another thing altogether.
fn meant(name: &str, is_label: bool) -> Option<&'static str> {
    let (prefix, bare) = name.split_once('/').unwrap_or(("", name));
    let ours = |known: &str| known.strip_prefix("metallb.io/").is_some_and(|known| known == bare);
    let is_read = |prefix: &str| prefix == "metallb.io" || format!("{prefix}/") == OLD_PREFIX;
    if name == ALLOCATED_FROM || (!is_label && is_read(prefix) && READ.into_iter().any(ours)) {
        return None;
    }
    let bare = letters(bare);
    let close = |known: &&str| {
        let known = letters(known.trim_start_matches("metallb.io/"));
        // Without a prefix that is nearly ours it is anybody's, unless it says exactly what only we read.
        let slips = if letters(prefix).contains("metal") { SLIPS } else { 0 };
        (slips > 0 || (prefix.is_empty() && known != "addresspool")) && strsim::levenshtein(&bare, &known) <= slips
    };
    READ.into_iter().find(close)
}

/// Letters and digits alone, all of them small.
fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_recognised_and_nothing_else() {
        for (name, as_annotation, as_label) in [
            ("metallb.io/allow-shared-ip", None, Some(SHARING)),
            ("metallb.universe.tf/allow-shared-ip", None, Some(SHARING)),
            ("metallb.io/ip-allocated-from-pool", None, None),
            ("metallb.io/allow-shared-ips", Some(SHARING), Some(SHARING)),
            ("metallb.io/allowSharedIP", Some(SHARING), Some(SHARING)),
            ("metallb.org/allow-shared-ip", Some(SHARING), Some(SHARING)),
            ("metalb.io/adress-pool", Some(POOL), Some(POOL)),
            ("metallb.io/loadBalancerIP", Some(ADDRESSES), Some(ADDRESSES)),
            ("metallb.io/load-balancer-ips", Some(ADDRESSES), Some(ADDRESSES)),
            ("allow-shared-ip", Some(SHARING), Some(SHARING)),
            ("address-pool", None, None),
            ("cilium.io/address-pool", None, None),
            ("metallb.io/something-else", None, None),
            ("app.kubernetes.io/name", None, None),
            ("", None, None),
        ] {
            assert_eq!((meant(name, false), meant(name, true)), (as_annotation, as_label), "{name}");
        }
    }

    #[test]
    fn a_slip_is_told_with_its_remedy() {
        let strays = strays(["metallb.io/allow-shared-ip", "a"].into_iter(), ["metallb.io/adress-pool"].into_iter());
        let told: Vec<String> = strays.iter().map(ToString::to_string).collect();
        let label = "metallb.io/allow-shared-ip is a label, which is not read; make it an annotation";
        let slip = "the annotation metallb.io/adress-pool is not read; write metallb.io/address-pool";
        assert_eq!(told, [label, slip]);
    }
}
