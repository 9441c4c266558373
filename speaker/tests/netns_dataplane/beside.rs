//! Programs and filters of others at the same hook: they see everything that we neither answer nor drop, whenever they came and
//! whatever becomes of the agent; and who stands before us is named.

use aya::{
    Ebpf,
    maps::{Array, HashMap, PerCpuArray},
    programs::{LinkOrder, SchedClassifier, TcAttachType, tc::TcAttachOptions},
};

use arpeggio_common::{
    abi::{Action, Key4, Lease, Outcome, Vip, names},
    wire::{Arp, Mac},
};
use arpeggio_speaker::{
    dataplane::{Dataplane, Foreign},
    decide::AttachPolicy,
    frames::FrameSocket,
};

use crate::sandbox::{
    CLIENT, NODE, Sandbox, apply, ask, assert_soon, desired, foreign, index_of, lease, run, sandbox, tcx_of, veth,
};

/// Somebody else's program at the tcx hook: ours with maps of its own. It counts ARP of another hardware and passes it.
fn attach(foreign: &mut Ebpf, order: LinkOrder) -> u32 {
    let tc: &mut SchedClassifier = foreign.program_mut(names::TC_PROGRAM).unwrap().try_into().unwrap();
    tc.load().unwrap();
    let id = tc.info().unwrap().id();
    tc.attach_with_options("va", TcAttachType::Ingress, TcAttachOptions::TcxOrder(order)).unwrap();
    id
}

fn counted(foreign: &Ebpf) -> u64 {
    let outcomes = PerCpuArray::<_, u64>::try_from(foreign.map(names::OUTCOMES).unwrap()).unwrap();
    outcomes.get(&(Outcome::ForeignHardware as u32), 0).unwrap().iter().sum()
}

fn send(frame: &[u8]) {
    FrameSocket::open().unwrap().send(index_of("vap"), frame).unwrap();
}

/// An ARP message that is nobody's here.
fn odd() -> Vec<u8> {
    let mut frame = Arp::request(Mac::BROADCAST, CLIENT, [192, 0, 2, 200], [192, 0, 2, 10]).to_vec();
    frame[15] = 6;
    frame
}

/// A datagram to port 9 of nobody in particular.
fn datagram() -> Vec<u8> {
    let ethernet = [&NODE.0[..], &CLIENT.0, &[8, 0]].concat();
    let ip = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 200, 192, 0, 2, 1];
    let udp = [0x30, 0x39, 0, 9, 0, 8, 0, 0];
    [&ethernet[..], &ip, &udp].concat()
}

/// Frames that this filter of clsact counted.
fn filtered(preference: u64) -> u64 {
    let shown: serde_json::Value = serde_json::from_str(&run("tc -s -j filter show dev va ingress")).unwrap();
    let rules = shown.as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["pref"] == preference && rule["options"]["actions"].is_array());
    rule.unwrap()["options"]["actions"][0]["stats"]["packets"].as_u64().unwrap()
}

/// The filter that takes datagrams to port 9 away, and the one that sees the rest.
const DATAGRAMS: u64 = 1;
const EVERYTHING: u64 = 2;

/// Filters of clsact, of the few kinds that every kernel has: what they take goes to a device that nobody listens at.
fn filter() {
    run("ip link add sink type veth peer name sinkp
         ip link set sink up; ip link set sinkp up
         tc qdisc add dev va clsact
         tc filter add dev va ingress pref 1 protocol ip u32 match ip protocol 17 0xff match ip dport 9 0xffff \
            action mirred egress redirect dev sink
         tc filter add dev va ingress pref 2 protocol all u32 match u32 0 0 action mirred egress mirror dev sink");
}

/// Everybody else sees a frame, and the address is answered.
fn all_see_everything(others: &[&Ebpf]) {
    let before: Vec<_> = others.iter().map(|other| counted(other)).collect();
    let (dropped, seen) = (filtered(DATAGRAMS), filtered(EVERYTHING));
    send(&odd());
    for (other, before) in others.iter().zip(before) {
        assert_soon!(counted(other), before + 1);
    }
    send(&datagram());
    assert_soon!(filtered(DATAGRAMS), dropped + 1, "the datagram");
    // A frame of VLAN 5: the tag comes off before the hook.
    let arp = Arp::request(Mac::BROADCAST, CLIENT, [192, 0, 2, 200], [192, 0, 2, 10]);
    send(&[&arp[..12], &[0x81, 0, 0, 5], &arp[12..]].concat());
    assert_soon!(filtered(EVERYTHING), seen + 2, "what was not dropped before");
    assert_eq!(ask("va"), Some(NODE));
    assert_eq!(filtered(EVERYTHING), seen + 2, "what is answered ends here");
}

fn agent(sandbox: &Sandbox, capacity: u32) -> Dataplane {
    let mut agent = Dataplane::open(&sandbox.options(capacity)).unwrap();
    let applied = apply(&mut agent, &desired(index_of("va"), "va", AttachPolicy::Tcx));
    assert_eq!(applied.attachments[&index_of("va")].behind, []);
    agent
}

#[test]
fn others_see_what_is_not_ours_before_after_and_across_restarts() {
    sandbox(|sandbox| {
        veth("va");
        filter();
        let mut before = foreign();
        attach(&mut before, LinkOrder::last());
        let first = agent(sandbox, 64);
        let mut after = foreign();
        attach(&mut after, LinkOrder::last());
        let others = [&before, &after];
        all_see_everything(&others);
        drop(first);
        all_see_everything(&others);
        // A restart, then another version with maps of another size.
        for capacity in [64, 128] {
            drop(agent(sandbox, capacity));
            all_see_everything(&others);
        }
    });
}

#[test]
fn after_the_lease_others_still_see_everything() {
    sandbox(|sandbox| {
        let index = veth("va");
        filter();
        let mut dataplane = sandbox.open();
        apply(&mut dataplane, &desired(index, "va", AttachPolicy::Tcx));
        dataplane.renew(lease(1)).unwrap();
        let seen = filtered(EVERYTHING);
        assert_eq!(ask("va"), None);
        assert_soon!(filtered(EVERYTHING), seen + 1);
    });
}

#[test]
fn who_stands_before_us_is_named_as_long_as_he_does() {
    sandbox(|sandbox| {
        let index = veth("va");
        let wanted = desired(index, "va", AttachPolicy::Tcx);
        let mut dataplane = sandbox.open();
        apply(&mut dataplane, &wanted);
        let ours = tcx_of("va")[0];
        // It drops requests for the address.
        let mut shadow = foreign();
        let suppress = Vip::new(NODE.0, Action::Suppress, 0, u64::MAX);
        let mut vips: HashMap<_, Key4, Vip> = shadow.map_mut(names::VIPS4).unwrap().try_into().unwrap();
        vips.insert(Key4::new(index, [192, 0, 2, 10]), suppress, 0).unwrap();
        let mut leases: Array<_, Lease> = shadow.map_mut(names::LEASE).unwrap().try_into().unwrap();
        leases.set(0, lease(u64::MAX), 0).unwrap();
        let id = attach(&mut shadow, LinkOrder::first());
        assert_eq!((tcx_of("va"), ask("va")), (vec![id, ours], None));
        let behind = vec![Foreign { id, name: Some(names::TC_PROGRAM.to_owned()) }];
        assert_eq!(apply(&mut dataplane, &wanted).attachments[&index].behind, behind);
        assert_eq!(behind[0].to_string(), format!("program {} (id {id})", names::TC_PROGRAM));
        // Where it stands does not change with the agent.
        drop(dataplane);
        let mut dataplane = sandbox.open();
        assert_eq!(apply(&mut dataplane, &wanted).attachments[&index].behind, behind);
        drop(shadow);
        assert_soon!(tcx_of("va").len(), 1);
        assert_eq!((apply(&mut dataplane, &wanted).attachments[&index].behind.len(), ask("va")), (0, Some(NODE)));
    });
}
