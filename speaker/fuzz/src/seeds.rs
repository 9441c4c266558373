//! Inputs to begin with: one valid input of every kind.

use arpeggio_common::wire::{Arp, Mac, Neighbor, Nonce, Tag};

use crate::packet::{HEAD, OURS, PEER, VIP4, VIP6};

const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 2]);
const RIVAL: Mac = Mac([2, 0, 0, 0, 0, 3]);
const CLIENT4: [u8; 4] = [192, 0, 2, 1];
const CLIENT6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// Every frame that a speaker or a client sends, plain and with a priority, behind a head that says "answer for everybody" and
/// one that adds the frame's own addresses to the maps.
#[must_use]
pub fn packets() -> Vec<Vec<u8>> {
    let tag = |nonce: Nonce| Tag::from_numbers([PEER, 5, nonce.number(), 0]);
    let (question, alive, claim) = (Nonce::question(9), Nonce::alive(9), Nonce::statement(9));
    let (Some(question), Some(alive), Some(claim)) = (tag(question), tag(alive), tag(claim)) else { return Vec::new() };
    let frames = [
        Arp::request(Mac::BROADCAST, CLIENT, CLIENT4, VIP4).to_vec(),
        Arp::request(OURS, RIVAL, [0; 4], VIP4).to_vec(),
        Arp::request(Mac::BROADCAST, CLIENT, [0; 4], VIP4).to_vec(),
        Arp::probe(OURS, RIVAL, [0; 4], VIP4, question).to_vec(),
        Arp::probe(OURS, RIVAL, CLIENT4, VIP4, alive).to_vec(),
        Arp::probe(Mac::BROADCAST, RIVAL, CLIENT4, VIP4, question).to_vec(),
        Arp::correction(OURS, RIVAL, RIVAL, VIP4, CLIENT4).to_vec(),
        Arp::correction(OURS, RIVAL, RIVAL, VIP4, [0; 4]).to_vec(),
        Arp::own_correction(OURS, RIVAL, VIP4, [0; 4], question).to_vec(),
        Arp::announcement(RIVAL, VIP4, claim).to_vec(),
        Arp::announcement_reply(RIVAL, VIP4, claim).to_vec(),
        Neighbor::solicitation(CLIENT, CLIENT6, VIP6).to_vec(),
        Neighbor::duplicate_detection(CLIENT, VIP6).to_vec(),
        Neighbor::heartbeat(OURS, RIVAL, CLIENT6, VIP6, question).to_vec(),
        Neighbor::heartbeat(OURS, RIVAL, CLIENT6, VIP6, alive).to_vec(),
        Neighbor::probe(RIVAL, CLIENT6, VIP6, question).to_vec(),
        Neighbor::announcement(RIVAL, VIP6, claim).to_vec(),
        Neighbor::correction(OURS, RIVAL, RIVAL, VIP6, CLIENT6).to_vec(),
    ];
    let with_priority = |frame: &Vec<u8>| [&frame[..12], &[0x81, 0, 0xe0, 0], &frame[12..]].concat();
    let tagged: Vec<_> = frames.iter().map(with_priority).collect();
    let behind = |control: u8| {
        let mut head = [0xff; HEAD];
        (head[0], head[1], head[2]) = (control, 0, 7);
        frames.iter().chain(&tagged).map(move |frame| [&head[..], frame].concat()).collect::<Vec<_>>()
    };
    // Action 1 is "answer", 2 "suppress"; 0x20 adds the frame's addresses; the highest bits choose the keys. The last of the
    // head has the frames signed.
    [1, 2, 1 | 0x20, 1 | 0x40, 1 | 0x80, 2 | 0xc0].map(behind).concat()
}

/// Configurations that use every field, and files that are refused.
#[must_use]
pub fn configs() -> Vec<Vec<u8>> {
    let full = "node: node-a\n\
        announcements:\n\
        \x20 - address: 192.0.2.10\n    pool: home\n    l2:\n      candidates: [node-a, node-b]\n\
        \x20     interfaces: [eth0]\n      mode: Exclusive\n\
        \x20 - address: 2001:db8::10\n    l2:\n      candidates: [node-b]\n      mode: Shared\n\
        interfaces:\n  - name: eth0\n    attach: native\n\
        gratuitous:\n  refresh: 60s\n\
        lease:\n  renew: 1s\n  duration: 10s\n";
    let texts = [
        full,
        "announcements: []\n",
        "announcements:\n- address: 192.0.2.10\n",
        "announcements: &a [{address: 192.0.2.10, l2: {candidates: [a]}}]\nnode: *a\n",
        "announcedInterfacesToExclude: [\"^docker.*\", \"^cbr.*\", \"(\"]\n",
        "lease: {renew: 10s, duration: 1s}\n",
        "",
        "%YAML 1.2\n---\nnode: \"\\u00e4\"\n...\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_holds_for_the_seeds() {
        packets().iter().for_each(|input| crate::packet(input));
        configs().iter().for_each(|input| crate::config(input));
    }

    #[test]
    fn the_first_configuration_is_valid_and_uses_every_field() {
        use arpeggio_speaker_config::{Config, Defaults};
        let text = String::from_utf8(configs().remove(0)).unwrap();
        let config = Config::parse(&text, std::path::Path::new("seed"), &Defaults::default()).unwrap();
        assert_eq!((config.announcements.len(), config.pools.len(), config.policies.len()), (2, 1, 1));
        assert!(config.refresh.is_some());
    }

    #[test]
    fn a_broken_property_is_noticed() {
        // The properties themselves: a frame that nobody may answer is refused by the reader of requests.
        let memory = crate::memory::Memory {
            lease: arpeggio_common::abi::Lease { until_ns: 1, node: None },
            ..Default::default()
        };
        let input = packets().remove(0);
        let refused = crate::request::read(&input[HEAD..], &memory, 2, false);
        assert_eq!(refused, Err("a foreign address".to_owned()));
    }
}
