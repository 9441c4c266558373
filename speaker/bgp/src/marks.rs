//! The names by which the speaker knows in FRR what it put there. Everything else is foreign and stays as it is.

use arpeggio_common::model::stable_hash;

/// How every name of ours begins.
pub const PREFIX: &str = "arpeggio";

/// How descriptions of our neighbours begin; the name of the peer follows.
pub const DESCRIPTION: &str = "arpeggio: ";

/// FRR's limit for names of BFD profiles is 63 characters.
const LONGEST_PROFILE: usize = 63;

/// The route-map that gives prefixes of a class their tag.
pub fn tag_map(class: u64) -> String {
    format!("{PREFIX}-tag-{class:016x}")
}

/// The class of a route-map that [`tag_map`] named.
pub fn class_of(map: &str) -> Option<u64> {
    let digits = map.strip_prefix(PREFIX)?.strip_prefix("-tag-")?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// What a neighbour gets. Neither addresses nor names of interfaces hold the stroke before the VRF.
pub fn out_map(neighbor: &str, vrf: Option<&str>) -> String {
    direction_map("out", neighbor, vrf)
}

/// What is accepted from a neighbour: nothing, unless somebody adds entries of their own.
pub fn in_map(neighbor: &str, vrf: Option<&str>) -> String {
    direction_map("in", neighbor, vrf)
}

fn direction_map(direction: &str, neighbor: &str, vrf: Option<&str>) -> String {
    let vrf = vrf.map(|vrf| format!("/{vrf}")).unwrap_or_default();
    format!("{PREFIX}-{direction}-{neighbor}{vrf}")
}

/// Whether a route-map is ours.
pub fn is_our_map(name: &str) -> bool {
    class_of(name).is_some() || is_policy(name)
}

/// Whether it is a route-map of one of our neighbours.
pub fn is_policy(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with("-out-") || rest.starts_with("-in-"))
}

/// The BFD profile of this name. A longer name than FRR takes ends with a hash of the whole.
pub fn profile(name: &str) -> String {
    let whole = format!("{PREFIX}-{name}");
    if whole.len() <= LONGEST_PROFILE {
        return whole;
    }
    let kept: String = whole
        .chars()
        .scan(0, |length, c| {
            *length += c.len_utf8();
            (*length <= LONGEST_PROFILE - 17).then_some(c)
        })
        .collect();
    format!("{kept}-{:016x}", stable_hash(name.bytes()))
}

/// Whether a BFD profile is ours.
pub fn is_our_profile(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_and_what_is_not() {
        for name in [tag_map(7), out_map("192.0.2.1", None), in_map("eth0", Some("red"))] {
            assert!(is_our_map(&name), "{name}");
        }
        for name in ["", "arpeggio", "arpeggio-tag-7", "arpeggio-tag-000000000000000g", "mine", "arpeggios-out-x"] {
            assert!(!is_our_map(name), "{name}");
        }
        assert_eq!(class_of(&tag_map(u64::MAX)), Some(u64::MAX));
    }

    #[test]
    fn long_names_of_profiles_are_shortened_and_stay_apart() {
        let (one, two) = ("a".repeat(200), "a".repeat(201));
        assert_eq!(profile("fast"), "arpeggio-fast");
        assert_eq!(profile(&one).len(), LONGEST_PROFILE);
        assert_ne!(profile(&one), profile(&two));
        assert!(profile(&"ä".repeat(100)).len() <= LONGEST_PROFILE);
        assert!(is_our_profile(&profile(&one)));
        assert!(!is_our_profile("fast"));
    }
}
