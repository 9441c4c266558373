//! Ranges of addresses, as they are written in pools: `192.0.2.0/24` or `192.0.2.1-192.0.2.9`.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

/// Addresses from the first to the last, both included and of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// `None` if the families differ or the last is before the first.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// The lowest address.
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub const fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }

    /// Whether both hold an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// Prefix length of the widest network within it.
    pub fn widest(&self) -> u8 {
        let shortest = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Ipv4Subnets::new(first, last, 0).map(|network| network.prefix_len()).min()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Ipv6Subnets::new(first, last, 0).map(|network| network.prefix_len()).min()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        };
        shortest.unwrap_or_else(|| if self.first.is_ipv4() { 32 } else { 128 })
    }

    /// The network that holds exactly these addresses, if there is one.
    fn network(&self) -> Option<IpNet> {
        // The bits in which first and last differ have to be all zeros in one and all ones in the other.
        let host_bits = |first: u128, last: u128, width: u32| {
            let differing = first ^ last;
            let count = u128::BITS - differing.leading_zeros();
            let whole = differing.count_ones() == count && first & differing == 0;
            whole.then_some(u8::try_from(width - count).ok()).flatten()
        };
        let prefix = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => host_bits(first.to_bits().into(), last.to_bits().into(), 32),
            (IpAddr::V6(first), IpAddr::V6(last)) => host_bits(first.to_bits(), last.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }?;
        IpNet::new(self.first, prefix).ok()
    }
}

/// As a network where it is one, else as `first-last`; parsing gives the same range again.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network() {
            Some(network) => network.fmt(f),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// Why a text is no range: the rule that it breaks, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}; {remedy}")]
pub struct RangeError {
    /// What is wrong.
    pub rule: String,
    /// What to write instead.
    pub remedy: String,
}

impl RangeError {
    fn new(rule: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { rule: rule.into(), remedy: remedy.into() }
    }
}

/// The form of the two kinds of range, for whoever wrote neither.
const FORMS: &str = "write a network (192.0.2.0/24) or a range (192.0.2.1-192.0.2.9)";

/// What MetalLB takes (behaviour 1.1): a network, whose host bits are masked off, or two addresses with a dash between, spaces
/// around them trimmed. IPv4-mapped IPv6 is read as IPv4.
impl FromStr for AddressRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let text = text.trim();
        match (text.split_once('-'), text.split_once('/')) {
            (Some((first, last)), _) => between(first.trim(), last.trim()),
            (None, Some((address, length))) => network(address, length),
            (None, None) => Err(match text.parse::<IpAddr>() {
                Ok(address) => {
                    let width = if address.is_ipv4() { 32 } else { 128 };
                    RangeError::new(
                        "is an address without a prefix length",
                        format!("write {address}/{width} for it alone"),
                    )
                }
                Err(_) => RangeError::new("is neither a network nor a range", FORMS),
            }),
        }
    }
}

fn between(first: &str, last: &str) -> Result<AddressRange, RangeError> {
    let address = |text: &str| {
        let parsed = text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        parsed.ok_or_else(|| {
            let rule = format!("is no range: {text:?} is not an IP address");
            RangeError::new(rule, "write two addresses as in 192.0.2.1-192.0.2.9")
        })
    };
    let (first, last) = (address(first)?, address(last)?);
    if first.is_ipv4() != last.is_ipv4() {
        return Err(RangeError::new(
            "goes from one address family to the other",
            "write one range for IPv4 and one for IPv6",
        ));
    }
    AddressRange::new(first, last)
        .ok_or_else(|| RangeError::new("ends before it starts", format!("write {last}-{first} if that is meant")))
}

fn network(address: &str, length: &str) -> Result<AddressRange, RangeError> {
    let wrong = |what: String| RangeError::new(format!("is no network: {what}"), FORMS);
    let address = address.parse::<IpAddr>().ok().ok_or_else(|| wrong(format!("{address:?} is not an IP address")))?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = Some(length)
        .filter(|length| length.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|length| length.parse::<u8>().ok())
        .filter(|prefix| *prefix <= width)
        .ok_or_else(|| wrong(format!("{length:?} is not a prefix length from 0 to {width}")))?;
    // In a mapped network of at least 96 bits everything is IPv4; a wider one is IPv6 like any other.
    let (address, prefix) = match (address.to_canonical(), prefix.checked_sub(96)) {
        (mapped @ IpAddr::V4(_), Some(rest)) if address.is_ipv6() => (mapped, rest),
        _ => (address, prefix),
    };
    let network = IpNet::new(address, prefix).map_err(|error| wrong(error.to_string()))?;
    Ok(AddressRange { first: network.network(), last: network.broadcast() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<AddressRange, String> {
        text.parse::<AddressRange>().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_taken() {
        for (text, first, last) in [
            ("192.0.2.0/24", "192.0.2.0", "192.0.2.255"),
            ("198.51.100.10/24", "198.51.100.0", "198.51.100.255"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.7"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
            ("10.0.0.0/08", "10.0.0.0", "10.255.255.255"),
            ("192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
            ("  192.0.2.1  -\t192.0.2.9 ", "192.0.2.1", "192.0.2.9"),
            ("192.0.2.1-192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"),
            ("2001:DB8::1/128", "2001:db8::1", "2001:db8::1"),
            ("2001:db8::1-2001:db8::a", "2001:db8::1", "2001:db8::a"),
            ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("::ffff:192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
            ("::ffff:192.0.2.1/120", "192.0.2.0", "192.0.2.255"),
        ] {
            let range = parse(text).unwrap();
            assert_eq!(
                (range.first().to_string().as_str(), range.last().to_string().as_str()),
                (first, last),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_refused_and_what_to_write_instead() {
        for (text, sentence) in [
            ("192.0.2.1", "is an address without a prefix length; write 192.0.2.1/32 for it alone"),
            ("2001:db8::1", "is an address without a prefix length; write 2001:db8::1/128 for it alone"),
            ("192.0.2.9-192.0.2.1", "ends before it starts; write 192.0.2.1-192.0.2.9 if that is meant"),
            (
                "192.0.2.1-2001:db8::1",
                "goes from one address family to the other; write one range for IPv4 and one for IPv6",
            ),
            ("192.0.2.0/33", "is no network: \"33\" is not a prefix length from 0 to 32"),
            ("2001:db8::/129", "is no network: \"129\" is not a prefix length from 0 to 128"),
            ("192.0.2.0/+8", "is no network: \"+8\" is not a prefix length from 0 to 32"),
            ("192.0.2.0/", "is no network: \"\" is not a prefix length from 0 to 32"),
            ("192.0.2/24", "is no network: \"192.0.2\" is not an IP address"),
            ("192.0.2.010/24", "is no network: \"192.0.2.010\" is not an IP address"),
            ("fe80::1%eth0/64", "is no network: \"fe80::1%eth0\" is not an IP address"),
            ("192.0.2.1-9", "is no range: \"9\" is not an IP address"),
            ("192.0.2.1-", "is no range: \"\" is not an IP address"),
            ("192.0.2.0/24-192.0.3.0/24", "is no range: \"192.0.2.0/24\" is not an IP address"),
            ("192.0.2.1-192.0.2.3-192.0.2.9", "is no range: \"192.0.2.3-192.0.2.9\" is not an IP address"),
            ("", "is neither a network nor a range"),
            ("home", "is neither a network nor a range"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.starts_with(sentence), "{text}: {told}");
        }
    }

    #[test]
    fn the_widest_network_within() {
        for (text, length) in [
            ("192.0.2.0/24", 24),
            ("192.0.2.7/32", 32),
            ("0.0.0.0/0", 0),
            ("192.0.2.1-192.0.2.9", 30),
            ("192.0.2.8-192.0.2.16", 29),
            ("192.0.1.0-192.0.2.255", 24),
            ("2001:db8::/64", 64),
            ("2001:db8::1-2001:db8::ffff", 113),
            ("::/0", 0),
        ] {
            assert_eq!(text.parse::<AddressRange>().unwrap().widest(), length, "{text}");
        }
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into()).to_canonical()),
        ]
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(first in address(), last in address()) {
            if let Some(range) = AddressRange::new(first, last) {
                prop_assert_eq!(parse(&range.to_string()).unwrap(), range);
            }
        }

        #[test]
        fn networks_are_shown_as_networks(address in address(), length in 0u8..=128) {
            if let Ok(network) = IpNet::new(address, length) {
                let network = network.trunc();
                let range = parse(&network.to_string()).unwrap();
                prop_assert_eq!(range.to_string(), network.to_string());
                prop_assert!(range.contains(address));
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "[0-9a-f:./ \\-]{0,40}") {
            if let Ok(range) = parse(&text) {
                prop_assert!(range.first() <= range.last());
                prop_assert_eq!(range.first().is_ipv4(), range.last().is_ipv4());
            }
        }
    }
}
