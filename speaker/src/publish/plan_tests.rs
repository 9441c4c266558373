//! What is written, what is not, and that it ends: nodes that follow the plan agree after a few rounds.

use arpeggio_common::api::announcement::OwnedInterface;
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn answers(since: i64) -> Stance {
    let interfaces = [OwnedInterface { name: "eth0".into(), mac: "02:00:00:00:00:01".into() }];
    Stance::Answers { interfaces: interfaces.into(), since: at(since), decides: true, shared: false, rival: None }
}

fn elsewhere(since: i64) -> Stance {
    let interfaces = [OwnedInterface { name: "eth1".into(), mac: "02:00:00:00:00:02".into() }];
    Stance::Answers { interfaces: interfaces.into(), since: at(since), decides: false, shared: false, rival: None }
}

fn in_use() -> Stance {
    Stance::InUse { by: "02:09:09:09:09:09".into(), rank: 1 }
}

/// What the API shows after a write.
fn shown(status: &AnnouncementStatus) -> Observed {
    let condition = status.conditions.iter().find(|condition| condition.type_ == ANNOUNCED);
    Observed {
        owner: status.owner.as_deref().map(Into::into),
        interfaces: (!status.interfaces.is_empty()).then(|| status.interfaces.clone().into()),
        since: status.since.as_ref().map(|time| time.0),
        announced: condition.map(|condition| Announced {
            holds: condition.status == "True",
            reason: condition.reason.as_str().into(),
            message: condition.message.as_str().into(),
            since: condition.last_transition_time.0,
        }),
        version: Some("7".into()),
        nobody: false,
    }
}

fn nothing() -> Observed {
    shown(&AnnouncementStatus::default())
}

fn written(node: &str, observed: &Observed, stance: Option<&Stance>) -> Observed {
    shown(&change(node, observed, stance, at(50)).expect("something is written").status)
}

fn reason(observed: &Observed) -> (bool, &str) {
    observed.announced.as_ref().map_or((false, ""), |shown| (shown.holds, &*shown.reason))
}

#[test]
fn a_takeover_is_told_at_once_and_once() {
    let first = written("node-a", &nothing(), Some(&answers(40)));
    assert_eq!(
        (first.owner.as_deref(), first.since, reason(&first)),
        (Some("node-a"), Some(at(40)), (true, "Answered"))
    );
    assert_eq!(change("node-a", &first, Some(&answers(40)), at(60)), None);
    assert_eq!(change("node-a", &first, Some(&answers(99)), at(60)), None, "a restarted agent keeps the time");

    let taken = change("node-b", &first, Some(&answers(55)), at(60)).unwrap();
    assert!(taken.contradicts && taken.patience_ms == 0 && taken.version.is_none());
    let condition = &taken.status.conditions[0];
    assert_eq!(condition.last_transition_time.0, at(50), "it was announced all the time");
}

#[test]
fn who_has_not_let_go_yet_leaves_what_the_controller_says() {
    let mine = written("node-a", &nothing(), Some(&answers(40)));
    let out = Observed { nobody: true, ..mine.clone() };
    assert_eq!(change("node-a", &out, Some(&answers(40)), at(60)), None);
    let silence = Announced {
        holds: false,
        reason: "NoEligibleNode".into(),
        message: "the label keeps out node-a".into(),
        since: at(60),
    };
    let told = Observed { announced: Some(silence), nobody: true, ..nothing() };
    assert_eq!(change("node-a", &told, Some(&answers(40)), at(61)), None, "it answers for a moment yet");
    assert_eq!(change("node-a", &told, None, at(70)), None, "and then it does not");
    // Nobody said anything: what it wrote itself is taken back.
    assert_eq!(reason(&written("node-a", &out, None)), (false, "NoOwner"));
    // Candidates again: whoever answers says so at once, over what was said meanwhile.
    let again = change("node-a", &Observed { nobody: false, ..told }, Some(&answers(80)), at(80)).unwrap();
    assert_eq!((again.patience_ms, again.contradicts, reason(&shown(&again.status))), (0, false, (true, "Answered")));
}

#[test]
fn who_gave_it_away_clears_it_only_if_nobody_else_claims() {
    let mine = written("node-a", &nothing(), Some(&answers(40)));
    let clearing = change("node-a", &mine, None, at(60)).unwrap();
    assert!(clearing.patience_ms >= 1000, "the successor may say so first");
    assert_eq!((clearing.status.owner, clearing.version.as_deref()), (None, Some("7")));
    let theirs = written("node-b", &mine, Some(&answers(55)));
    assert_eq!(change("node-a", &theirs, None, at(60)), None);
    let cleared = written("node-a", &mine, None);
    assert_eq!((reason(&cleared), change("node-a", &cleared, None, at(70))), ((false, "NoOwner"), None));
}

#[test]
fn who_does_not_decide_speaks_only_where_nobody_does_or_later() {
    let other = written("node-a", &nothing(), Some(&answers(40)));
    assert_eq!(change("node-b", &other, Some(&elsewhere(30)), at(60)), None);
    assert_eq!(change("node-b", &other, Some(&elsewhere(40)), at(60)), None);
    assert!(change("node-b", &other, Some(&elsewhere(41)), at(60)).is_some());
    assert!(change("node-b", &nothing(), Some(&elsewhere(1)), at(60)).is_some());
}

#[test]
fn strangers_are_told() {
    let free = written("node-b", &nothing(), Some(&in_use()));
    assert_eq!((free.owner.as_deref(), reason(&free)), (None, (false, "AddressInUse")));
    assert_eq!(change("node-c", &free, Some(&in_use()), at(60)), None, "whoever says the same need not repeat it");
    let owned = written("node-a", &free, Some(&answers(55)));
    assert_eq!(change("node-b", &owned, Some(&in_use()), at(60)), None, "whoever answers knows better");
    let Stance::Answers { interfaces, since, .. } = answers(55) else { unreachable!() };
    let rival = Some("02:09:09:09:09:09".into());
    let quarrel = Stance::Answers { interfaces, since, decides: true, shared: false, rival };
    let conflict = written("node-a", &owned, Some(&quarrel));
    assert_eq!((conflict.owner.as_deref(), reason(&conflict)), (Some("node-a"), (false, "AddressConflict")));
    assert!(conflict.announced.as_ref().unwrap().message.contains("02:09:09:09:09:09"));
    assert_eq!(reason(&written("node-a", &conflict, Some(&answers(55)))), (true, "Answered"));
}

#[test]
fn who_has_no_interface_says_so_after_those_who_have() {
    let nowhere = |why: &str, rank| Stance::Nowhere { why: why.into(), rank };
    let first = change("node-a", &nothing(), Some(&nowhere("no eth9", 0)), at(60)).unwrap();
    let second = change("node-b", &nothing(), Some(&nowhere("no eth8", 1)), at(60)).unwrap();
    assert!(first.patience_ms >= 1000 && second.patience_ms > first.patience_ms);
    let told = shown(&first.status);
    assert_eq!(change("node-b", &told, Some(&nowhere("no eth8", 1)), at(60)), None);
    let in_use = written("node-c", &told, Some(&in_use()));
    assert_eq!(change("node-a", &in_use, Some(&nowhere("no eth9", 0)), at(60)), None);
    let owned = written("node-b", &told, Some(&answers(55)));
    assert_eq!(change("node-a", &owned, Some(&nowhere("no eth9", 0)), at(60)), None);
}

#[test]
fn a_speaker_object_is_written_when_it_differs_in_more_than_times() {
    let condition = |status: &str, second| Condition {
        type_: "Ready".into(),
        status: status.into(),
        reason: "x".into(),
        message: "y".into(),
        last_transition_time: Time(at(second)),
        observed_generation: None,
    };
    let status = |ready: &str, second| SpeakerStatus {
        version: "1".into(),
        conditions: vec![condition(ready, second)],
        ..SpeakerStatus::default()
    };
    let time = |status: &SpeakerStatus| status.conditions[0].last_transition_time.0;
    assert_eq!(time(&speaker_change(None, &status("True", 0), at(60)).unwrap()), at(60));
    assert_eq!(speaker_change(Some(&status("True", 10)), &status("True", 0), at(60)), None);
    let turned = speaker_change(Some(&status("False", 10)), &status("True", 0), at(60)).unwrap();
    assert_eq!(time(&turned), at(60));
    let same =
        speaker_change(Some(&status("True", 10)), &SpeakerStatus { owned: 7, ..status("True", 0) }, at(60)).unwrap();
    assert_eq!(time(&same), at(10));
}

fn stance() -> impl Strategy<Value = Option<Stance>> {
    prop_oneof![
        Just(None),
        Just(Some(in_use())),
        (0_usize..3).prop_map(|rank| Some(Stance::Nowhere { why: format!("no eth{rank}").into(), rank })),
        (1_i64..90).prop_map(|since| Some(elsewhere(since))),
    ]
}

proptest! {
    /// Whatever was shown, and whatever the others have to say: with one node that decides, the writing ends, and it is named.
    /// Without one, it ends as well.
    #[test]
    fn nodes_agree_and_fall_silent(
        mut stances in prop::collection::vec(stance(), 2..5),
        deciding in prop::option::of(0_usize..5),
        before in prop::option::of(0_usize..5),
    ) {
        let nodes: Vec<_> = (0..stances.len()).map(|index| format!("node-{index}")).collect();
        if let Some(stance) = deciding.and_then(|index| stances.get_mut(index)) {
            *stance = Some(answers(95));
        }
        let mut observed = nothing();
        if let Some(name) = before.and_then(|index| nodes.get(index)) {
            observed = written(name, &observed, Some(&answers(20)));
        }
        let mut quiet = false;
        for _ in 0..8 {
            quiet = true;
            for (node, stance) in nodes.iter().zip(&stances) {
                if let Some(change) = change(node, &observed, stance.as_ref(), at(99)) {
                    observed = shown(&change.status);
                    quiet = false;
                }
            }
        }
        prop_assert!(quiet, "they go on writing: {:?}", observed);
        if let Some(index) = deciding.filter(|index| *index < nodes.len()) {
            prop_assert_eq!(observed.owner.as_deref(), Some(nodes[index].as_str()));
        }
    }
}
