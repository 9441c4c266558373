//! Pure: questions built, answers read.

use std::net::IpAddr;

use arpeggio_common::wire::{
    ARP_FRAME, ARP_TRAILER, Arp, ArpTag, ETHERNET_HEADER, EtherType, Mac, ND_FRAME, ND_OPTION, Neighbor,
    OPTION_TARGET_LINK,
};

/// An answer that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The address it speaks for.
    pub(crate) address: IpAddr,
    /// The address it is sent to: the sender of the question.
    pub(crate) asker: IpAddr,
    /// The MAC it gives, which is what a client puts into its cache.
    pub(crate) mac: Mac,
}

/// Who has `target`? `None` when the two are of different families.
pub(crate) fn question(mac: Mac, sender: IpAddr, target: IpAddr) -> Option<Vec<u8>> {
    match (sender, target) {
        (IpAddr::V4(sender), IpAddr::V4(target)) => {
            Some(Arp::request(Mac::BROADCAST, mac, sender.octets(), target.octets()).to_vec())
        }
        (IpAddr::V6(sender), IpAddr::V6(target)) => {
            Some(Neighbor::solicitation(mac, sender.octets(), target.octets()).to_vec())
        }
        _ => None,
    }
}

/// What a frame that got through the filter says, unless it is damaged.
pub(crate) fn answer(frame: &mut [u8]) -> Option<Answer> {
    let ether_type = EtherType::of(frame.first_chunk::<ETHERNET_HEADER>()?);
    if ether_type == EtherType::ARP {
        let tagged = frame.get(ARP_FRAME..).and_then(<[u8]>::first_chunk::<ARP_TRAILER>);
        if tagged.is_some_and(|tag| ArpTag(&mut tag.clone()).read().is_some()) {
            // A speaker corrects our cache of its own accord: no answer.
            return None;
        }
        let arp = Arp(frame.first_chunk_mut::<ARP_FRAME>()?);
        return arp.is_ethernet_ipv4().then(|| Answer {
            address: arp.sender().into(),
            asker: arp.target().into(),
            mac: arp.sender_mac(),
        });
    }
    let (head, options) = frame.split_first_chunk_mut::<ND_FRAME>()?;
    let neighbor = Neighbor(head);
    let blocks = options.as_chunks::<ND_OPTION>().0.get(..neighbor.option_blocks()?)?;
    let sum = blocks.iter().fold(neighbor.sum(), Neighbor::add_option);
    let mac = match blocks {
        // Answers have one option, the link-layer address; whoever answers a unicast question may leave it out.
        [[OPTION_TARGET_LINK, 1, mac @ ..], ..] => Mac(*mac),
        _ => neighbor.ethernet_source(),
    };
    let answer = Answer { address: neighbor.target().into(), asker: neighbor.destination().into(), mac };
    (Neighbor::is_intact(sum) && neighbor.is_solicited()).then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OWNER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    #[test]
    fn an_arp_answer_is_read_as_it_was_given() {
        let (sender, target) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut frame = question(ASKER, sender, target).unwrap();
        Arp(frame.first_chunk_mut().unwrap()).answer(OWNER);
        frame.resize(60, 0);
        assert_eq!(answer(&mut frame), Some(Answer { address: target, asker: sender, mac: OWNER }));
        assert_eq!(answer(&mut frame[..41]), None);
    }

    #[test]
    fn what_a_speaker_says_unasked_is_no_answer() {
        let tag = arpeggio_common::wire::Tag::from_numbers([7, 5, 6, 0]).unwrap();
        let mut frame = Arp::own_correction(ASKER, OWNER, [10, 0, 0, 2], [10, 0, 0, 1], tag).to_vec();
        assert_eq!(answer(&mut frame), None);
        frame[ARP_FRAME] ^= 1;
        assert!(answer(&mut frame).is_some(), "the padding of somebody else");
        let mut frame = Neighbor::correction(ASKER, OWNER, OWNER, [0x21; 16], [0x20; 16]).to_vec();
        assert_eq!(answer(&mut frame), None);
    }

    #[test]
    fn an_advertisement_is_read_as_it_was_given_unless_damaged() {
        let (sender, target) = ("2001:2::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let mut frame = question(ASKER, sender, target).unwrap();
        let (head, options) = frame.split_first_chunk_mut().unwrap();
        Neighbor(head).answer(OWNER, options.as_chunks_mut().0);
        let expected = Answer { address: target, asker: sender, mac: OWNER };
        assert_eq!(answer(&mut frame), Some(expected));
        for length in 0..frame.len() {
            assert_eq!(answer(&mut frame[..length].to_vec()), None, "{length}");
        }
        frame[85] ^= 1;
        assert_eq!(answer(&mut frame), None);
    }

    #[test]
    fn an_advertisement_without_option_comes_from_its_ethernet_source() {
        let (sender, target) = ("2001:2::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let mut frame = question(ASKER, sender, target).unwrap();
        let (head, _) = frame.split_first_chunk_mut().unwrap();
        Neighbor(head).answer(OWNER, &mut []);
        let read = answer(&mut frame).unwrap();
        assert_eq!((read.mac, read.address), (OWNER, target));
        assert_eq!(question(ASKER, "10.0.0.1".parse().unwrap(), target), None);
    }
}
