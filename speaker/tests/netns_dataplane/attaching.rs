//! The ladder on real devices.

use aya::programs::{LinkOrder, SchedClassifier, TcAttachType, XdpMode, loaded_programs, tc::TcAttachOptions};

use arpeggio_common::abi::{Action, LAYOUT_DIRECTORY, names};
use arpeggio_speaker::{
    dataplane::{Dataplane, Options, VETH_REASON},
    decide::{AttachMode, AttachPolicy, Desired},
    world::LinkKind,
};

use crate::sandbox::{
    NODE, address, apply, ask, ask_tagged, assert_soon, desired, foreign, foreign_xdp, lease, run, sandbox, tcx_of,
    veth, vip, xdp_of,
};

#[test]
fn auto_on_a_veth_is_tcx_with_a_reason_and_answers() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        assert_eq!(ask("va"), None, "nothing is attached yet");
        let applied = apply(&mut dataplane, &desired(index, "va", AttachPolicy::Auto));
        let attachment = &applied.attachments[&index];
        assert_eq!(attachment.mode, Some(AttachMode::Tcx));
        assert_eq!(attachment.steps_down, [(AttachMode::Native, VETH_REASON.to_owned())]);
        assert_soon!(attachment.program_id, tcx_of("va").first().copied());
        assert_eq!(attachment.program_tag.as_ref().map(String::len), Some(16));
        assert_eq!(ask("va"), Some(NODE));
        assert_soon!(xdp_of("va"), None);
        assert!(sandbox.pins().contains(&format!("{LAYOUT_DIRECTORY}/links/tcx-{index}")), "{:?}", sandbox.pins());
    });
}

fn name_of(program: u32) -> String {
    let mut all = loaded_programs().map(Result::unwrap);
    all.find(|info| info.id() == program).unwrap().name_as_str().unwrap().to_owned()
}

#[test]
fn each_policy_attaches_that_way_and_answers() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        for (policy, mode, native) in [
            (AttachPolicy::Native, AttachMode::Native, Some(true)),
            (AttachPolicy::Generic, AttachMode::Generic, Some(false)),
            (AttachPolicy::Tcx, AttachMode::Tcx, None),
            (AttachPolicy::Generic, AttachMode::Generic, Some(false)),
            (AttachPolicy::Native, AttachMode::Native, Some(true)),
        ] {
            // A command that another test is just starting may hold the link before this one for a moment.
            let mut attached = || {
                let applied = apply(&mut dataplane, &desired(index, "va", policy));
                let attachment = &applied.attachments[&index];
                (attachment.mode, attachment.steps_down.clone())
            };
            assert_soon!(attached(), (Some(mode), vec![]));
            assert_soon!(xdp_of("va").map(|(_, native)| native), native);
            if let Some((id, _)) = xdp_of("va") {
                // The kernel keeps 15 characters of a name.
                assert_eq!(name_of(id), names::XDP_FRAGS_PROGRAM[..15], "this kernel knows multi-buffer frames");
            }
            assert_soon!(tcx_of("va").len(), usize::from(mode == AttachMode::Tcx));
            assert_eq!(ask("va"), Some(NODE), "{policy:?}");
            let links: Vec<_> = sandbox.pins().into_iter().filter(|pin| pin.contains("links")).collect();
            assert_eq!(links.len(), 1, "the old pin is gone: {links:?}");
        }
        let applied = apply(&mut dataplane, &desired(index, "va", AttachPolicy::User));
        assert_eq!(applied.attachments[&index].mode, Some(AttachMode::User));
        assert_soon!((xdp_of("va"), tcx_of("va").len(), ask("va")), (None, 0, None));
    });
}

#[test]
fn a_priority_tag_is_no_vlan() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        for policy in [AttachPolicy::Native, AttachPolicy::Generic, AttachPolicy::Tcx] {
            let mut wanted = desired(index, "va", policy);
            assert!(apply(&mut dataplane, &wanted).attachments[&index].mode.is_some());
            assert_eq!(ask_tagged("va", [0x81, 0, 0xa0, 0]), Some(NODE), "{policy:?}");
            for vlan in [[0, 5], [1, 0], [0xa0, 1]] {
                assert_eq!(ask_tagged("va", [0x81, 0, vlan[0], vlan[1]]), None, "{policy:?}: another segment");
            }
            // This node's kernel has the address as well: what is suppressed is so with a tag, too.
            run("ip addr add 192.0.2.10/32 dev va");
            wanted.vips.insert((index, address(10)), vip(Action::Suppress));
            apply(&mut dataplane, &wanted);
            assert_eq!((ask("va"), ask_tagged("va", [0x81, 0, 0xa0, 0])), (None, None), "{policy:?}");
            run("ip addr del 192.0.2.10/32 dev va");
        }
    });
}

#[test]
fn a_vlan_on_the_device_ends_xdp_there_until_it_is_gone() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        let with = |policy, carries_vlans| {
            let mut wanted = desired(index, "va", policy);
            let interface = wanted.interfaces.get_mut(&index).unwrap();
            // As on a network card, where native is tried.
            (interface.kind, interface.carries_vlans) = (LinkKind::Physical, carries_vlans);
            wanted
        };
        for (carries_vlans, mode) in [(false, AttachMode::Native), (true, AttachMode::Tcx), (false, AttachMode::Native)]
        {
            let applied = apply(&mut dataplane, &with(AttachPolicy::Auto, carries_vlans));
            let attachment = &applied.attachments[&index];
            assert_eq!(attachment.mode, Some(mode), "{attachment:?}");
            assert_eq!(attachment.steps_down.len(), usize::from(carries_vlans), "{attachment:?}");
            assert!(attachment.steps_down.iter().all(|(_, reason)| reason.contains("VLAN")), "{attachment:?}");
            assert_soon!((xdp_of("va").is_some(), tcx_of("va").len()), (!carries_vlans, usize::from(carries_vlans)));
            assert_eq!(ask("va"), Some(NODE));
        }
        for (policy, mode) in [(AttachPolicy::Native, AttachMode::Native), (AttachPolicy::Generic, AttachMode::Generic)]
        {
            let attachment = apply(&mut dataplane, &with(policy, false)).attachments.remove(&index).unwrap();
            assert_eq!(attachment.mode, Some(mode));
            let attachment = apply(&mut dataplane, &with(policy, true)).attachments.remove(&index).unwrap();
            assert_eq!((attachment.mode, attachment.steps_down.len()), (None, 1), "only that way was wanted");
            assert!(attachment.steps_down[0].1.contains("VLAN"), "{attachment:?}");
            assert_soon!((xdp_of("va"), tcx_of("va").len(), ask("va")), (None, 0, None));
        }
    });
}

#[test]
fn a_foreign_xdp_program_stays_and_tcx_is_used() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut foreign = foreign();
        foreign_xdp(&mut foreign).attach("va", XdpMode::Driver).unwrap();
        let before = xdp_of("va").unwrap();
        let mut dataplane = sandbox.open();
        let mut wanted = desired(index, "va", AttachPolicy::Auto);
        // As on a network card, where native is tried.
        wanted.interfaces.get_mut(&index).unwrap().kind = LinkKind::Physical;
        let applied = apply(&mut dataplane, &wanted);
        let attachment = &applied.attachments[&index];
        assert_eq!(attachment.mode, Some(AttachMode::Tcx));
        let (mode, reason) = &attachment.steps_down[0];
        assert_eq!(*mode, AttachMode::Native);
        assert!(reason.contains("another XDP program"), "{reason}");
        assert_eq!(ask("va"), Some(NODE), "the foreign program passes, ours answers behind it");

        let applied = apply(&mut dataplane, &desired(index, "va", AttachPolicy::Generic));
        let attachment = &applied.attachments[&index];
        assert_eq!(attachment.mode, None, "only that way was wanted");
        assert!(attachment.steps_down[0].1.contains("another XDP program"), "{attachment:?}");
        assert_soon!(tcx_of("va").len(), 0);
        assert_soon!(xdp_of("va"), Some(before));
    });
}

#[test]
fn a_foreign_program_attached_through_netlink_is_respected_too() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut foreign = foreign();
        let pin = sandbox.bpffs().join("foreign");
        foreign_xdp(&mut foreign).pin(&pin).unwrap();
        run(&format!("bpftool net attach xdpdrv pinned {} dev va", pin.display()));
        let before = xdp_of("va").unwrap();
        let mut dataplane = sandbox.open();
        let mut wanted = desired(index, "va", AttachPolicy::Auto);
        wanted.interfaces.get_mut(&index).unwrap().kind = LinkKind::Physical;
        let applied = apply(&mut dataplane, &wanted);
        assert_eq!(applied.attachments[&index].mode, Some(AttachMode::Tcx));
        assert!(applied.attachments[&index].steps_down[0].1.contains("another XDP program"));
        assert_soon!((ask("va"), xdp_of("va")), (Some(NODE), Some(before)));
    });
}

#[test]
fn ours_runs_before_a_foreign_tcx_program_which_stays() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut foreign = foreign();
        let tc: &mut SchedClassifier = foreign.program_mut(names::TC_PROGRAM).unwrap().try_into().unwrap();
        tc.load().unwrap();
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        tc.attach_with_options("va", TcAttachType::Ingress, order).unwrap();
        let theirs = tcx_of("va")[0];
        let mut dataplane = sandbox.open();
        let applied = apply(&mut dataplane, &desired(index, "va", AttachPolicy::Tcx));
        let ours = applied.attachments[&index].program_id.unwrap();
        assert_soon!(tcx_of("va"), [ours, theirs]);
        apply(&mut dataplane, &Desired::default());
        assert_soon!(tcx_of("va"), [theirs]);
    });
}

#[test]
fn an_interface_that_vanishes_leaves_no_pin_and_one_that_comes_is_served() {
    sandbox(|sandbox| {
        let first = veth("va");
        let mut dataplane = sandbox.open();
        apply(&mut dataplane, &desired(first, "va", AttachPolicy::Tcx));
        run("ip link del va");
        let second = veth("vb");
        let applied = apply(&mut dataplane, &desired(second, "vb", AttachPolicy::Native));
        assert_eq!(applied.attachments.keys().collect::<Vec<_>>(), [&second]);
        assert_eq!((applied.removed, applied.written, applied.taken), (1, 1, vec![(second, address(10))]));
        assert_eq!(ask("vb"), Some(NODE));
        let links: Vec<_> = sandbox.pins().into_iter().filter(|pin| pin.contains("links")).collect();
        assert_eq!(links, [format!("{LAYOUT_DIRECTORY}/links/native-{second}")]);

        // Still wanted, but gone: reported, not fatal.
        run("ip link del vb");
        let applied = apply(&mut dataplane, &desired(second, "vb", AttachPolicy::Native));
        assert_eq!(applied.attachments[&second].mode, None);
        assert_eq!(applied.attachments[&second].steps_down, [(AttachMode::Native, "the interface is gone".to_owned())]);
        assert!(!sandbox.pins().iter().any(|pin| pin.contains("links")));
    });
}

#[test]
fn a_link_that_somebody_else_detached_is_put_back() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        apply(&mut dataplane, &desired(index, "va", AttachPolicy::Tcx));
        run(&format!("bpftool link detach pinned {}", sandbox.pin(&format!("links/tcx-{index}")).display()));
        assert_eq!(ask("va"), None);
        let applied = apply(&mut dataplane, &desired(index, "va", AttachPolicy::Tcx));
        assert_eq!(applied.attachments[&index].mode, Some(AttachMode::Tcx));
        assert_eq!(ask("va"), Some(NODE));
    });
}

#[test]
fn without_pins_everything_ends_with_the_agent() {
    sandbox(|_| {
        let index = veth("va");
        let options = Options { pin_dir: None, capacity: 16, log_level: 0 };
        for policy in [AttachPolicy::Native, AttachPolicy::Tcx, AttachPolicy::Generic] {
            let mut dataplane = Dataplane::open(&options).unwrap();
            apply(&mut dataplane, &desired(index, "va", policy));
            assert_eq!(ask("va"), Some(NODE));
            drop(dataplane);
            assert_soon!((xdp_of("va"), tcx_of("va").len(), ask("va")), (None, 0, None), "{policy:?}");
        }
    });
}

#[test]
fn the_actions_and_the_lease_do_what_they_say() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        let mut wanted = desired(index, "va", AttachPolicy::Tcx);
        apply(&mut dataplane, &wanted);
        assert_eq!(ask("va"), Some(NODE));
        wanted.vips.insert((index, address(10)), vip(Action::Suppress));
        let applied = apply(&mut dataplane, &wanted);
        assert_eq!((applied.written, applied.removed, applied.taken.len()), (1, 0, 0));
        assert_eq!(ask("va"), None);
        wanted.vips.insert((index, address(10)), vip(Action::Answer));
        assert_eq!(apply(&mut dataplane, &wanted).taken, [(index, address(10))]);
        assert_eq!(ask("va"), Some(NODE));
        dataplane.renew(lease(1)).unwrap();
        assert_eq!((dataplane.maps().lease().unwrap().until_ns, ask("va")), (1, None));
        apply(&mut dataplane, &wanted);
        assert_eq!(ask("va"), Some(NODE));
        let withdrawn = dataplane.withdraw().unwrap();
        assert_eq!((withdrawn.removed, withdrawn.errors.len()), (1, 0));
        assert_eq!(
            (dataplane.maps().lease().unwrap().until_ns, ask("va"), dataplane.maps().entries().unwrap().len()),
            (0, None, 0)
        );
    });
}
