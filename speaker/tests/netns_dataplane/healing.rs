//! Healing on a real interface: what packet sockets with the program count, and when.

use std::net::{IpAddr, Ipv6Addr};

use arpeggio_common::{abi::Action, wire::Mac};
use arpeggio_speaker::{
    dataplane::{Dataplane, Healer, Options, StrayPlace, stray_source},
    decide::AttachPolicy,
    frames::FrameSocket,
};
use etherparse::PacketBuilder;

use crate::sandbox::{CLIENT, NODE, address, apply, assert_soon, desired, index_of, sandbox, veth, vip};

const UNPINNED: Options = Options { pin_dir: None, capacity: 64, log_level: 0 };
const SENDER: Mac = Mac([2, 0, 0, 0, 0xc1, 2]);
const SOURCE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9));
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10);

fn send(to: Mac, from: Mac, target: IpAddr) {
    let mut frame = Vec::new();
    let ethernet = PacketBuilder::ethernet2(from.0, to.0);
    let headers = match (target, SOURCE) {
        (IpAddr::V4(v4), _) => ethernet.ipv4([192, 0, 2, 200], v4.octets(), 64),
        (IpAddr::V6(v6), IpAddr::V6(source)) => ethernet.ipv6(source.octets(), v6.octets(), 64),
        (IpAddr::V6(_), IpAddr::V4(_)) => unreachable!("the source is IPv6"),
    };
    headers.udp(1, 2).write(&mut frame, &[0; 32]).unwrap();
    FrameSocket::open().unwrap().send(index_of("vap"), &frame).unwrap();
}

fn found(healer: &Healer) -> Vec<(StrayPlace, IpAddr, u64)> {
    let strays = healer.strays().unwrap();
    strays.into_iter().map(|(place, stray)| (place, stray_source(&stray), stray.count())).collect()
}

#[test]
fn strays_are_counted_while_somebody_watches() {
    sandbox(|_| {
        let index = veth("va");
        let mut dataplane = Dataplane::open(&UNPINNED).unwrap();
        let mut wanted = desired(index, "va", AttachPolicy::Auto);
        wanted.vips.insert((index, address(11)), vip(Action::Suppress));
        wanted.vips.insert((index, VIP6.into()), vip(Action::Suppress));
        apply(&mut dataplane, &wanted);
        let mut healer = dataplane.healer().unwrap();
        let mut second = dataplane.healer().unwrap();
        // Nobody watches: nothing is counted.
        send(NODE, CLIENT, address(11));
        healer.open(index).unwrap();
        healer.open(index).unwrap();
        assert_eq!(healer.watched().collect::<Vec<_>>(), [index]);
        for to in [NODE, Mac([2, 0, 0, 0, 0xa0, 9]), Mac::BROADCAST] {
            // Ours, somebody else's, and ours for which nobody is astray.
            send(to, CLIENT, address(12));
            send(to, CLIENT, address(10));
        }
        send(Mac::BROADCAST, CLIENT, address(11));
        send(NODE, CLIENT, address(11));
        send(NODE, SENDER, address(11));
        send(NODE, SENDER, address(11));
        send(NODE, CLIENT, VIP6.into());
        let four = |mac, count| (((index, address(11)), mac), IpAddr::from([192, 0, 2, 200]), count);
        let six = (((index, VIP6.into()), CLIENT), SOURCE, 1);
        assert_soon!(found(&healer), [four(CLIENT, 1), four(SENDER, 2), six]);

        healer.forget([&((index, address(11)), SENDER), &((index, address(99)), SENDER)]).unwrap();
        assert_eq!(found(&healer), [four(CLIENT, 1), six]);
        // Whoever has become the owner is no longer astray.
        wanted.vips.insert((index, address(11)), vip(Action::Answer));
        apply(&mut dataplane, &wanted);
        send(NODE, SENDER, address(11));
        send(NODE, SENDER, VIP6.into());
        let other = (((index, VIP6.into()), SENDER), SOURCE, 1);
        assert_soon!(found(&healer), [four(CLIENT, 1), six, other]);

        // Closed: the program counts no more. Another watcher shows that the frame came.
        healer.close(index);
        assert_eq!(healer.watched().count(), 0);
        send(NODE, CLIENT, VIP6.into());
        second.open(index).unwrap();
        send(NODE, SENDER, VIP6.into());
        assert_soon!(found(&second)[2].2, 2);
        assert_eq!(found(&second)[1], six);
        drop(healer);
        send(NODE, SENDER, VIP6.into());
        assert_soon!(found(&second)[2].2, 3);
    });
}

#[test]
fn an_interface_that_does_not_exist_is_told() {
    sandbox(|_| {
        let mut healer = Dataplane::open(&UNPINNED).unwrap().healer().unwrap();
        let error = healer.open(4711).unwrap_err().to_string();
        assert!(error.contains("bind") && error.contains("4711"), "{error}");
        assert_eq!(healer.watched().count(), 0);
    });
}
