//! Running configurations of FRR 8.4.4 and 10.3 as they are, and what is written read back.

#![expect(clippy::unwrap_used, reason = "a failed step of a test ends the test")]

use std::{fs, path::Path};

use arpeggio_bgp::{
    config::{Attribute, Config, Family, Knob, Router, Setting},
    observe::{read, version},
    plan::{Command, plan, script},
};
use proptest::prelude::*;

mod cases;
mod planning;

use cases::cases;
use planning::{all_up, plan_from};

fn running(version: &str) -> Config {
    let mut config = Config::default();
    for daemon in ["bgpd", "bfdd"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/running/{daemon}-{version}.conf"));
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(
            arpeggio_bgp::observe::version(&text).map(|(major, minor)| format!("{major}.{minor}")).as_deref(),
            version.get(..version.len().min(4)).map(|text| text.trim_end_matches('.'))
        );
        read(&text, &mut config);
    }
    config
}

#[test]
fn both_versions_say_the_same_in_different_orders() {
    let (old, new) = (running("8.4.4"), running("10.3"));
    assert_eq!(old, new);
    let router = &old.routers[&None];
    assert_eq!((router.asn, router.is_ours(), router.foreign), (64_512, true, true));
    assert_eq!(router.settings[&Setting::RouterId], "bgp router-id 1.1.1.1");
    let neighbor = &router.neighbors["10.0.0.2"];
    let texts: Vec<&str> = neighbor.attributes.values().map(String::as_str).collect();
    assert_eq!(
        texts,
        [
            "remote-as 64513",
            "description arpeggio: a peer x",
            "local-as 64555 no-prepend replace-as",
            "password a|b",
            "ebgp-multihop",
            "update-source 10.0.0.1",
            "graceful-restart",
            "timers 60 180",
            "timers connect 120",
            "shutdown message Good bye now",
            "bfd",
            "bfd profile arpeggio-f",
        ]
    );
    assert_eq!(neighbor.families[&Family::V4].map_out.as_deref(), Some("arpeggio-out-10.0.0.2/red"));
    assert!(router.neighbors["10.0.0.3"].foreign);
    assert_eq!(router.neighbors["e0"].attributes[&Attribute::RemoteAs], "interface remote-as external");
    assert_eq!(router.networks[&"10.0.0.0/8".parse().unwrap()], None);
    assert!(router.networks[&"2001:db8::/64".parse().unwrap()].is_some());
    let policy = &old.maps["arpeggio-out-10.0.0.2/red"][&1];
    let lines: Vec<&str> = policy.lines.iter().map(String::as_str).collect();
    assert!(lines.contains(&"match tag 1") && lines.contains(&"set local-preference 150"), "{lines:?}");
    assert_eq!(old.profiles["arpeggio-f"][&Knob::MinimumTtl], 250);
    assert!(old.profiles["arpeggio-g"].is_empty());
}

#[test]
fn a_family_that_is_carried_by_itself_is_carried() {
    let config = running("8.4.4");
    let router = &config.routers[&Some("red".to_owned())];
    let carries = |key: &str| router.neighbors[key].families.get(&Family::V4).is_some_and(|carried| carried.active);
    assert!(!carries("10.0.0.2") && carries("2001:db8::9"));
}

#[test]
fn communities_are_numbers_whatever_they_are_called() {
    let mut config = Config::default();
    read(
        "route-map x permit 1\n set community no-export 0:1 local-AS\n set large-community 2:2:2 1:1:1\n",
        &mut config,
    );
    let lines: Vec<_> = config.maps["x"][&1].lines.iter().cloned().collect();
    assert_eq!(lines, ["set community 0:1 65535:65281 65535:65283", "set large-community 1:1:1 2:2:2"]);
}

#[test]
fn versions() {
    assert_eq!(version("frr version 8.4.4\n"), Some((8, 4)));
    assert_eq!(version("\nfrr version 10.5.3-dev\n"), Some((10, 5)));
    assert_eq!(version("frr version x"), None);
    assert_eq!(version(""), None);
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for (name, desired) in cases() {
        let commands = plan_from(&Config::default(), &desired).commands;
        let mut config = Config::default();
        read(&script(&commands), &mut config);
        let again = plan_from(&config, &desired);
        assert_eq!(again.commands, [], "{name}");
        // Every other case is wanted after it: planning from there does not go astray either.
        for other in cases().values() {
            let plan = plan_from(&config, other);
            assert!(plan.conflicts.is_empty(), "{name}: {:?}", plan.conflicts);
        }
    }
}

#[test]
fn foreign_configuration_is_never_touched() {
    let text = "router bgp 64512\n bgp router-id 9.9.9.9\n neighbor 192.0.2.77 remote-as 1\n neighbor 192.0.2.1 remote-as 2\n \
        neighbor 192.0.2.1 description mine\n !\n address-family ipv4 unicast\n  network 198.51.100.1/32\n  network 203.0.113.0/24\n \
        exit-address-family\nexit\nroute-map mine permit 10\nexit\nbfd\n profile mine\n exit\nexit\n";
    let mut there = Config::default();
    read(text, &mut there);
    for (name, desired) in cases() {
        for Command { line, context, .. } in plan_from(&there, &desired).commands {
            assert!(
                !line.contains("192.0.2.77") && !line.contains("203.0.113.0") && !line.contains("mine"),
                "{name}: {line}"
            );
            let shared = context.first().is_some_and(|header| header == "router bgp 64512");
            assert!(!(shared && line.contains("neighbor 192.0.2.1 ")), "{name}: {line}");
            assert!(
                !line.starts_with("no router bgp") && !line.contains("router-id") && line != "network 198.51.100.1/32",
                "{name}: {line}"
            );
        }
    }
}

#[test]
fn a_router_with_another_number_is_made_anew_only_if_it_is_ours_alone() {
    let desired = &cases()["single_advertisement_no_router_id"];
    let ours = Router {
        asn: 1,
        settings: [(Setting::Mark, "neighbor arpeggio peer-group".to_owned())].into(),
        ..Router::default()
    };
    let mut there = Config { routers: [(None, ours)].into(), ..Config::default() };
    let lines =
        |plan: arpeggio_bgp::plan::Plan| plan.commands.into_iter().map(|command| command.line).collect::<Vec<_>>();
    assert!(lines(plan_from(&there, desired)).contains(&"no router bgp 1".to_owned()));
    there.routers.get_mut(&None).unwrap().foreign = true;
    let plan = plan_from(&there, desired);
    assert_eq!(plan.conflicts.len(), 1, "{plan:?}");
    assert!(lines(plan).iter().all(|line| !line.contains("router bgp") && !line.contains("neighbor")));
}

#[test]
fn bfd_waits_for_the_session() {
    let desired = &cases()["bfd_with_session"];
    let wanted = arpeggio_bgp::render::render(desired, &arpeggio_bgp::render::tags(desired, &Config::default()));
    let before = plan(&wanted, &Config::default(), &std::collections::BTreeSet::new());
    assert!(before.awaiting.contains("tor"));
    assert!(before.commands.iter().all(|command| !command.line.contains("192.0.2.1 bfd")));
    let mut there = Config::default();
    read(&script(&before.commands), &mut there);
    let after = plan(&wanted, &there, &all_up(&wanted));
    let lines: Vec<_> = after.commands.iter().map(|command| command.line.as_str()).collect();
    assert_eq!(lines, ["neighbor 192.0.2.1 bfd", "neighbor 192.0.2.1 bfd profile arpeggio-full"]);
}

#[test]
fn passwords_are_not_shown() {
    let plan = plan_from(&Config::default(), &cases()["single_session_password"]);
    assert!(plan.commands.iter().any(|command| command.line.contains("s3cret")));
    assert!(!format!("{plan:?}").contains("s3cret"));
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "(router bgp [0-9]{0,12}( vrf x)?\n|address-family .{0,12}\n| *neighbor .{0,30}\n|network .{0,20}\n|exit\n|route-map .{0,20}\n|bfd\n|profile .{0,9}\n|set .{0,30}\n|.{0,20}\n){0,40}") {
        let mut config = Config::default();
        read(&text, &mut config);
        for desired in cases().values().take(5) {
            plan_from(&config, desired);
        }
    }
}
