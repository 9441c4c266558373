//! Each state of the key and its step.

use super::*;

const PACE: Pace = Pace { dwell: Duration::from_secs(60), patience: Duration::from_secs(600) };

fn key(number: u8) -> Key {
    Key::new([number; 16]).unwrap()
}

fn state(stage: Stage) -> State {
    let other = matches!(stage, Stage::Accepted | Stage::Switched).then(|| key(2));
    State { stage, sign: key(1), other, served: "a".to_owned() }
}

/// A speaker that has these keys; none named: it knows none.
fn said(keys: &[u8]) -> Said {
    let keys = keys.iter().map(|number| key(*number).fingerprint()).collect();
    Said { absent: Duration::ZERO, authentication: Some(Authentication { keys, refuses_unauthenticated: false }) }
}

fn step_of(stage: Stage, speakers: &[Said], settled: u64) -> Step {
    let name = |number: usize| NodeName::try_from(format!("node-{number}").as_str()).unwrap();
    let speakers = speakers.iter().cloned().enumerate().map(|(number, said)| (name(number), said)).collect();
    step(&state(stage), "a", &speakers, Duration::from_secs(settled), PACE)
}

#[test]
fn each_state_has_its_step() {
    use Stage::{Accepted, Introduced, Steady, Switched};

    let away = |seconds| Said { absent: Duration::from_secs(seconds), ..said(&[9]) };
    let silent = Said::default;
    for (what, stage, speakers, settled, wanted) in [
        ("everybody signs", Introduced, vec![said(&[1]), said(&[1])], 60, Step::Refuse),
        ("one does not yet", Introduced, vec![said(&[1]), said(&[])], 9000, Step::Keep),
        ("one is of a version that knows no keys", Introduced, vec![said(&[1]), silent()], 9000, Step::Keep),
        ("one that starts may have read what was before", Introduced, vec![said(&[1])], 59, Step::Keep),
        (
            "one is away, and may only have lost the API server",
            Introduced,
            vec![said(&[1]), away(599)],
            9000,
            Step::Keep,
        ),
        ("one is away for long", Introduced, vec![said(&[1]), away(600)], 60, Step::Refuse),
        ("all are away for long", Introduced, vec![away(600)], 9000, Step::Keep),
        ("nobody is there", Introduced, vec![], 9000, Step::Keep),
        ("all is well", Steady, vec![said(&[1])], 9000, Step::Keep),
        ("one has another key", Steady, vec![said(&[3])], 9000, Step::Keep),
        ("everybody accepts it", Accepted, vec![said(&[1, 2]), said(&[2, 1])], 60, Step::Switch),
        ("one does not yet", Accepted, vec![said(&[1, 2]), said(&[1])], 9000, Step::Keep),
        ("everybody signs with it", Switched, vec![said(&[1, 2]), said(&[1])], 60, Step::Retire),
        ("one signs with the old one", Switched, vec![said(&[1, 2]), said(&[2, 1])], 9000, Step::Keep),
    ] {
        assert_eq!(step_of(stage, &speakers, settled), wanted, "{what}");
    }
    assert_eq!(step(&state(Steady), "b", &BTreeMap::new(), Duration::ZERO, PACE), Step::Introduce, "as wished");
}

#[test]
fn a_replacement_comes_to_the_new_key_and_a_wish_meanwhile_waits() {
    let mut now = state(Stage::Steady);
    for (next, stage, sign, other) in [
        (Step::Introduce, Stage::Accepted, 1, Some(5)),
        (Step::Switch, Stage::Switched, 5, Some(1)),
        (Step::Retire, Stage::Steady, 5, None),
    ] {
        now = apply(&now, next, "b", key(5));
        assert_eq!(now, State { stage, sign: key(sign), other: other.map(key), served: "b".to_owned() });
        assert_eq!((now.keys().sign(), now.keys().accept_unauthenticated()), (Some(&key(sign)), false));
    }
    assert_eq!(step(&now, "c", &BTreeMap::new(), Duration::ZERO, PACE), Step::Introduce);
    assert!(state(Stage::Introduced).keys().accept_unauthenticated());
    assert_eq!(apply(&state(Stage::Introduced), Step::Refuse, "a", key(9)), state(Stage::Steady));
}
