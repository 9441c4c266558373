//! Two writers of the same entries: the agent with its tables, and the succession with single roles.

use std::net::IpAddr;

use arpeggio_common::abi::{ALL_BUCKETS, Action, Flags, Vip};
use arpeggio_speaker::{
    dataplane::{Dataplane, Options, Roles},
    decide::Desired,
};
use arpeggio_succession::Role;

use crate::sandbox::{address, apply, sandbox, vip};

const UNPINNED: Options = Options { pin_dir: None, capacity: 16_384, log_level: 0 };

fn suppressed(count: u32) -> Desired {
    let place = |number: u32| (3, IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
    Desired { vips: (0..count).map(|number| (place(number), vip(Action::Suppress))).collect(), ..Desired::default() }
}

fn with_roles() -> (Dataplane, Roles) {
    let (mut dataplane, roles) = (Dataplane::open(&UNPINNED).unwrap(), Roles::default());
    dataplane.follow_roles(roles.clone());
    (dataplane, roles)
}

#[test]
fn a_turned_entry_keeps_its_line_and_no_round_turns_it_back() {
    sandbox(|_| {
        let (mut dataplane, roles) = with_roles();
        let wanted = suppressed(10);
        apply(&mut dataplane, &wanted);
        let mut live = dataplane.live().unwrap();
        let place = *wanted.vips.keys().nth(4).unwrap();
        let before = dataplane.maps().entries().unwrap()[&place];
        assert!(live.set(&mut roles.hold(), place, Role::LEAVING).unwrap());
        let after = dataplane.maps().entries().unwrap()[&place];
        let leaving = Vip::new(before.mac(), Action::Answer, before.slot(), ALL_BUCKETS);
        assert_eq!(after, leaving.with_flags(Flags::EVACUATING));
        let round = apply(&mut dataplane, &wanted);
        assert_eq!((round.written, round.entries[&place]), (0, after), "known without reading");
        dataplane.distrust();
        assert_eq!(apply(&mut dataplane, &wanted).written, 0, "and by reading");
        // An entry that is not there yet is written with its role.
        let late = (3, address(99));
        assert!(!live.set(&mut roles.hold(), late, Role::OWNER).unwrap());
        let mut more = wanted.clone();
        more.vips.insert(late, vip(Action::Suppress));
        assert_eq!(apply(&mut dataplane, &more).entries[&late].action(), Some(Action::Answer));
        roles.hold().forget(&late);
        assert_eq!(apply(&mut dataplane, &more).entries[&late].action(), Some(Action::Suppress));
    });
}

#[test]
fn what_was_changed_by_hand_is_put_right_when_the_maps_are_read_again() {
    sandbox(|_| {
        let (mut dataplane, _roles) = with_roles();
        let wanted = suppressed(10);
        apply(&mut dataplane, &wanted);
        // Another agent's hands: a second writer without these roles.
        let place = *wanted.vips.keys().next().unwrap();
        dataplane.live().unwrap().set(&mut Roles::default().hold(), place, Role::OWNER).unwrap();
        assert_eq!(apply(&mut dataplane, &wanted).written, 0, "nobody looked");
        dataplane.distrust();
        assert_eq!(apply(&mut dataplane, &wanted).written, 1);
        assert_eq!(dataplane.maps().entries().unwrap()[&place].action(), Some(Action::Suppress));
    });
}

#[test]
fn two_writers_at_once_leave_every_entry_as_its_role_says() {
    sandbox(|_| {
        let (mut dataplane, roles) = with_roles();
        let wanted = suppressed(2_000);
        let places: Vec<_> = wanted.vips.keys().copied().collect();
        let (mut live, held) = (dataplane.live().unwrap(), roles.clone());
        let turner = std::thread::spawn(move || {
            for round in 0..3 {
                for place in &places {
                    let role = if round % 2 == 0 { Role::OWNER } else { Role::SILENT };
                    live.set(&mut held.hold(), *place, role).unwrap();
                }
            }
        });
        // Comes and goes: every second round has half of the entries only.
        let half = suppressed(1_000);
        for round in 0..6 {
            apply(&mut dataplane, if round % 2 == 0 { &wanted } else { &half });
        }
        turner.join().unwrap();
        apply(&mut dataplane, &wanted);
        let entries = dataplane.maps().entries().unwrap();
        assert_eq!(entries.len(), 2_000);
        assert!(entries.values().all(|vip| Role::of(vip) == Some(Role::OWNER)));
    });
}
