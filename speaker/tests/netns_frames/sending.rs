//! The sending socket on a real wire.

use std::{
    io::{ErrorKind, Read},
    time::Duration,
};

use arpeggio_common::wire::{Arp, Mac, Tag};
use arpeggio_speaker::frames::{Frame, FrameSocket, SendError};
use socket2::{Domain, Protocol, Socket, Type};

use super::lab::{NEAR_MAC, Wire};

fn mac() -> Mac {
    NEAR_MAC.parse().unwrap()
}

fn claim(ifindex: u32, host: u8) -> Frame {
    let tag = Tag::from_numbers([7, 4, 1, 0]).unwrap();
    Frame::new(ifindex, Arp::announcement(mac(), [10, 11, 12, host], tag))
}

#[test]
fn what_is_sent_arrives_byte_for_byte_and_in_order() {
    let wire = Wire::new();
    let ifindex = wire.near.ifindex("near0");
    let mut listener = wire.far.enter(|| {
        let arp = i32::from(0x0806u16.to_be());
        Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(arp))).unwrap()
    });
    listener.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let frames: Vec<Frame> = (0..200).map(|host| claim(ifindex, host)).collect();
    let report = wire.near.enter(|| FrameSocket::open().unwrap().send_all(&frames));
    assert_eq!((report.sent, report.full, report.failed), (200, 0, 0), "{:?}", report.errors);
    for frame in &frames {
        let mut buffer = [0; 128];
        let length = listener.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], frame.bytes());
    }
}

#[test]
fn the_sending_socket_itself_hears_nothing() {
    let wire = Wire::new();
    let (near, far) = (wire.near.ifindex("near0"), wire.far.ifindex("far0"));
    let mut sender = wire.near.enter(|| Socket::new(Domain::PACKET, Type::RAW, None).unwrap());
    sender.set_nonblocking(true).unwrap();
    wire.far.enter(|| FrameSocket::open().unwrap().send(far, claim(far, 1).bytes()).unwrap());
    wire.near.enter(|| FrameSocket::open().unwrap().send(near, claim(near, 2).bytes()).unwrap());
    // Nothing was sent to it before the frames above were delivered: veth delivers within the call of the sender's softirq.
    assert_eq!(sender.read(&mut [0; 64]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn an_interface_that_is_gone_or_down_says_so_and_does_not_hold_up_the_others() {
    let wire = Wire::new();
    let near = wire.near.ifindex("near0");
    wire.near.ip("link add idle type bridge");
    let idle = wire.near.ifindex("idle");
    wire.near.enter(|| {
        let socket = FrameSocket::open().unwrap();
        let report = socket.send_all(&[claim(idle, 1), claim(9_999, 1), claim(near, 1), claim(0, 1), claim(near, 2)]);
        assert_eq!((report.sent, report.full, report.failed), (2, 0, 3));
        for missing in [idle, 9_999, 0] {
            assert!(matches!(report.errors[&missing], SendError::Down { .. }), "{:?}", report.errors[&missing]);
        }
    });
}

#[test]
fn a_full_queue_is_counted_and_never_waited_for() {
    let wire = Wire::new();
    let near = wire.near.ifindex("near0");
    // A token bucket of 8 kbit/s with room for a few frames.
    wire.near.run("tc", "qdisc add dev near0 root tbf rate 8kbit burst 200 limit 400");
    wire.near.enter(|| {
        let frames: Vec<Frame> = (0..100).map(|host| claim(near, host)).collect();
        let report = FrameSocket::open().unwrap().send_all(&frames);
        assert!(report.full > 50, "{report:?}");
        assert_eq!((report.sent + report.full, report.failed), (100, 0));
        assert!(matches!(report.errors[&near], SendError::Full { .. }));
    });
}

#[test]
fn without_the_capability_the_message_names_it() {
    let wire = Wire::new();
    let error = wire.near.enter(|| {
        caps::drop(None, caps::CapSet::Effective, caps::Capability::CAP_NET_RAW).unwrap();
        FrameSocket::open().unwrap_err()
    });
    assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
}
