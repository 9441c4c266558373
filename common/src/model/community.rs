//! BGP communities: marks on routes that routers act on.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// A community: two numbers (RFC 1997), or the three of a large one (RFC 8092).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// `64512:100`
    Standard(u16, u16),
    /// `large:64512:100:1`
    Large(u32, u32, u32),
}

/// A text that is no community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", Self::RULE, Self::REMEDY)]
pub struct NoCommunity;

impl NoCommunity {
    /// What is wrong with it.
    pub const RULE: &'static str = "is no community";
    /// What to write instead.
    pub const REMEDY: &'static str =
        "write two numbers from 0 to 65535 (64512:100), or large and three from 0 to 4294967295 (large:64512:100:1)";

    /// What is wrong with this text, in MetalLB's words too.
    pub fn rule(text: &str) -> String {
        let parts: Vec<&str> = text.split(':').collect();
        let theirs = match parts.as_slice() {
            [_, _] | ["large", _, _, _] => "invalid community value: invalid section",
            [_, _, _, _] => "invalid community value: expected community to be of format large",
            _ => return Self::RULE.to_owned(),
        };
        format!("{} ({theirs})", Self::RULE)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(one, two) => write!(f, "{one}:{two}"),
            Self::Large(one, two, three) => write!(f, "large:{one}:{two}:{three}"),
        }
    }
}

/// What MetalLB takes (behaviour 35): decimal digits without a sign.
impl FromStr for Community {
    type Err = NoCommunity;

    fn from_str(text: &str) -> Result<Self, NoCommunity> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            [one, two] => Ok(Self::Standard(number(one)?, number(two)?)),
            ["large", one, two, three] => Ok(Self::Large(number(one)?, number(two)?, number(three)?)),
            _ => Err(NoCommunity),
        }
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, NoCommunity> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    Some(text).filter(|_| digits).and_then(|text| text.parse().ok()).ok_or(NoCommunity)
}

/// The names that one object defines, and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Name of the object.
    pub name: String,
    /// What each name stands for.
    pub values: BTreeMap<String, Community>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_community_and_what_is_not() {
        for (text, community) in [
            ("0:0", Community::Standard(0, 0)),
            ("65535:65535", Community::Standard(65_535, 65_535)),
            ("064512:0100", Community::Standard(64_512, 100)),
            ("large:0:0:0", Community::Large(0, 0, 0)),
            ("large:4294967295:1:4294967295", Community::Large(u32::MAX, 1, u32::MAX)),
        ] {
            assert_eq!(text.parse(), Ok(community), "{text}");
        }
        for text in [
            "",
            ":",
            "1",
            "1:",
            ":1",
            "65536:1",
            "1:65536",
            "-1:1",
            "+1:1",
            "1:+1",
            " 1:1",
            "1: 1",
            "a:b",
            "1:2:3",
            "1:2:3:4",
            "Large:1:2:3",
            "large:1:2",
            "large:1:2:3:4",
            "large:1:2:4294967296",
            "large:1::3",
            "no-export",
            "1_0:1",
            "１:1",
        ] {
            assert_eq!(text.parse::<Community>(), Err(NoCommunity), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(one: u16, two: u16, large: (u32, u32, u32)) {
            for community in [Community::Standard(one, two), Community::Large(large.0, large.1, large.2)] {
                proptest::prop_assert_eq!(community.to_string().parse(), Ok(community));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<Community>();
        }
    }
}
