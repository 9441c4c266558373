//! Ethernet addresses.

/// An EUI-48 address in network order.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Everybody on the segment.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Nobody: what stands in an ARP request where the answer goes.
    pub const ZERO: Self = Self([0; 6]);
    /// The Ethernet group of ff02::1.
    pub const ALL_NODES: Self = Self([0x33, 0x33, 0, 0, 0, 1]);

    /// Whether this is a group address (the broadcast address is one): never a valid sender.
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The Ethernet group of an IPv6 group (RFC 2464 section 7).
    #[inline(always)]
    pub const fn of_group(group: [u8; 16]) -> Self {
        Self([0x33, 0x33, group[12], group[13], group[14], group[15]])
    }
}

#[cfg(feature = "std")]
mod text {
    use core::{fmt, str::FromStr};

    use super::Mac;

    impl fmt::Display for Mac {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let [a, b, c, d, e, g] = self.0;
            write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
        }
    }

    /// A text that is no Ethernet address.
    #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
    #[error("{0:?} is not an Ethernet address; write six hexadecimal pairs, like 02:00:5e:10:00:01")]
    pub struct MacParseError(String);

    impl FromStr for Mac {
        type Err = MacParseError;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            let mut bytes = [0; 6];
            let mut pairs = text.split([':', '-']);
            for byte in &mut bytes {
                *byte = pairs
                    .next()
                    .filter(|pair| pair.len() == 2)
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                    .ok_or_else(|| MacParseError(text.to_owned()))?;
            }
            if pairs.next().is_some() {
                return Err(MacParseError(text.to_owned()));
            }
            Ok(Self(bytes))
        }
    }
}

#[cfg(feature = "std")]
pub use text::MacParseError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_goes_there_and_back(bytes: [u8; 6]) {
            prop_assert_eq!(Mac(bytes).to_string().parse::<Mac>(), Ok(Mac(bytes)));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Mac>();
        }
    }

    #[test]
    fn wrong_texts_are_refused_with_the_text() {
        for text in
            ["", "02:00:5e:10:00", "02:00:5e:10:00:01:02", "2:0:5e:10:0:1", "0g:00:00:00:00:00", "+2:00:00:00:00:00x"]
        {
            assert!(text.parse::<Mac>().unwrap_err().to_string().contains("hexadecimal"), "{text}");
        }
    }

    #[test]
    fn groups_are_told_from_stations() {
        assert!(Mac::BROADCAST.is_group() && Mac::ALL_NODES.is_group());
        assert!(!Mac([0x02, 0, 0, 0, 0, 1]).is_group());
    }
}
