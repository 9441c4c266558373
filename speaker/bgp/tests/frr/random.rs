//! Random sequences of wishes against one live FRR: after each it is as wished, and only what had to was reset.

use std::collections::BTreeMap;

use arpeggio_bgp::{
    Daemon, Desired, Session,
    config::Attribute,
    render::{render, tags},
};
use arpeggio_common::model::{BfdProfile, Route, Timers};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::{
    cases::{full_profile, said, session, with_bfd},
    lab::Release,
    scenarios::{PEER, Pair, router, tor},
};

mod eight {
    // Once, on a machine that did much else, the peer kept routes for a minute that were no longer for it. Whether FRR 8.4.4 forgot
    // to withdraw them or the plan was wrong is not known yet: the speaker must not use this before it is.
    #[test]
    #[ignore = "a withdrawn route stayed at the peer once, not understood yet"]
    fn wishes_one_after_the_other() {
        super::wishes_one_after_the_other(crate::lab::Release::Eight);
    }
}
mod ten {
    #[test]
    fn wishes_one_after_the_other() {
        super::wishes_one_after_the_other(crate::lab::Release::Ten);
    }
}

/// Neighbours that do not exist, beside one that does.
fn any_session() -> impl Strategy<Value = Session> {
    let place = prop::sample::select(vec!["10.9.1.7", "10.9.1.8", "fd09:1::7", "e7"]);
    let bits = any::<[bool; 8]>();
    (place, bits, 0u16..3, 0u8..3).prop_map(|(place, bits, number, profile)| {
        let [multi_hop, both_families, graceful_restart, timers, source, local, password, connect] = bits;
        let mut session = session(&format!("p-{place}"), place, |peer| {
            (peer.multi_hop, peer.both_families, peer.graceful_restart) = (multi_hop, both_families, graceful_restart);
            peer.port = 179 + number;
            peer.timers = timers.then_some(Timers { hold: 9 + number, keepalive: 3 });
            peer.connect = connect.then_some(1 + number);
            peer.local_asn = local.then(|| 65_000 + u32::from(number));
            let v4 = place.starts_with("10.");
            peer.source = (source && v4).then(|| "10.9.1.1".parse().unwrap());
            if profile > 0 {
                let plain = BfdProfile { name: "plain".to_owned(), ..BfdProfile::default() };
                with_bfd(if profile == 1 { full_profile("full") } else { plain })(peer);
            }
        });
        session.password = password.then(|| format!("word{number}"));
        session
    })
}

fn any_route() -> impl Strategy<Value = Route> {
    let prefix = prop::sample::select(vec![
        "10.77.0.1/32",
        "10.77.0.2/32",
        "10.77.1.0/24",
        "10.77.2.0/28",
        "fd77::1/128",
        "fd77:1::/64",
    ]);
    let communities =
        prop::sample::select(vec!["", "64512:1", "64512:1 65535:65282", "large:1:2:3", "large:1:2:3 64512:2"]);
    let peers = prop::sample::select(vec!["", "tor", "p-e7", "p-10.9.1.7 tor"]);
    (prefix, 0u32..2, communities, peers)
        .prop_map(|(prefix, local_pref, communities, peers)| said(prefix, local_pref * 150, communities, peers))
}

fn any_wish() -> impl Strategy<Value = (Vec<Session>, Vec<Route>)> {
    (prop::collection::vec(any_session(), 0..4), prop::collection::vec(any_route(), 0..8))
}

fn lasting(desired: &Desired) -> BTreeMap<Attribute, String> {
    let config = render(desired, &tags(desired, &arpeggio_bgp::config::Config::default()));
    config.routers[&None].neighbors[PEER].attributes.clone()
}

fn wishes_one_after_the_other(release: Release) {
    let theirs = "route-map mine permit 10\nexit\nrouter bgp 64512\n neighbor 10.9.1.99 remote-as 7\n neighbor 10.9.1.99 description mine\nexit\n";
    let pair = Pair::with(release, &router(64_513, 1, ""), theirs, "");
    pair.want(&[tor(|_| {})], &[]);
    pair.until_up();
    let mut runner =
        TestRunner::new(Config { cases: 40, failure_persistence: None, max_shrink_iters: 60, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(any_wish(), 1..4), |wishes| {
        for (mut sessions, routes) in wishes {
            sessions.push(tor(|_| {}));
            let (desired, _problems) = Desired::new(&sessions, &routes);
            let outcome = pair.lab.reconcile(&pair.speaker, &desired);
            prop_assert!(
                outcome.refused.is_empty() && outcome.conflicts.is_empty() && outcome.faults.is_empty(),
                "{outcome:?}"
            );
            prop_assert!(outcome.unsettled.is_empty(), "{outcome:?}");
            prop_assert_eq!(pair.lab.reconcile(&pair.speaker, &desired).changed, 0);
            let running = pair.lab.ask(&pair.speaker, Daemon::Bgpd, "show running-config");
            prop_assert!(
                running.contains("neighbor 10.9.1.99 description mine") && running.contains("route-map mine permit 10")
            );
            prop_assert_eq!(lasting(&desired).len(), 3);
            // The peer has exactly what is for it.
            let expected: std::collections::BTreeSet<_> = routes
                .iter()
                .filter(|route| route.is_for("tor") && route.prefix.to_string().contains('.'))
                .map(|route| route.prefix)
                .collect();
            pair.until_routes("10.77.", expected.len());
        }
        Ok(())
    });
    outcome.unwrap();
    // Nothing that was done to others has touched the session.
    assert_eq!(pair.counts(), (1, 0));
}
