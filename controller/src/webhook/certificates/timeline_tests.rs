//! Time lines: a leader, replicas that read late, API servers that learn late; and whatever happens, every API server trusts what
//! every replica serves.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use super::decide::{Authority, Facts, Leaf, Life, Lifetimes, Step, step};

/// The Secret, with authorities as numbers.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    ca: (u32, Life),
    next: Option<(u32, Life)>,
    previous: Option<u32>,
    /// By whom, until when.
    leaf: (u32, Life),
}

impl Model {
    fn facts(&self) -> Facts {
        let authority = |life| Authority { life, signs: true };
        Facts {
            ca: Some(authority(self.ca.1)),
            next: self.next.map(|(_, life)| authority(life)),
            previous: self.previous.is_some(),
            leaf: Some(Leaf { life: self.leaf.1, fits: self.leaf.0 == self.ca.0 }),
        }
    }

    fn trusted(&self) -> BTreeSet<u32> {
        [Some(self.ca.0), self.next.map(|next| next.0), self.previous].into_iter().flatten().collect()
    }

    fn apply(&self, step: Step, lifetimes: Lifetimes, now: i64, number: u32) -> Self {
        let span = |duration: Duration| Life { begins: now, ends: now + i64::try_from(duration.as_secs()).unwrap() };
        let (authority, leaf) = (span(lifetimes.authority), span(lifetimes.leaf));
        let mut new = self.clone();
        match step {
            Step::Keep => {}
            Step::Begin => panic!("nothing was lost"),
            Step::Issue => new.leaf = (self.ca.0, leaf),
            Step::Introduce => new.next = Some((number, authority)),
            Step::Switch => {
                let next = new.next.take().unwrap();
                (new.previous, new.ca, new.leaf) = (Some(self.ca.0), next, (next.0, leaf));
            }
            Step::Retire => new.previous = None,
        }
        new
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// Nobody leads for a while.
    Away(u8),
    /// Another replica leads, which has not seen how long things have been in place.
    Takeover,
}

proptest! {
    #[test]
    fn nobody_is_served_what_it_does_not_trust(
        leaf in 40_u64..4000,
        times in 3_u32..12,
        delays in prop::collection::vec(0_u64..100, 60),
        events in prop::collection::btree_map(0_usize..3000, prop_oneof![(1_u8..4).prop_map(Event::Away), Just(Event::Takeover)], 0..12),
    ) {
        let leaf = Duration::from_secs(leaf);
        let lifetimes = Lifetimes { leaf, authority: leaf * times };
        let overlap = lifetimes.overlap();
        // A tick is a look of the leader, whole seconds.
        let tick = lifetimes.look().as_secs().max(1);
        let late = |index: usize| delays[index % delays.len()] * overlap.as_secs() / 2 / 100;
        let span = |duration: Duration| Life { begins: 0, ends: i64::try_from(duration.as_secs()).unwrap() };
        let mut secret = Model {
            ca: (0, span(lifetimes.authority)),
            next: None,
            previous: None,
            leaf: (0, span(lifetimes.leaf)),
        };
        // Histories: since when the Secret and the bundle have been what.
        let mut secrets = vec![(0_u64, secret.clone())];
        let mut bundles = vec![(0_u64, secret.trusted())];
        let (mut settled_since, mut number, mut away) = (0_u64, 0_u32, 0_u64);
        let (mut steps, mut longest) = (BTreeSet::new(), 0);
        for index in 0..3000_usize {
            let now = index as u64 * tick;
            match events.get(&index) {
                // Not longer than a certificate lasts after it is due.
                Some(Event::Away(part)) => away = now + leaf.as_secs() / 3 * u64::from(*part) / 8,
                Some(Event::Takeover) => settled_since = now,
                None => {}
            }
            if now >= away {
                let settled = Duration::from_secs(now - settled_since);
                let step = step(&secret.facts(), i64::try_from(now).unwrap(), settled, overlap);
                if step != Step::Keep {
                    steps.insert(format!("{step:?}"));
                    number += 1;
                    secret = secret.apply(step, lifetimes, i64::try_from(now).unwrap(), number);
                    settled_since = now;
                    secrets.push((now, secret.clone()));
                    bundles.push((now, secret.trusted()));
                    longest = longest.max(secret.trusted().len());
                }
            }
            // Three replicas and three API servers, each as late as it may be.
            for one in 0..3 {
                let seen = now.saturating_sub(late(index + one));
                let served = secrets.iter().rev().find(|(since, _)| *since <= seen).unwrap().1.leaf;
                prop_assert!(served.1.ends > i64::try_from(now).unwrap(), "expired at {now}: {served:?}");
                for other in 0..3 {
                    let known = now.saturating_sub(late(index + 7 + other));
                    let bundle = &bundles.iter().rev().find(|(since, _)| *since <= known).unwrap().1;
                    prop_assert!(bundle.contains(&served.0), "at {now} {bundle:?} does not trust {served:?}");
                }
            }
        }
        prop_assert!(longest <= 2, "never more than two are trusted");
        prop_assert!(steps.contains("Issue"), "{steps:?}");
    }
}
