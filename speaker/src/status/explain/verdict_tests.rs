//! Every way in which an address can be answered, or not.

use rstest::rstest;

use super::*;

const OWNER: Standing = Standing::Owner;

fn node(last: u8) -> Party {
    Party { node: Some(format!("node-{}", char::from(b'a' + last))), mac: format!("02:00:00:00:00:0{last}") }
}

fn stranger() -> Party {
    Party { node: None, mac: "02:00:00:00:00:99".to_owned() }
}

fn asked(answers: &[Party]) -> Wire {
    Wire::Asked { answers: answers.to_vec(), own_share: None }
}

fn as_client(own_share: bool, answers: &[Party]) -> Wire {
    Wire::Asked { answers: answers.to_vec(), own_share: Some(own_share) }
}

fn mute() -> Wire {
    Wire::NotAsked { reason: "no carrier".to_owned() }
}

/// This node stands so and has nothing in its way; node-b is the owner it knows; it would be next.
fn case(standing: Standing, wire: Wire) -> Case {
    Case {
        standing: Some(standing),
        obstacle: None,
        answers: true,
        shares: 21,
        owner: Some(node(1)),
        prospect: Prospect::turn(0, Pace::DEFAULT),
        proof: Proof::Saw,
        behind: vec![],
        wire,
        lease_left: "9.4s".to_owned(),
        silence: "no agent is running".to_owned(),
        told: None,
    }
}

fn but(case: Case) -> Case {
    Case { obstacle: Some("eth0 has no carrier".to_owned()), ..case }
}

fn proof(proof: Proof, case: Case) -> Case {
    Case { proof, ..case }
}

fn told(case: Case) -> Case {
    Case { told: Some("192.0.2.10 is not announced: the label keeps out a".to_owned()), ..case }
}

fn prospect(prospect: Prospect, case: Case) -> Case {
    Case { prospect, ..case }
}

#[rstest]
// This node owns it.
#[case::alone(case(OWNER, asked(&[])), true, "192.0.2.10 is answered by this node on eth0 and by nobody else.")]
#[case::leaving(case(Standing::Leaving, asked(&[])), true, "192.0.2.10 is answered by this node on eth0 until a successor claims it.")]
#[case::unknown_others(
    case(OWNER, mute()),
    false,
    "cannot tell who answers on eth0: this node should, and nobody was asked: no carrier."
)]
#[case::counted(proof(Proof::Answered, case(OWNER, asked(&[]))), true, "192.0.2.10 is answered by this node on eth0 and by nobody else.")]
#[case::refused(proof(Proof::Refused, case(OWNER, asked(&[]))), false, "nobody answers on eth0: this node owns it, was asked, and did not answer.")]
#[case::refused_beside(proof(Proof::Refused, case(OWNER, asked(&[node(1)]))), false, "node-b (02:00:00:00:00:01) answers for it on eth0, while this node owns it, was asked, and did not answer.")]
#[case::unseen(proof(Proof::Nothing, case(OWNER, asked(&[]))), false, "cannot tell whether this node answers on eth0: no frame is known to have reached its program while it was asked; nobody else does.")]
#[case::shadowed(Case { behind: vec!["the tcx program drop (id 12)".to_owned()], ..proof(Proof::Nothing, case(OWNER, asked(&[]))) }, false, "cannot tell whether this node answers on eth0: no frame is known to have reached its program, behind the tcx program drop (id 12) while it was asked; nobody else does.")]
#[case::unseen_beside(proof(Proof::Nothing, case(OWNER, asked(&[node(1)]))), false, "node-b (02:00:00:00:00:01) answers for it on eth0; cannot tell whether this node, which owns it, does as well: no frame is known to have reached its program while it was asked.")]
#[case::two(case(OWNER, asked(&[node(1)])), false, "two nodes answer on eth0: this node and node-b (02:00:00:00:00:01).")]
#[case::three(case(OWNER, asked(&[node(1), stranger()])), false, "three nodes answer on eth0: this node and node-b (02:00:00:00:00:01) and a stranger (02:00:00:00:00:99).")]
#[case::hindered(
    but(case(OWNER, mute())),
    false,
    "nobody answers on eth0: this node owns it, but eth0 has no carrier."
)]
#[case::hindered_and_silent(but(case(OWNER, asked(&[]))), false, "nobody answers on eth0: this node owns it, but eth0 has no carrier.")]
#[case::replaced(but(case(OWNER, asked(&[node(1)]))), false, "node-b (02:00:00:00:00:01) answers for it on eth0, while this node owns it and cannot answer: eth0 has no carrier.")]
#[case::replaced_by_two(but(case(OWNER, asked(&[node(1), node(2)]))), false, "node-b (02:00:00:00:00:01) and node-c (02:00:00:00:00:02) answer for it on eth0, while this node owns it and cannot answer: eth0 has no carrier.")]
// Several share it.
#[case::sharing_own(case(Standing::Sharing, as_client(true, &[])), true, "the clients are shared on eth0: this node answers 21 of 64 shares.")]
#[case::sharing_unasked(
    case(Standing::Sharing, mute()),
    false,
    "cannot tell whether this node answers its 21 of 64 shares of clients on eth0: no carrier."
)]
#[case::sharing_unseen(proof(Proof::Nothing, case(Standing::Sharing, as_client(true, &[]))), false, "cannot tell whether this node answers its 21 of 64 shares of clients on eth0: no frame is known to have reached its program while it was asked.")]
#[case::sharing_other(case(Standing::Sharing, as_client(false, &[node(1)])), true, "the clients are shared on eth0: this node answers 21 of 64 shares, and node-b answers others.")]
#[case::sharing_gap(case(Standing::Sharing, as_client(false, &[])), false, "the clients are shared on eth0: this node answers 21 of 64 shares, but nobody answers the share that this node's own address belongs to.")]
#[case::sharing_twice(case(Standing::Sharing, as_client(true, &[node(1)])), false, "node-b (02:00:00:00:00:01) answers for it on eth0 to a client that is this node's to answer.")]
#[case::sharing_two(case(Standing::Sharing, as_client(false, &[node(1), node(2)])), false, "two nodes answer one client on eth0: node-b (02:00:00:00:00:01) and node-c (02:00:00:00:00:02).")]
#[case::sharing_stranger(case(Standing::Sharing, as_client(false, &[stranger()])), false, "a stranger (02:00:00:00:00:99) answers for it on eth0 beside the nodes that share it.")]
#[case::sharing_hindered(
    but(case(Standing::Sharing, mute())),
    false,
    "this node answers none of its shares of clients on eth0: eth0 has no carrier."
)]
// Another node owns it.
#[case::standby(case(Standing::Standby, asked(&[node(1)])), true, "node-b answers for it on eth0; this node is next in line and would take over within 160 ms.")]
#[case::second_in_line(prospect(Prospect::turn(1, Pace::DEFAULT), case(Standing::Standby, asked(&[node(1)]))), true, "node-b answers for it on eth0; this node is second in line and would take over within 310 ms.")]
#[case::third_in_line(prospect(Prospect::turn(2, Pace::DEFAULT), case(Standing::Standby, asked(&[node(1)]))), true, "node-b answers for it on eth0; this node is third in line and would take over within 460 ms.")]
#[case::fourth_in_line(prospect(Prospect::turn(3, Pace::FASTEST), case(Standing::Standby, asked(&[node(1)]))), true, "node-b answers for it on eth0; this node is 4th in line and would take over within 123 ms.")]
#[case::unfit(but(case(Standing::Standby, asked(&[node(1)]))), true, "node-b answers for it on eth0; this node could not take over: eth0 has no carrier.")]
#[case::outsider(prospect(Prospect::NoCandidate, case(Standing::Out, asked(&[node(1)]))), true, "node-b answers for it on eth0; this node is no candidate.")]
#[case::evacuated(prospect(Prospect::Evacuating, case(Standing::Out, asked(&[node(1)]))), true, "node-b answers for it on eth0; this node is being evacuated and would not take over.")]
#[case::standby_unasked(
    case(Standing::Standby, mute()),
    false,
    "cannot tell who answers on eth0: node-b should, and nobody was asked: no carrier."
)]
#[case::two_others(case(Standing::Standby, asked(&[node(1), node(2)])), false, "two nodes answer on eth0: node-b (02:00:00:00:00:01) and node-c (02:00:00:00:00:02).")]
#[case::waiting_but_back(case(Standing::Waiting, asked(&[node(1)])), true, "node-b answers for it on eth0; this node is next in line and would take over within 160 ms.")]
// Somebody else has it.
#[case::in_use(case(Standing::InUse, asked(&[stranger()])), false, "a stranger (02:00:00:00:00:99) answers for it on eth0, and no speaker does.")]
// Nobody answers.
#[case::standby_silence(case(Standing::Standby, asked(&[])), false, "nobody answers on eth0: node-b should, as far as this node knows.")]
#[case::waiting(case(Standing::Waiting, asked(&[])), false, "nobody answers on eth0: node-b fell silent, and this node claims it when its turn comes.")]
#[case::asking(case(Standing::Asking, asked(&[])), false, "nobody answers on eth0: this node is still asking whether somebody has it.")]
#[case::stranger_gone(Case { owner: Some(stranger()), ..case(Standing::InUse, asked(&[])) }, false, "nobody answers on eth0: a stranger (02:00:00:00:00:99) had it, and this node asks again before it claims.")]
#[case::out(case(Standing::Out, asked(&[])), false, "nobody answers on eth0: this node does not stand by for it.")]
#[case::out_hindered(but(case(Standing::Out, asked(&[]))), false, "nobody answers on eth0: eth0 has no carrier.")]
#[case::nobody_is_to(told(prospect(Prospect::NoCandidate, case(Standing::Out, asked(&[])))), false, "nobody answers on eth0: 192.0.2.10 is not announced: the label keeps out a.")]
#[case::out_no_candidate(prospect(Prospect::NoCandidate, case(Standing::Out, asked(&[]))), false, "nobody answers on eth0: this node is no candidate.")]
#[case::out_evacuated(prospect(Prospect::Evacuating, case(Standing::Out, asked(&[]))), false, "nobody answers on eth0: this node is being evacuated.")]
#[case::unknown(
    case(Standing::Out, mute()),
    false,
    "this node does not answer on eth0, and who does is not known: no carrier."
)]
#[case::standby_of_nobody(Case { owner: None, ..case(Standing::Standby, mute()) }, false, "this node does not answer on eth0, and who does is not known: no carrier.")]
#[case::cut_off(
    but(case(Standing::Out, mute())),
    false,
    "this node does not answer on eth0, and who does is not known: eth0 has no carrier."
)]
// No agent runs.
#[case::pinned(Case { standing: None, ..case(OWNER, mute()) }, false, "no agent is running; the kernel of this node answers on eth0 with what is pinned, for 9.4s more.")]
#[case::pinned_suppressed(Case { standing: None, answers: false, ..case(OWNER, mute()) }, false, "no agent is running; what is pinned only keeps this node's kernel from answering on eth0.")]
#[case::pinned_hindered(but(Case { standing: None, ..case(OWNER, mute()) }), false, "no agent is running, and this node does not answer on eth0: eth0 has no carrier.")]
fn one_interface(#[case] case: Case, #[case] good: bool, #[case] text: &str) {
    let judgement = judge(IpAddr::from([192, 0, 2, 10]), &BTreeMap::from([("eth0".to_owned(), case)]));
    assert_eq!((judgement.text.as_str(), judgement.good), (text, good));
}

#[test]
fn interfaces_of_which_the_same_is_true_share_a_clause() {
    let alone = || case(OWNER, asked(&[]));
    let cases = BTreeMap::from([
        ("eth0".to_owned(), alone()),
        ("eth1".to_owned(), case(Standing::Standby, asked(&[node(1)]))),
        ("eth2".to_owned(), alone()),
    ]);
    let judgement = judge(IpAddr::from([192, 0, 2, 10]), &cases);
    assert_eq!(
        judgement.text,
        "192.0.2.10 is answered by this node on eth0 and eth2 and by nobody else; node-b answers for it on eth1; this node \
         is next in line and would take over within 160 ms."
    );
    assert!(judgement.good);
    let worst = BTreeMap::from([("eth0".to_owned(), alone()), ("eth1".to_owned(), case(OWNER, asked(&[node(1)])))]);
    assert!(!judge(IpAddr::from([192, 0, 2, 10]), &worst).good, "one bad interface is bad");
}
