//! Each state of the certificates and its step.

use super::*;

const DAY: i64 = 86_400;
const OVER: Duration = Duration::from_secs(60);

fn life(begins: i64, days: i64) -> Life {
    Life { begins, ends: begins + days * DAY }
}

fn authority(begins: i64) -> Authority {
    Authority { life: life(begins, 3650), signs: true }
}

fn sound() -> Facts {
    Facts { ca: Some(authority(0)), next: None, previous: false, leaf: Some(Leaf { life: life(0, 365), fits: true }) }
}

#[test]
fn each_state_has_its_step() {
    let sound = sound();
    let leaf = |begins: i64| Some(Leaf { life: life(begins, 365), fits: true });
    let late = 3649 * DAY;
    let lame = Some(Authority { signs: false, ..authority(0) });
    let renewed = Facts { leaf: leaf(late - DAY), ..sound };
    for (what, facts, now, settled, wanted) in [
        ("nothing is there", Facts::default(), 0, 0, Step::Begin),
        ("all is well", sound, 1, 9000, Step::Keep),
        ("a clock that goes slow", sound, 1 - BACKDATED, 9000, Step::Keep),
        ("no certificate", Facts { leaf: None, ..sound }, 1, 0, Step::Issue),
        ("another name", Facts { leaf: Some(Leaf { fits: false, life: life(0, 365) }), ..sound }, 1, 0, Step::Issue),
        ("two thirds of its life", sound, 243 * DAY, 0, Step::Keep),
        ("more than two thirds of its life", sound, 244 * DAY, 0, Step::Issue),
        ("no longer valid", sound, 366 * DAY, 0, Step::Issue),
        ("the authority is due", Facts { leaf: leaf(2434 * DAY), ..sound }, 2434 * DAY, 0, Step::Introduce),
        ("the authority has ended", renewed, 3651 * DAY, 0, Step::Begin),
        (
            "the authority has ended, the next is there",
            Facts { next: Some(authority(late)), ..renewed },
            3651 * DAY,
            0,
            Step::Switch,
        ),
        ("a key that we cannot use", Facts { ca: lame, ..sound }, 1, 0, Step::Introduce),
        ("such a key, and no certificate", Facts { ca: lame, leaf: None, ..sound }, 1, 0, Step::Begin),
        ("the next is not in place yet", Facts { next: Some(authority(0)), ..sound }, 1, 59, Step::Keep),
        ("the next is in place", Facts { next: Some(authority(0)), ..sound }, 1, 60, Step::Switch),
        ("the next cannot sign", Facts { next: lame, ..sound }, 1, 60, Step::Introduce),
        ("the previous may still be in use", Facts { previous: true, ..sound }, 1, 59, Step::Keep),
        ("the previous is not in use", Facts { previous: true, ..sound }, 1, 60, Step::Retire),
    ] {
        let settled = Duration::from_secs(settled);
        assert_eq!(step(&facts, now, settled, OVER), wanted, "{what}");
    }
}

#[test]
fn looks_fit_into_the_overlap() {
    for leaf in [20, 60, 240, 86_400] {
        let lifetimes = Lifetimes { leaf: Duration::from_secs(leaf), ..Lifetimes::DEFAULT };
        // The longest pause is 1.3 times the mean.
        assert!(lifetimes.look() * 13 / 10 * 4 <= lifetimes.overlap(), "{leaf}");
        assert!(lifetimes.overlap() * 3 < lifetimes.leaf, "{leaf}");
    }
    assert_eq!(Lifetimes::DEFAULT.overlap(), OVERLAP);
}
