//! What this node has to say, from what it is for its addresses.

use std::collections::BTreeSet;

use arpeggio_common::{
    abi::ALL_BUCKETS,
    model::{Announcement, Mode},
};
use arpeggio_succession::Origin;

use super::*;
use crate::world::{Config, Defaults, Exclude, Links, testing::card};

const SECOND: u64 = 1_000_000_000;

fn node() -> NodeName {
    NodeName::try_from("node-b").unwrap()
}

fn address() -> IpAddr {
    IpAddr::from([192, 0, 2, 10])
}

/// A world with eth0 (index 2) and eth1 (index 3), of which those in `near` are in the address's subnet.
fn world(near: &[u8]) -> World {
    let defaults = Defaults { node_flag: Some(node()), ..Defaults::default() };
    let mut config = Config::of_defaults(&defaults).unwrap();
    let candidates = vec![NodeName::try_from("node-a").unwrap(), node()];
    let announcement = Announcement::new(address(), candidates, BTreeSet::new(), Mode::Exclusive).unwrap();
    config.announcements.insert(address(), announcement.into());
    let link = |index: u8| {
        let net = if near.contains(&index) { "192.0.2.1/24" } else { "198.51.100.1/24" };
        // Its own address alone is no subnet.
        (u32::from(index), card(index, &format!("eth{}", index - 2), &[net, "192.0.2.10/32"]))
    };
    World {
        generation: 1,
        config: config.into(),
        links: Links([2, 3].map(link).into()).into(),
        exclude: Exclude::nothing().into(),
    }
}

fn view(standing: Standing) -> View {
    let buckets = if standing == Standing::Owner { ALL_BUCKETS } else { 0 };
    View {
        standing,
        rank: Some(1),
        owner: None,
        since_ns: 5 * SECOND,
        heartbeat_ns: None,
        buckets,
        doubt: None,
        unflooded: false,
        unanswered: None,
    }
}

fn stance_of(world: &World, views: &[(u32, View)], unplaced: &[(IpAddr, String)]) -> Option<Stance> {
    let views = views.iter().map(|(index, view)| ((*index, address()), *view)).collect();
    let wanted = compose(&Situation {
        node: &node(),
        world,
        views: &views,
        unplaced: &unplaced.iter().cloned().collect(),
        rivals: &BTreeMap::new(),
        wall_ahead_ns: 1000 * SECOND + 7,
    });
    wanted.addresses.get(&address()).cloned()
}

fn decides(world: &World, standings: [Standing; 2]) -> Option<bool> {
    match stance_of(world, &[(2, view(standings[0])), (3, view(standings[1]))], &[]) {
        Some(Stance::Answers { decides, .. }) => Some(decides),
        _ => None,
    }
}

#[test]
fn the_interface_in_the_subnet_decides_who_tells() {
    use Standing::{Owner, Standby};
    let near = world(&[3]);
    assert_eq!(decides(&near, [Standby, Owner]), Some(true));
    assert_eq!(decides(&near, [Owner, Owner]), Some(true));
    assert_eq!(decides(&near, [Owner, Standby]), Some(false));
    assert_eq!(decides(&near, [Standby, Standby]), None);
    // Where none is in the subnet, or both are: the first by name.
    for world in [world(&[]), world(&[2, 3])] {
        assert_eq!(decides(&world, [Owner, Standby]), Some(true));
        assert_eq!(decides(&world, [Standby, Owner]), Some(false));
    }
}

#[test]
fn an_owner_tells_where_and_since_when() {
    let later = View { since_ns: 9 * SECOND, ..view(Standing::Leaving) };
    let Some(Stance::Answers { interfaces, since, shared, rival, .. }) =
        stance_of(&world(&[2]), &[(2, view(Standing::Owner)), (3, later)], &[])
    else {
        panic!("it answers")
    };
    let told: Vec<_> = interfaces.iter().map(|interface| (interface.name.as_str(), interface.mac.as_str())).collect();
    assert_eq!(told, [("eth0", "02:00:00:00:00:02"), ("eth1", "02:00:00:00:00:03")]);
    assert_eq!((since.as_second(), since.subsec_nanosecond()), (1005, 0));
    assert!(!shared && rival.is_none());
}

#[test]
fn of_those_who_share_the_one_with_the_first_share_tells() {
    let sharing = |buckets| View { buckets, ..view(Standing::Sharing) };
    let stance = |buckets| stance_of(&world(&[2]), &[(2, sharing(buckets))], &[]);
    assert!(matches!(stance(0b101), Some(Stance::Answers { shared: true, .. })));
    assert_eq!(stance(0b110), None);
}

#[test]
fn a_stranger_is_told_where_it_decides() {
    let stranger = Some(Origin { mac: Mac([2, 9, 9, 9, 9, 9]), node: None });
    let in_use = View { owner: stranger, ..view(Standing::InUse) };
    let stance = stance_of(&world(&[3]), &[(2, view(Standing::Standby)), (3, in_use)], &[]);
    assert_eq!(stance, Some(Stance::InUse { by: "02:09:09:09:09:09".into(), rank: 1 }));
    assert_eq!(stance_of(&world(&[3]), &[(2, in_use), (3, view(Standing::Standby))], &[]), None);
    let owner = stance_of(&world(&[3]), &[(2, view(Standing::Owner)), (3, in_use)], &[]);
    assert!(matches!(owner, Some(Stance::Answers { decides: false, .. })));
}

#[test]
fn a_candidate_without_an_interface_says_so() {
    let unplaced = [(address(), "no eth9".to_owned())];
    let Some(Stance::Nowhere { why, rank }) = stance_of(&world(&[]), &[], &unplaced) else { panic!("it says so") };
    assert_eq!((rank, &*why), (1, "node-b is a candidate and cannot announce it: no eth9"));
}
