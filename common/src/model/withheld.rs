//! Nodes that announce nothing to BGP peers, whatever Announcements say.

use std::fmt;

/// Why a node withholds every route (MetalLB behaviour 5.1). Its sessions stay.
///
/// Each node applies this to itself, from its own Node object, and the controller does not. A control-plane node of kubeadm has the
/// label from the beginning: lists without it would stand in every Announcement, and every node that joins would change all of
/// them. So a withdrawal waits for no write, and works without a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Withheld {
    /// Its condition `NetworkUnavailable` is true.
    NetworkUnavailable,
    /// It has the label `node.kubernetes.io/exclude-from-external-load-balancers`, and that is not ignored.
    Excluded,
}

impl Withheld {
    /// Why a node withholds its routes; `None`: it does not. `excluded`: it has the label.
    pub const fn of(network_unavailable: bool, excluded: bool, ignore_exclude_label: bool) -> Option<Self> {
        match (network_unavailable, excluded && !ignore_exclude_label) {
            (true, _) => Some(Self::NetworkUnavailable),
            (false, true) => Some(Self::Excluded),
            (false, false) => None,
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetworkUnavailable => "its condition NetworkUnavailable is true",
            Self::Excluded => "it has the label node.kubernetes.io/exclude-from-external-load-balancers",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metallb_60_a_node_withholds_its_routes() {
        for (unavailable, excluded, ignored, wanted) in [
            (false, false, false, None),
            (true, false, false, Some(Withheld::NetworkUnavailable)),
            (true, true, true, Some(Withheld::NetworkUnavailable)),
            (false, true, false, Some(Withheld::Excluded)),
            (false, true, true, None),
        ] {
            assert_eq!(Withheld::of(unavailable, excluded, ignored), wanted);
        }
    }
}
