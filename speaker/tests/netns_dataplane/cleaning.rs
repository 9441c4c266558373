//! Cleanup takes what is ours and nothing else.

use std::fs;

use aya::{maps::MapData, programs::XdpMode};

use arpeggio_common::abi::{LAYOUT_DIRECTORY, names};
use arpeggio_speaker::{
    dataplane::{CleanupReport, InspectError, Sweep, cleanup, inspect},
    decide::AttachPolicy,
};

use crate::sandbox::{NODE, apply, ask, assert_soon, desired, foreign, foreign_xdp, sandbox, tcx_of, veth, xdp_of};

#[test]
fn nothing_of_ours_stays_and_a_second_run_finds_nothing() {
    sandbox(|sandbox| {
        let (first, second) = (veth("va"), veth("vb"));
        let mut agent = sandbox.open();
        let mut wanted = desired(first, "va", AttachPolicy::Native);
        wanted.interfaces.extend(desired(second, "vb", AttachPolicy::Tcx).interfaces);
        apply(&mut agent, &wanted);
        drop(agent);

        let listed = cleanup(&sandbox.pin_dir(), Sweep::List).unwrap();
        // Of each interface a link and its program.
        assert_eq!(listed.removed.len(), names::ALL.len() + 4);
        assert_eq!(ask("va"), Some(NODE), "listing removes nothing");
        let removed = cleanup(&sandbox.pin_dir(), Sweep::Remove).unwrap();
        assert_eq!(removed, listed);
        assert_soon!((xdp_of("va"), tcx_of("vb").len(), ask("va")), (None, 0, None));
        assert!(!sandbox.pin_dir().exists());
        assert_eq!(cleanup(&sandbox.pin_dir(), Sweep::Remove).unwrap(), CleanupReport::default());
        assert!(matches!(inspect(&sandbox.pin_dir()), Err(InspectError::Nothing { .. })));
    });
}

#[test]
fn foreign_programs_pins_and_files_survive() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut foreign = foreign();
        foreign_xdp(&mut foreign).attach("va", XdpMode::Driver).unwrap();
        let mut agent = sandbox.open();
        apply(&mut agent, &desired(index, "va", AttachPolicy::Tcx));
        drop(agent);
        let xdp = xdp_of("va");
        let map = || MapData::from_pin(sandbox.pin(names::LEASE)).unwrap();
        let root = sandbox.pin_dir();
        let ours = |name| format!("{LAYOUT_DIRECTORY}/{name}");
        for folder in ["other".to_owned(), ours("mine"), "v7".to_owned(), "v01".to_owned()] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        let foreign_pins = [
            "theirs".to_owned(),
            ours("cilium_calls"),
            ours("links/theirs-3"),
            ours("programs/arpeggio_tc"),
            ours("mine/VIPS4"),
            "v01/VIPS4".to_owned(),
            "other/VIPS4".to_owned(),
        ];
        for name in &foreign_pins {
            map().pin(root.join(name)).unwrap();
        }
        map().pin(root.join("v7/SIGHTINGS-next")).unwrap();

        let report = cleanup(&root, Sweep::Remove).unwrap();
        assert_eq!(report.failed, []);
        // A link and its program, and the map of another layout.
        assert_eq!(report.removed.len(), names::ALL.len() + 3, "{report:?}");
        let mut told = ["other", "theirs", "v01"].map(ToOwned::to_owned).to_vec();
        told.extend(["links/theirs-3", "programs/arpeggio_tc", "cilium_calls", "mine"].map(ours));
        let mut found: Vec<_> =
            report.foreign.iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap()).collect();
        found.sort_unstable();
        told.sort_unstable();
        assert_eq!(found, told);
        for name in &foreign_pins {
            assert!(root.join(name).exists(), "{name}");
        }
        assert!(!root.join("v7").exists() && !root.join(ours("VIPS4")).exists());
        assert_soon!((xdp_of("va"), tcx_of("va").len()), (xdp, 0));
    });
}
