//! Names of nodes and interfaces.

use std::fmt;

/// A name that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a Kubernetes node name.
    #[error(
        "node name {0:?} is not a DNS subdomain; use lower-case letters, digits, '-' and '.', at most 253 characters"
    )]
    Node(String),
    /// Not a Linux interface name.
    #[error("interface name {0:?} cannot exist on Linux; use 1 to 15 characters without '/' and white space")]
    Interface(String),
}

/// The name of a node: a DNS subdomain (RFC 1123), as Kubernetes demands of Node objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct NodeName(String);

impl TryFrom<&str> for NodeName {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if text.len() <= 253 && text.split('.').all(label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Node(text.to_owned()))
        }
    }
}

/// The name of a network interface: what the kernel's `dev_valid_name` takes, IFNAMSIZ is 16 with the final zero.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct InterfaceName(String);

impl TryFrom<&str> for InterfaceName {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let valid = (1..=15).contains(&text.len())
            && text != "."
            && text != ".."
            && !text.chars().any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
        if valid { Ok(Self(text.to_owned())) } else { Err(NameError::Interface(text.to_owned())) }
    }
}

macro_rules! text {
    ($($name:ident)*) => {$(
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text!(NodeName InterfaceName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_are_dns_subdomains() {
        for good in ["node-a", "10.0.0.1", "worker-1.rack-2.example.org", "a"] {
            assert_eq!(NodeName::try_from(good).unwrap().to_string(), good);
        }
        for bad in ["", "Node-A", "-a", "a-", "a..b", "a_b", "a b", &"a".repeat(254)] {
            assert_eq!(NodeName::try_from(bad), Err(NameError::Node(bad.to_owned())));
        }
    }

    #[test]
    fn interface_names_fit_the_kernel() {
        for good in ["eth0", "bond0.100", "br-lan", "enp0s31f6", "a23456789012345"] {
            assert_eq!(InterfaceName::try_from(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "a:b", "a234567890123456"] {
            assert!(InterfaceName::try_from(bad).is_err(), "{bad}");
        }
    }
}
