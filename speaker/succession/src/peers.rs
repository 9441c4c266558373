//! The other nodes of this one's orders, as they were heard: there are as many of them as candidates, whoever sends what.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::{model::NodeId, wire::Mac};

/// So many of its other ports a node asks whether they are on the same segment.
const PORTS: usize = 3;

/// A node on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) mac: Mac,
    /// When it was heard last, whatever it sent.
    pub(super) heard_ns: u64,
    /// When the last question was sent that it answered.
    pub(super) answered_ns: u64,
}

/// All of them, by interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    nodes: BTreeMap<(u32, NodeId), Peer>,
    /// This node's other ports that may answer, by interface.
    beside: BTreeMap<u32, Vec<Mac>>,
}

impl Peers {
    pub(super) fn insert(&mut self, key: (u32, NodeId), peer: Peer) -> Option<Peer> {
        self.nodes.insert(key, peer)
    }

    pub(super) fn get(&self, key: (u32, NodeId)) -> Option<&Peer> {
        self.nodes.get(&key)
    }

    /// Whether all that is told of a node was told before.
    pub(super) fn is_known(&self, key: (u32, NodeId), mac: Mac, (heard_ns, answered_ns): (u64, u64)) -> bool {
        heard_ns > 0 && self.nodes.get(&key) == Some(&Peer { mac, heard_ns, answered_ns })
    }

    /// Which of this node's ports may answer, and with which MACs.
    pub(super) fn set_ports(&mut self, macs: &BTreeMap<u32, Mac>, usable: &BTreeMap<u32, bool>) {
        let answering = || usable.iter().filter(|(_, usable)| **usable).filter_map(|(index, _)| macs.get(index));
        let beside = |(index, _): (&u32, &bool)| {
            let mac = macs.get(index)?;
            Some((*index, answering().filter(|other| *other != mac).take(PORTS).copied().collect()))
        };
        self.beside = usable.iter().filter_map(beside).collect();
    }

    /// The other ports of this node that may answer. One of them may be on the same segment; where what is sent to everybody does not
    /// arrive everywhere, only a frame to it alone shows that.
    pub(super) fn beside(&self, ifindex: u32) -> &[Mac] {
        self.beside.get(&ifindex).map_or(&[], Vec::as_slice)
    }

    /// Those of an interface.
    pub(super) fn on(&self, ifindex: u32) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.nodes.iter().filter(move |((index, _), _)| *index == ifindex).map(|((_, node), peer)| (*node, peer))
    }

    /// The MACs of at most so many nodes, these first and in their order, then all others: one that is no candidate any more may own an
    /// address still. Beginning with the one of this number, and going round.
    pub(super) fn some(&self, ifindex: u32, of: &[NodeId], (from, most): (usize, usize)) -> Vec<Mac> {
        let first = of.iter().filter_map(|node| self.get((ifindex, *node)));
        let others = self.on(ifindex).filter(|(node, _)| !of.contains(node)).map(|(_, peer)| peer);
        let macs: Vec<_> = first.chain(others).map(|peer| peer.mac).collect();
        let from = from.checked_rem(macs.len()).unwrap_or_default();
        macs.iter().cycle().skip(from).take(macs.len().min(most)).copied().collect()
    }

    /// Whether one of these nodes answered something that was asked since then.
    pub(super) fn lives(&self, ifindex: u32, mut of: impl Iterator<Item = NodeId>, since_ns: u64) -> bool {
        of.any(|node| self.get((ifindex, node)).is_some_and(|peer| peer.answered_ns >= since_ns))
    }

    /// Whether one of these nodes sent anything after that.
    pub(super) fn are_heard(&self, ifindex: u32, mut of: impl Iterator<Item = NodeId>, after_ns: u64) -> bool {
        of.any(|node| self.get((ifindex, node)).is_some_and(|peer| peer.heard_ns > after_ns))
    }

    /// Forgets who is in no order any more and was not heard since then.
    pub(super) fn retain(&mut self, wanted: &BTreeSet<NodeId>, since_ns: u64) {
        self.nodes.retain(|(_, node), peer| wanted.contains(node) || peer.heard_ns >= since_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> NodeId {
        NodeId::from_number(number).unwrap()
    }

    fn peer(last: u8, heard_ns: u64, answered_ns: u64) -> Peer {
        Peer { mac: Mac([2, 0, 0, 0, 0, last]), heard_ns, answered_ns }
    }

    #[test]
    fn some_are_named_in_turns() {
        let mut peers = Peers::default();
        for node in [1, 2, 3] {
            peers.insert((1, id(node.into())), peer(node, 5, 0));
        }
        let order = [id(3), id(9), id(1)];
        let lasts = |turn| peers.some(1, &order, turn).iter().map(|mac| mac.0[5]).collect::<Vec<_>>();
        assert_eq!((lasts((0, 2)), lasts((2, 2)), lasts((4, 9))), (vec![3, 1], vec![2, 3], vec![1, 2, 3]));
        assert_eq!(peers.some(2, &order, (0, 2)), []);
    }

    #[test]
    fn the_other_ports_are_those_that_may_answer_with_another_mac() {
        let mac = |last| Mac([2, 0, 0, 0, 0, last]);
        let mut peers = Peers::default();
        let macs = [(1, mac(1)), (2, mac(2)), (3, mac(3)), (4, mac(1)), (9, mac(9))].into();
        peers.set_ports(&macs, &[(1, true), (2, true), (3, false), (4, true)].into());
        assert_eq!((peers.beside(1), peers.beside(3)), (&[mac(2)][..], &[mac(1), mac(2), mac(1)][..]));
        assert_eq!((peers.beside(2), peers.beside(9)), (&[mac(1), mac(1)][..], &[][..]));
    }

    #[test]
    fn who_is_in_no_order_is_forgotten() {
        let mut peers = Peers::default();
        for node in 1..=1_500 {
            peers.insert((1, id(node)), peer(1, node, node));
        }
        assert!(peers.lives(1, [id(7)].into_iter(), 7) && !peers.lives(1, [id(7)].into_iter(), 8));
        peers.retain(&BTreeSet::from([id(7)]), 1_500);
        assert_eq!(peers.on(1).map(|(node, _)| node).collect::<Vec<_>>(), [id(7), id(1_500)]);
    }
}
