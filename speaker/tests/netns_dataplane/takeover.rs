//! A new agent takes over what the old one left.

use std::{
    collections::BTreeSet,
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arpeggio_common::abi::{LAYOUT_DIRECTORY, names};
use arpeggio_speaker::{
    dataplane::{Dataplane, inspect},
    decide::{AttachMode, AttachPolicy, Desired},
    world::LinkKind,
};

use crate::sandbox::{NODE, Sandbox, address, apply, ask, assert_soon, desired, run, sandbox, tcx_of, veth, xdp_of};

fn link_id(sandbox: &Sandbox, pin: &str) -> u64 {
    let shown = run(&format!("bpftool -j link show pinned {}", sandbox.pin(pin).display()));
    serde_json::from_str::<serde_json::Value>(&shown).unwrap()["id"].as_u64().unwrap()
}

#[test]
fn the_link_stays_the_same_and_runs_the_new_program() {
    for (policy, pin) in
        [(AttachPolicy::Native, "native"), (AttachPolicy::Generic, "generic"), (AttachPolicy::Tcx, "tcx")]
    {
        sandbox(move |sandbox| {
            let index = veth("va");
            let pin = format!("links/{pin}-{index}");
            let mut old = sandbox.open();
            let before = apply(&mut old, &desired(index, "va", policy));
            let id = link_id(sandbox, &pin);
            drop(old);
            assert_eq!(ask("va"), Some(NODE), "nobody needs the agent to answer");

            // As if the next agent had another program.
            run(&format!("rm {}/*", sandbox.pin("programs").display()));
            let mut new = sandbox.open();
            assert_eq!(link_id(sandbox, &pin), id);
            assert_eq!(ask("va"), Some(NODE), "taken over, nothing applied yet");
            let after = apply(&mut new, &desired(index, "va", policy));
            assert_eq!((after.written, after.removed, after.taken.len()), (0, 0, 0), "it answered before");
            let (old, new) = (&before.attachments[&index], &after.attachments[&index]);
            assert_eq!(old.mode, new.mode);
            assert_ne!(old.program_id, new.program_id, "another load of the program");
            assert_eq!(old.program_tag, new.program_tag, "with the same instructions");
            assert_eq!(link_id(sandbox, &pin), id);
            assert_eq!(ask("va"), Some(NODE));
        });
    }
}

#[test]
fn no_request_is_lost_while_agents_take_over_from_each_other() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut agent = sandbox.open();
        apply(&mut agent, &desired(index, "va", AttachPolicy::Native));
        let space = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let enough = Arc::clone(&done);
        let client = std::thread::spawn(move || {
            nix::sched::setns(space.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let (mut asked, mut lost) = (0, 0);
            while !enough.load(Ordering::Relaxed) {
                asked += 1;
                lost += usize::from(ask("va").is_none());
            }
            (asked, lost)
        });
        for round in 0..6 {
            drop(agent);
            // Every other takeover moves to maps of another capacity as well.
            agent = Dataplane::open(&sandbox.options(64 << (round / 2 % 2))).unwrap();
            apply(&mut agent, &desired(index, "va", AttachPolicy::Native));
        }
        done.store(true, Ordering::Relaxed);
        let (asked, lost) = client.join().unwrap();
        assert!(asked > 0);
        assert_eq!(lost, 0, "of {asked} requests during six takeovers");
    });
}

#[test]
fn counters_and_lease_survive() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut old = sandbox.open();
        apply(&mut old, &desired(index, "va", AttachPolicy::Tcx));
        for _ in 0..3 {
            assert_eq!(ask("va"), Some(NODE));
        }
        let lease = old.maps().lease().unwrap();
        drop(old);
        let inspection = inspect(&sandbox.pin_dir()).unwrap();
        let entries = inspection.maps().entries().unwrap();
        let slot = entries[&(index, address(10))].slot();
        assert_eq!((inspection.maps().lease().unwrap(), inspection.maps().capacity()), (lease, 64));
        assert_eq!(inspection.maps().stats(&BTreeSet::from([slot])).unwrap()[&slot].replies, 3);
        let programs = inspection.programs().unwrap();
        assert_eq!((programs.len(), programs[0].ifindex, programs[0].mode), (1, index, AttachMode::Tcx));
        assert!(programs[0].attached && programs[0].program_id.is_some() && programs[0].program_tag.is_some());
        let clients = inspection.maps().clients().unwrap();
        assert_eq!(clients.keys().collect::<Vec<_>>(), [&((index, address(10)), address(200))]);
        assert!(inspection.maps().sightings().unwrap().is_empty() && !inspection.maps().outcomes().unwrap().is_empty());

        let mut new = sandbox.open();
        assert_eq!(new.maps().lease().unwrap(), lease);
        apply(&mut new, &desired(index, "va", AttachPolicy::Tcx));
        assert_eq!(ask("va"), Some(NODE));
        assert_eq!(new.maps().stats(&BTreeSet::from([slot])).unwrap()[&slot].replies, 4);
    });
}

#[test]
fn another_wish_after_a_restart_replaces_the_old_link() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut old = sandbox.open();
        apply(&mut old, &desired(index, "va", AttachPolicy::Tcx));
        drop(old);
        for (policy, native) in [(AttachPolicy::Native, true), (AttachPolicy::Generic, false)] {
            let mut new = sandbox.open();
            apply(&mut new, &desired(index, "va", policy));
            assert_soon!(xdp_of("va").map(|(_, native)| native), Some(native));
            assert_soon!((tcx_of("va").len(), ask("va")), (0, Some(NODE)));
        }
        // Auto steps up from generic to what can be attached beside it, but never takes away what works to try native.
        let mut new = sandbox.open();
        let mut wanted = desired(index, "va", AttachPolicy::Auto);
        wanted.interfaces.get_mut(&index).unwrap().kind = LinkKind::Physical;
        let applied = apply(&mut new, &wanted);
        let attachment = &applied.attachments[&index];
        assert_eq!(attachment.mode, Some(AttachMode::Tcx));
        assert!(attachment.steps_down[0].1.contains("not tried while generic xdp from before"), "{attachment:?}");
        assert_soon!((xdp_of("va"), tcx_of("va").len(), ask("va")), (None, 1, Some(NODE)));
    });
}

#[test]
fn stale_and_foreign_link_pins_are_told_apart() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut old = sandbox.open();
        apply(&mut old, &desired(index, "va", AttachPolicy::Tcx));
        drop(old);
        let links = sandbox.pin("links");
        // The interface of this one is gone, and that one says another interface than it has.
        let gone = veth("vb");
        let mut other = sandbox.open();
        let mut both = desired(index, "va", AttachPolicy::Tcx);
        both.interfaces.extend(desired(gone, "vb", AttachPolicy::Native).interfaces);
        apply(&mut other, &both);
        drop(other);
        run("ip link del vb");
        run(&format!("mv {0}/tcx-{index} {0}/tcx-4711", links.display()));
        assert_eq!(sandbox.pins().iter().filter(|pin| pin.contains("links")).count(), 2);
        let mut new = sandbox.open();
        assert_eq!(sandbox.pins().iter().filter(|pin| pin.contains("links")).count(), 0);
        apply(&mut new, &desired(index, "va", AttachPolicy::Tcx));
        assert_soon!((tcx_of("va").len(), ask("va")), (1, Some(NODE)));
    });
}

#[test]
fn an_interface_that_is_no_longer_wanted_is_let_go_after_a_restart() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut old = sandbox.open();
        apply(&mut old, &desired(index, "va", AttachPolicy::Native));
        drop(old);
        let mut new: Dataplane = sandbox.open();
        let applied = apply(&mut new, &Desired::default());
        assert_eq!((applied.removed, applied.attachments.len()), (1, 0));
        assert_soon!((xdp_of("va"), ask("va")), (None, None));
        assert!(!sandbox.pins().iter().any(|pin| pin.contains("links")));
    });
}

#[test]
fn of_two_links_of_one_interface_the_better_one_stays() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut old = sandbox.open();
        apply(&mut old, &desired(index, "va", AttachPolicy::Tcx));
        drop(old);
        // As after a crash between attaching the new and dropping the old.
        let mut options = sandbox.options(64);
        options.pin_dir = Some(sandbox.bpffs().join("other"));
        let mut other = Dataplane::open(&options).unwrap();
        apply(&mut other, &desired(index, "va", AttachPolicy::Native));
        drop(other);
        let links = sandbox.pin("links");
        let other = sandbox.bpffs().join("other").join(LAYOUT_DIRECTORY);
        run(&format!("mv {}/links/native-{index} {}", other.display(), links.display()));
        assert_soon!((xdp_of("va").is_some(), tcx_of("va").len()), (true, 1));
        let mut new = sandbox.open();
        assert_soon!((xdp_of("va").is_some(), tcx_of("va").len(), ask("va")), (true, 0, Some(NODE)));
        // On a veth native is not a step of the ladder by itself: what can be attached beside it takes its place.
        apply(&mut new, &desired(index, "va", AttachPolicy::Auto));
        assert_soon!((xdp_of("va"), tcx_of("va").len(), ask("va")), (None, 1, Some(NODE)));
    });
}

#[test]
fn the_next_agent_of_the_same_build_has_nothing_verified_again() {
    for (policy, hook) in [(AttachPolicy::Tcx, names::TC_PROGRAM), (AttachPolicy::Native, names::XDP_FRAGS_PROGRAM)] {
        sandbox(move |sandbox| {
            let index = veth("va");
            let desired = desired(index, "va", policy);
            let run_with = |capacity| {
                let mut dataplane = Dataplane::open(&sandbox.options(capacity)).unwrap();
                let program = apply(&mut dataplane, &desired).attachments[&index].program_id.unwrap();
                assert_eq!(ask("va"), Some(NODE));
                program
            };
            let programs = || {
                let pins = sandbox.pins().into_iter().filter(|pin| pin.contains("/programs/"));
                pins.collect::<Vec<_>>()
            };
            let first = run_with(64);
            let pinned = programs();
            assert!(pinned.len() == 1 && pinned[0].contains(hook), "{pinned:?}");
            assert_eq!(run_with(64), first);
            // With other maps it is another program, and the one before goes.
            let second = run_with(128);
            assert_ne!(second, first);
            assert_eq!(programs().len(), 1);
            assert_ne!(programs(), pinned);
            // What is pinned there and is no such program is replaced.
            let pin = sandbox.pin_dir().join(&programs()[0]);
            std::fs::remove_file(&pin).unwrap();
            std::fs::rename(sandbox.pin(names::STRAYS), &pin).unwrap();
            let third = run_with(128);
            assert_ne!(third, second);
            assert_eq!(run_with(128), third);
        });
    }
}
