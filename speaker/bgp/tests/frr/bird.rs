//! BIRD 2 as peer: what arrives is not only what FRR understands of FRR.

use arpeggio_bgp::Desired;

use crate::{
    cases::{full_profile, said, with_bfd},
    lab::{Bird, Lab, Release, eventually},
    scenarios::tor,
};

crate::lab::with_both_releases! {
    bird_gets_routes_with_their_communities
}

const CONFIGURATION: &str = r#"
    router id 2.2.2.2;
    protocol device {}
    protocol bfd { interface "*" { interval 300 ms; multiplier 10; }; }
    protocol bgp speaker {
        local 10.9.1.2 as 64513;
        neighbor 10.9.1.1 as 64512;
        password "s3cret";
        passive;
        connect retry time 1;
        connect delay time 1;
        error wait time 1, 5;
        bfd on;
        ipv4 { import all; export none; };
    }
"#;

fn bird_gets_routes_with_their_communities(release: Release) {
    let lab = Lab::new();
    let (at_speaker, at_bird) = (lab.namespace("s"), lab.namespace("b"));
    lab.wire("e1", 1, [&at_speaker, &at_bird]);
    let bird = Bird::start(&lab, &at_bird, CONFIGURATION);
    let speaker = lab.frr(&at_speaker, release, "", "");
    let mut profile = full_profile("fast");
    (profile.passive, profile.echo) = (false, false);
    let mut session = tor(with_bfd(profile));
    session.password = Some("s3cret".to_owned());
    let routes =
        [said("10.77.0.0/24", 0, "64512:100 65535:65282 large:64512:1:2", ""), said("10.77.1.1/32", 0, "", "")];
    let (desired, problems) = Desired::new(&[session], &routes);
    assert_eq!(problems, []);
    eventually("session, routes and BFD", || {
        let outcome = lab.reconcile(&speaker, &desired);
        outcome.is_settled() && outcome.sessions[0].bfd.as_ref().is_some_and(|bfd| bfd.status == "up")
    });
    eventually("both routes", || bird.ask("show route count").contains("2 of 2 routes"));
    let route = bird.ask("show route all 10.77.0.0/24");
    for expected in
        ["BGP.community: (64512,100) (65535,65282)", "BGP.large_community: (64512, 1, 2)", "BGP.as_path: 64512"]
    {
        assert!(route.contains(expected), "{route}");
    }
}
