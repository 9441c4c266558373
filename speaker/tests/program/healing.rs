//! The healing program by BPF_PROG_TEST_RUN: which frames are counted as astray, and by whom they were sent.

use arpeggio_common::{
    abi::{Action, Key6, Stray, StrayKey, names},
    wire::Mac,
};
use aya::programs::{SocketFilter, TestRun as _, TestRunOptions};
use etherparse::PacketBuilder;

use crate::{
    case::{Case, IFINDEX, KEY4, KEY6, wide},
    frames::{CLIENT, CLIENT4, GROUP, OTHER4, OTHER6, RIVAL, STRANGER, VIP4, VIP6, padded, tagged, with},
    kernel::{Kernel, kernel},
};

/// What BPF_PROG_TEST_RUN takes for this host: the MAC of the loopback device.
const HOST: Mac = Mac::ZERO;

const SOURCE6: [u8; 16] = OTHER6;

fn datagram4(to: Mac, from: Mac, target: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.0, to.0)
        .ipv4(CLIENT4, target, 64)
        .udp(1000, 2000)
        .write(&mut frame, b"hello")
        .unwrap();
    frame
}

fn datagram6(to: Mac, from: Mac, target: [u8; 16]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.0, to.0)
        .ipv6(SOURCE6, target, 64)
        .udp(1000, 2000)
        .write(&mut frame, b"hello")
        .unwrap();
    frame
}

/// The datagram with two words of options in its IPv4 header.
fn with_options(frame: &[u8]) -> Vec<u8> {
    let grown = [&frame[..34], &[1; 8], &frame[34..]].concat();
    with(grown, 14, &[0x47])
}

impl Kernel {
    /// Lets a frame come, over what is in the maps. Whatever it is, the filter accepts nothing of it.
    fn astray(&mut self, frame: &[u8]) {
        let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::default() };
        let program: &SocketFilter = self.ebpf().program(names::HEAL_PROGRAM).unwrap().try_into().unwrap();
        assert_eq!(program.test_run(options).unwrap().return_value, 0);
    }

    /// Everybody who was counted: address, MAC, source of the last frame, number of frames.
    fn strays(&mut self) -> Vec<(Key6, Mac, [u8; 16], u64)> {
        let map = self.hash::<StrayKey, Stray>(names::STRAYS);
        let found = map.iter().map(|pair| pair.unwrap());
        let read = |(key, stray): (StrayKey, Stray)| {
            assert_ne!(stray.last_seen_ns(), 0);
            (key.vip(), Mac(key.mac()), stray.source(), stray.count())
        };
        let mut strays: Vec<_> = found.map(read).collect();
        strays.sort();
        strays
    }
}

/// What is counted of one frame while the addresses have this action.
fn counted(action: Action, frame: &[u8]) -> Vec<(Key6, Mac, [u8; 16], u64)> {
    let mut kernel = kernel();
    kernel.furnish_now(&Case::new("astray", frame.to_vec()).action(action).world);
    kernel.astray(frame);
    kernel.strays()
}

#[test]
fn who_sends_to_the_wrong_node_is_counted_with_its_mac_and_address() {
    let four = (KEY4.widen(), CLIENT, wide(CLIENT4), 1);
    let six = (KEY6, CLIENT, SOURCE6, 1);
    let (frame4, frame6) = (datagram4(HOST, CLIENT, VIP4), datagram6(HOST, CLIENT, VIP6));
    for action in [Action::Suppress, Action::Observe] {
        assert_eq!(counted(action, &frame4), [four], "{action:?}");
        assert_eq!(counted(action, &frame6), [six], "{action:?}");
    }
    assert_eq!(counted(Action::Suppress, &with_options(&frame4)), [four], "options of IPv4");
    assert_eq!(counted(Action::Suppress, &with(frame4.clone(), 20, &[0x20, 0])), [four], "a fragment");
    assert_eq!(counted(Action::Suppress, &padded(frame4.clone(), 60)), [four], "a padded frame");
    assert_eq!(counted(Action::Suppress, &padded(frame6.clone(), 1500)), [six], "a long frame");
    assert_eq!(counted(Action::Suppress, &with(frame6, 20, &[44])), [six], "an extension header");
    assert_eq!(counted(Action::Suppress, &frame4[..34]), [four], "nothing behind the header");
}

#[test]
fn frames_that_are_not_astray_leave_no_trace() {
    let frame4 = datagram4(HOST, CLIENT, VIP4);
    for (name, action, frame) in [
        ("our own address", Action::Answer, frame4.clone()),
        ("our own IPv6 address", Action::Answer, datagram6(HOST, CLIENT, VIP6)),
        ("another address", Action::Suppress, datagram4(HOST, CLIENT, OTHER4)),
        ("another IPv6 address", Action::Suppress, datagram6(HOST, CLIENT, OTHER6)),
        ("another MAC", Action::Suppress, datagram4(STRANGER, CLIENT, VIP4)),
        ("everybody", Action::Suppress, datagram4(Mac::BROADCAST, CLIENT, VIP4)),
        ("a group", Action::Suppress, datagram4(GROUP, CLIENT, VIP4)),
        ("a VLAN", Action::Suppress, tagged(&frame4)),
        ("ARP", Action::Suppress, with(frame4, 12, &[8, 6])),
    ] {
        assert_eq!(counted(action, &frame), [], "{name}");
    }
}

#[test]
fn senders_are_told_apart_and_their_last_source_stands() {
    let mut kernel = kernel();
    let frame = datagram4(HOST, CLIENT, VIP4);
    kernel.furnish_now(&Case::new("astray", frame.clone()).action(Action::Suppress).world);
    kernel.astray(&frame);
    kernel.astray(&with(frame.clone(), 26, &[192, 0, 2, 77]));
    kernel.astray(&datagram4(HOST, RIVAL, VIP4));
    let expected = [(KEY4.widen(), CLIENT, wide([192, 0, 2, 77]), 2), (KEY4.widen(), RIVAL, wide(CLIENT4), 1)];
    assert_eq!(kernel.strays(), expected);
    // On another interface the same address is another entry.
    kernel.furnish_now(
        &Case::new("elsewhere", frame.clone())
            .action(Action::Suppress)
            .world(|world| {
                world.vips4[0].0 = arpeggio_common::abi::Key4::new(IFINDEX + 1, VIP4);
            })
            .world,
    );
    kernel.astray(&frame);
    assert_eq!(kernel.strays(), []);
}
