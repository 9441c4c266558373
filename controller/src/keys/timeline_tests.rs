//! Time lines: a leader, and speakers that read and report late, start anew and lose the API server; whatever happens, no speaker
//! refuses what another one signs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use arpeggio_common::{
    api::speaker::Authentication,
    model::{Key, Keys, NodeName},
};
use proptest::prelude::*;

use super::decide::{Pace, Said, Stage, State, Step, apply, step};

/// Seconds within which a file follows the Secret.
const LATE: usize = 20;
const PACE: Pace = Pace { dwell: Duration::from_secs(2 * LATE as u64), patience: Duration::from_secs(600) };

#[derive(Clone, Debug)]
enum Event {
    /// Somebody asks for another key.
    Wish(u8),
    /// Another replica leads, which has not seen how long things have been in place.
    Takeover,
    /// A speaker is started anew: it reads what kubelet has mounted, which is late too.
    Restart(usize),
    /// A speaker loses the API server for so many seconds: its file stays as it is, its lease runs out.
    Cut(usize, usize),
}

struct Speaker {
    keys: Keys,
    said: Keys,
    /// From when to when it has no API server.
    cut_at: usize,
    cut: usize,
    started: bool,
}

/// Whether `by` accepts what `of` signs.
fn accepts(by: &Keys, of: &Keys) -> bool {
    if by.sign().is_none() {
        return true;
    }
    match of.sign() {
        Some(key) => by.accept().contains(key),
        None => by.accept_unauthenticated(),
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => any::<u8>().prop_map(Event::Wish),
        2 => Just(Event::Takeover),
        2 => (0_usize..4).prop_map(Event::Restart),
        1 => (0_usize..4, 1_usize..400).prop_map(|(who, long)| Event::Cut(who, long)),
    ]
}

proptest! {
    #[test]
    fn nobody_refuses_what_another_signs(
        delays in prop::collection::vec(0_usize..LATE, 50),
        events in prop::collection::btree_map(0_usize..2500, event(), 0..16),
        upgrade in 0_usize..200,
    ) {
        let key = |number: u8| Key::new([number; 16]).unwrap();
        let mut state = State { stage: Stage::Introduced, sign: key(1), other: None, served: String::new() };
        let mut secrets = vec![state.keys()];
        let mut speakers: Vec<Speaker> =
            (0..4).map(|_| Speaker { keys: Keys::default(), said: Keys::default(), cut_at: 0, cut: 0, started: true }).collect();
        let (mut wish, mut since, mut number) = (String::new(), 0, 1_u8);
        let mut steps = BTreeSet::new();
        for now in 0..3000_usize {
            match events.get(&now) {
                Some(Event::Wish(which)) => wish = which.to_string(),
                Some(Event::Takeover) => since = now,
                Some(Event::Restart(who)) => speakers[*who].started = true,
                Some(Event::Cut(who, long)) => {
                    if speakers[*who].cut <= now {
                        speakers[*who].cut_at = now;
                    }
                    speakers[*who].cut = (now + long).min(speakers[*who].cut_at + 590);
                }
                None => {}
            }
            for (who, speaker) in speakers.iter_mut().enumerate() {
                // The last one is of a version that knows no keys, until it is upgraded.
                if speaker.cut > now || (who == 3 && now < upgrade) {
                    continue;
                }
                let late = delays[(who * 13 + now / 7) % delays.len()];
                let known = secrets[now.saturating_sub(late).min(secrets.len() - 1)].clone();
                // A file never goes back.
                let is_newer = |keys: &Keys| {
                    let place = |keys: &Keys| secrets.iter().rposition(|known| known == keys);
                    place(keys) > place(&speaker.keys)
                };
                if std::mem::take(&mut speaker.started) || is_newer(&known) {
                    speaker.keys = known;
                }
                if now % 3 == who % 3 {
                    speaker.said = speaker.keys.clone();
                }
            }
            let said = |(who, speaker): (usize, &Speaker)| {
                let absent = Duration::from_secs(if speaker.cut > now { (now - speaker.cut_at) as u64 + 1 } else { 0 });
                let knows_keys = who != 3 || now >= upgrade;
                let authentication = knows_keys.then(|| Authentication {
                    keys: speaker.said.fingerprints(),
                    refuses_unauthenticated: !speaker.said.accept_unauthenticated(),
                });
                (NodeName::try_from(format!("n{who}").as_str()).unwrap(), Said { absent, authentication })
            };
            let told: BTreeMap<NodeName, Said> = speakers.iter().enumerate().map(said).collect();
            let settled = Duration::from_secs((now - since) as u64);
            let next = step(&state, &wish, &told, settled, PACE);
            if next != Step::Keep {
                number += 1;
                steps.insert(next);
                state = apply(&state, next, &wish, key(number));
                since = now;
            }
            secrets.push(state.keys());
            for (one, by) in speakers.iter().enumerate() {
                for (other, of) in speakers.iter().enumerate() {
                    prop_assert!(accepts(&by.keys, &of.keys), "at {now} {one} refuses {other}: {:?} {:?}", by.keys, of.keys);
                }
            }
        }
        // In the end everything was done that was asked for, as far as there was time.
        if events.is_empty() {
            prop_assert_eq!(state.stage, Stage::Steady);
            prop_assert!(steps.contains(&Step::Refuse));
        }
    }
}
