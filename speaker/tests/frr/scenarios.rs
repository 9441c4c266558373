//! What peers see of an agent, from its start to its end.

use std::{process::Command, thread, time::Duration};

use arpeggio_bgp::Daemon;

use crate::{
    agent::{AGENT, Agent, PEER, file},
    lab::{Frr, Lab, Namespace, Release, eventually},
};

/// A router that takes everything from the agent.
const ROUTER: &str = "router bgp 64513\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n coalesce-time 10\n \
                      neighbor 10.9.1.1 remote-as 64512\n neighbor 10.9.1.1 timers connect 1\n address-family ipv4 unicast\n  \
                      neighbor 10.9.1.1 activate\n exit-address-family\nexit\n";

/// The agent, its FRR, and a router with a wire to them. The fields are dropped in this order.
struct Stage {
    agent: Agent,
    speaker: Frr,
    peer: Frr,
    _at_speaker: Namespace,
    _at_peer: Namespace,
    lab: Lab,
}

impl Stage {
    fn new(release: Release, config: &str, flags: &[&str]) -> Self {
        Self::with(release, config, flags, true)
    }

    fn with(release: Release, config: &str, flags: &[&str], frr_first: bool) -> Self {
        let lab = Lab::new();
        let (at_speaker, at_peer) = (lab.namespace("s"), lab.namespace("p"));
        lab.wire("e1", 1, [&at_speaker, &at_peer]);
        let peer = lab.frr(&at_peer, release.other(), ROUTER, "");
        let speaker = Frr::prepared(&at_speaker, release, lab.directory.join("s"), "", "");
        if frr_first {
            speaker.start_all();
        }
        let agent = Agent::start(&lab, &at_speaker, &speaker, config, flags);
        Self { agent, speaker, peer, _at_speaker: at_speaker, _at_peer: at_peer, lab }
    }

    fn routes(&self) -> usize {
        self.lab.routes(&self.peer, "ipv4", "10.77.")
    }

    fn until_routes(&self, count: usize) -> Duration {
        eventually(&format!("{count} routes"), || self.routes() == count)
    }

    /// How often the session was established and lost, as the agent's FRR counts.
    fn counts(&self) -> (u64, u64) {
        let (_, established, dropped) = self.lab.session(&self.speaker, PEER);
        (established, dropped)
    }

    fn farewell(&self) -> String {
        let facts = self.lab.json(&self.peer, "show bgp neighbors json");
        facts[AGENT]["lastShutdownDescription"].as_str().unwrap_or_default().to_owned()
    }

    fn signal(&self, daemon: &str, signal: &str) {
        let id = self.speaker.daemons.borrow().iter().find(|(name, _)| *name == daemon).unwrap().1.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

crate::lab::with_both_releases! {
    point_61_a_route_reaches_the_peer_and_goes_with_its_announcement
    an_agent_that_is_killed_leaves_sessions_and_routes_alone
    what_bgpd_lost_is_restored
    an_evacuation_withdraws_with_a_farewell
    frr_may_start_later
    a_daemon_that_hangs_delays_nothing_else
    peers_that_are_gone_leave_nothing_in_frr
}

fn point_61_a_route_reaches_the_peer_and_goes_with_its_announcement(release: Release) {
    let stage = Stage::new(release, &file(&["10.77.0.1"]), &[]);
    let took = stage.until_routes(1);
    println!("{release:?}: the first route is there after {took:?}");
    let route = stage.lab.json(&stage.peer, "show bgp ipv4 unicast 10.77.0.1/32 json");
    assert_eq!(route["paths"][0]["community"]["string"], "64512:7", "{route}");
    stage.agent.until_status("a session that is up", |bgp| bgp["sessions"][0]["up"] == true);
    let (explained, good) = stage.agent.ask(&["explain", "10.77.0.1", "--pin-dir", "/nowhere"]);
    assert!(
        good && explained.contains("10.77.0.1/32 is told to peer tor (10.9.1.2) with communities 64512:7"),
        "{explained}"
    );
    let (explained, good) = stage.agent.ask(&["explain", "10.78.0.0/16", "--pin-dir", "/nowhere"]);
    assert!(!good && explained.contains("no such prefix"), "{explained}");
    let addresses: Vec<String> = (0..100).map(|last| format!("10.77.1.{last}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    stage.agent.configure(&file(&addresses));
    stage.until_routes(100);
    stage.agent.configure(&file(&[]));
    stage.until_routes(0);
    assert_eq!(stage.counts(), (1, 0));
}

fn an_agent_that_is_killed_leaves_sessions_and_routes_alone(release: Release) {
    let mut stage = Stage::new(release, &file(&["10.77.0.1", "10.77.0.2"]), &[]);
    stage.until_routes(2);
    stage.agent.kill();
    thread::sleep(Duration::from_secs(2));
    assert_eq!((stage.routes(), stage.counts()), (2, (1, 0)));
    // Meanwhile one is gone: the next agent does what was to be done.
    stage.agent.configure(&file(&["10.77.0.1"]));
    stage.agent.again(&[]);
    stage.until_routes(1);
    stage.agent.terminate();
    assert_eq!((stage.routes(), stage.counts()), (1, (1, 0)));
}

fn what_bgpd_lost_is_restored(release: Release) {
    let stage = Stage::new(release, &file(&["10.77.0.1"]), &[]);
    stage.until_routes(1);
    stage.speaker.kill("bgpd");
    stage.until_routes(0);
    stage.agent.until_status("FRR that does not answer", |bgp| bgp["engine"] == "silent" && !bgp["problems"].is_null());
    stage.speaker.daemon("bgpd");
    let took = stage.until_routes(1);
    println!("{release:?}: back {took:?} after bgpd");
    stage
        .agent
        .until_status("a session that is up", |bgp| bgp["sessions"][0]["up"] == true && bgp["problems"].is_null());
}

fn an_evacuation_withdraws_with_a_farewell(release: Release) {
    let mut stage = Stage::new(release, &file(&["10.77.0.1"]), &["--on-exit", "withdraw"]);
    stage.until_routes(1);
    stage.agent.until_status("a session that is up", |bgp| bgp["sessions"][0]["up"] == true);
    let (said, good) = stage.agent.ask(&["evacuate", "--wait"]);
    assert!(good, "{said}");
    stage.until_routes(0);
    assert_eq!(stage.farewell(), "this node is evacuated");
    assert_eq!(stage.agent.bgp()["leaving"], true);
    let (said, good) = stage.agent.ask(&["evacuate", "--undo"]);
    assert!(good, "{said}");
    stage.until_routes(1);
    stage.agent.until_status("a session that is up", |bgp| bgp["sessions"][0]["up"] == true);
    stage.agent.terminate();
    stage.until_routes(0);
    assert_eq!(stage.farewell(), "the agent of this node is stopped");
}

fn frr_may_start_later(release: Release) {
    let stage = Stage::with(release, &file(&["10.77.0.1"]), &[], false);
    stage.agent.until_status("FRR that does not answer", |bgp| bgp["engine"] == "silent");
    stage.speaker.start_all();
    stage.until_routes(1);
}

fn a_daemon_that_hangs_delays_nothing_else(release: Release) {
    let stage = Stage::new(release, &file(&["10.77.0.1"]), &[]);
    stage.until_routes(1);
    stage.signal("bgpd", "-STOP");
    stage.agent.configure(&file(&["10.77.0.1", "10.77.0.2"]));
    for _ in 0..20 {
        let took = eventually("an answer", || !stage.agent.ask(&["status", "--pin-dir", "/nowhere"]).0.is_empty());
        assert!(took < Duration::from_secs(3), "the agent answered after {took:?}");
        thread::sleep(Duration::from_millis(100));
    }
    stage.signal("bgpd", "-CONT");
    stage.until_routes(2);
}

fn peers_that_are_gone_leave_nothing_in_frr(release: Release) {
    let mut stage = Stage::new(release, &file(&["10.77.0.1"]), &[]);
    stage.until_routes(1);
    stage.agent.kill();
    // An agent that finds them gone at its start cleans up all the same.
    stage.agent.configure("announcements: []\n");
    stage.agent.again(&[]);
    stage.until_routes(0);
    let running = || stage.lab.ask(&stage.speaker, Daemon::Bgpd, "show running-config");
    eventually("a clean FRR", || !running().contains("arpeggio"));
    stage.agent.until_status("an engine without work", |bgp| bgp["engine"] == "idle");
}
