//! What an earlier agent left and this one cannot use as it is: nobody has to lend a hand, and hardly a request is lost.

use std::{fs, os::unix::fs::chown, sync::mpsc};

use aya::maps::MapData;

use arpeggio_common::abi::{LAYOUT_DIRECTORY, names};
use arpeggio_speaker::{
    dataplane::{Dataplane, Sweep, cleanup},
    decide::AttachPolicy,
};

use crate::{
    pinning::resize_value,
    privileges::{NEEDED, become_nobody},
    sandbox::{NODE, Sandbox, apply, ask, assert_soon, desired, run, sandbox, tcx_of, veth, xdp_of},
};

const POLICIES: [AttachPolicy; 3] = [AttachPolicy::Native, AttachPolicy::Generic, AttachPolicy::Tcx];

/// Programs on the device, XDP and tcx.
fn programs() -> usize {
    usize::from(xdp_of("va").is_some()) + tcx_of("va").len()
}

/// Looks at the device with the rights that this thread has now, whatever it gives up afterwards.
fn watcher() -> impl Fn() -> (Option<(u32, bool)>, Vec<u32>) {
    let (ask, asked) = mpsc::sync_channel::<()>(1);
    let (tell, told) = mpsc::sync_channel(1);
    std::thread::spawn(move || asked.iter().try_for_each(|()| tell.send((xdp_of("va"), tcx_of("va")))));
    move || {
        ask.send(()).unwrap();
        told.recv().unwrap()
    }
}

/// An agent that answers and ends.
fn earlier(sandbox: &Sandbox, index: u32, policy: AttachPolicy) {
    apply(&mut sandbox.open(), &desired(index, "va", policy));
    assert_eq!(ask("va"), Some(NODE));
}

fn stale(sandbox: &Sandbox) -> Vec<String> {
    let strip = |pin: &String| pin.strip_prefix("stale/").map(ToOwned::to_owned);
    sandbox.pins().iter().filter_map(strip).collect()
}

#[test]
fn another_layout_is_taken_over_without_a_gap_and_goes() {
    for policy in POLICIES {
        sandbox(move |sandbox| {
            let index = veth("va");
            earlier(sandbox, index, policy);
            let (old, new) = (sandbox.pin_dir().join("v0"), sandbox.pin_dir().join(LAYOUT_DIRECTORY));
            fs::rename(&new, &old).unwrap();
            let before = (xdp_of("va"), tcx_of("va"));
            let mut agent = sandbox.open();
            assert_eq!(ask("va"), Some(NODE), "addresses and lease came along");
            assert_ne!((xdp_of("va"), tcx_of("va")), before, "it is the new program");
            assert_eq!(programs(), 1, "and not both");
            assert!(!old.exists(), "{:?}", sandbox.pins());
            let applied = apply(&mut agent, &desired(index, "va", policy));
            assert_eq!((applied.written, applied.removed, applied.taken.len()), (0, 0, 0));
            assert_eq!((ask("va"), programs(), stale(sandbox).len()), (Some(NODE), 1, 0));
        });
    }
}

#[test]
fn what_is_foreign_in_another_layout_stays() {
    sandbox(|sandbox| {
        let index = veth("va");
        earlier(sandbox, index, AttachPolicy::Tcx);
        fs::rename(sandbox.pin_dir().join(LAYOUT_DIRECTORY), sandbox.pin_dir().join("v0")).unwrap();
        MapData::from_pin(sandbox.pin_dir().join("v0/LEASE"))
            .unwrap()
            .pin(sandbox.pin_dir().join("v0/theirs"))
            .unwrap();
        let _agent = sandbox.open();
        assert_eq!(ask("va"), Some(NODE));
        let old: Vec<_> = sandbox.pins().into_iter().filter(|pin| pin.starts_with("v0")).collect();
        assert_eq!(old, ["v0/theirs"]);
        let found = cleanup(&sandbox.pin_dir(), Sweep::List).unwrap();
        assert_eq!(found.foreign, [sandbox.pin_dir().join("v0/theirs")], "named");
    });
}

#[test]
fn a_map_of_another_shape_makes_room_and_the_old_program_answers_meanwhile() {
    for policy in POLICIES {
        sandbox(move |sandbox| {
            let index = veth("va");
            earlier(sandbox, index, policy);
            let before = (xdp_of("va"), tcx_of("va"));
            resize_value(sandbox, names::VIPS4, 16);
            let mut agent = sandbox.open();
            assert_eq!((xdp_of("va"), tcx_of("va")), before, "the new program would have nothing to answer with");
            assert_eq!(ask("va"), Some(NODE));
            apply(&mut agent, &desired(index, "va", policy));
            assert_eq!((ask("va"), programs()), (Some(NODE), 1));
            assert_ne!((xdp_of("va"), tcx_of("va")), before);
            assert_eq!(stale(sandbox), [format!("{LAYOUT_DIRECTORY}-VIPS4")]);
            drop(agent);
            let mut again = sandbox.open();
            assert_eq!(ask("va"), Some(NODE));
            assert_eq!(apply(&mut again, &desired(index, "va", policy)).written, 0);
            cleanup(&sandbox.pin_dir(), Sweep::Remove).unwrap();
            assert!(!sandbox.pin_dir().exists(), "a cleanup takes that too");
        });
    }
}

#[test]
fn counters_of_another_size_begin_again_and_nothing_else_does() {
    sandbox(|sandbox| {
        let index = veth("va");
        earlier(sandbox, index, AttachPolicy::Tcx);
        resize_value(sandbox, names::STATS, 8);
        let mut agent = sandbox.open();
        assert_eq!(ask("va"), Some(NODE), "addresses and lease are as they were");
        assert_eq!(apply(&mut agent, &desired(index, "va", AttachPolicy::Tcx)).written, 0);
        assert_eq!(stale(sandbox), [format!("{LAYOUT_DIRECTORY}-STATS")]);
    });
}

#[test]
fn a_map_with_the_name_of_a_link_and_a_link_with_the_name_of_a_map_are_put_aside() {
    sandbox(|sandbox| {
        let index = veth("va");
        earlier(sandbox, index, AttachPolicy::Tcx);
        let link = sandbox.pin(&format!("links/tcx-{index}"));
        fs::remove_file(sandbox.pin(names::STRAYS)).unwrap();
        fs::rename(&link, sandbox.pin(names::STRAYS)).unwrap();
        MapData::from_pin(sandbox.pin(names::LEASE)).unwrap().pin(&link).unwrap();
        let mut agent = sandbox.open();
        apply(&mut agent, &desired(index, "va", AttachPolicy::Tcx));
        assert_eq!(ask("va"), Some(NODE));
        let aside = [format!("{LAYOUT_DIRECTORY}-foreign-STRAYS"), format!("{LAYOUT_DIRECTORY}-foreign-tcx-{index}")];
        assert_eq!(stale(sandbox), aside, "nobody detaches what he does not know");
    });
}

/// The files are root's and closed, the directories the agent's.
#[test]
fn pins_that_may_not_be_opened_are_replaced() {
    for policy in POLICIES {
        sandbox(move |sandbox| {
            let index = veth("va");
            earlier(sandbox, index, policy);
            run(&format!("chmod a+x {0} && chmod -R go= {1}", sandbox.bpffs().display(), sandbox.pin_dir().display()));
            for folder in [sandbox.pin_dir(), sandbox.pin_dir().join(LAYOUT_DIRECTORY), sandbox.pin("links")] {
                chown(folder, Some(65_534), None).unwrap();
            }
            let attached = watcher();
            let before = attached();
            become_nobody(&NEEDED);
            let mut agent = sandbox.open();
            assert_eq!(ask("va"), Some(NODE), "with the old maps, until its lease ends");
            assert_eq!(attached(), before);
            // The kernel may take a moment to detach; XDP has to wait for that, and is tried again.
            let mut is_attached = || {
                let applied = apply(&mut agent, &desired(index, "va", policy));
                applied.attachments[&index].program_id.is_some()
            };
            assert_soon!(is_attached(), true);
            assert_eq!(ask("va"), Some(NODE));
            let count = |(xdp, tcx): (Option<(u32, bool)>, Vec<u32>)| usize::from(xdp.is_some()) + tcx.len();
            assert_soon!(count(attached()), 1);
            assert_ne!(attached(), before);
            let links = |name: &String| name.ends_with(&format!("-{index}"));
            assert!(!stale(sandbox).iter().any(links), "{:?}", sandbox.pins());
            drop(agent);
            let _again: Dataplane = sandbox.open();
            assert_eq!(ask("va"), Some(NODE));
        });
    }
}
