//! Pure: one sentence that says whether an address is answered as it should be.

use std::{collections::BTreeMap, net::IpAddr};

use arpeggio_succession::{Pace, Standing};

use super::{evidence::Proof, wire::Wire};
use crate::status::parties::Party;

/// What the verdict about one interface depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// What this node is for the address; `None` without an agent.
    pub(super) standing: Option<Standing>,
    /// Why this node cannot answer there, whatever its entry says.
    pub(super) obstacle: Option<String>,
    /// Whether the entry says that this node answers.
    pub(super) answers: bool,
    /// The shares of clients it answers, of 64.
    pub(super) shares: u32,
    /// The other node that owns it, as far as this node knows.
    pub(super) owner: Option<Party>,
    /// What would happen if the owner were gone.
    pub(super) prospect: Prospect,
    /// What shows that this node answers.
    pub(super) proof: Proof,
    /// Programs of others that get frames before ours.
    pub(super) behind: Vec<String>,
    /// Who answered when asked.
    pub(super) wire: Wire,
    /// How long the kernel goes on answering without an agent.
    pub(super) lease_left: String,
    /// Why there is no agent to ask.
    pub(super) silence: String,
    /// Why nobody is to answer, as the API server shows it.
    pub(super) told: Option<String>,
}

/// Whether this node would take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prospect {
    /// So many candidates would claim before it does, and it would after so long at most.
    Turn(usize, u64),
    /// It is none of the candidates.
    NoCandidate,
    /// It is to lose everything to others.
    Evacuating,
}

/// A sentence, and whether it is good news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) good: bool,
    pub(super) text: String,
}

fn good(text: String) -> Judgement {
    Judgement { good: true, text }
}

fn bad(text: String) -> Judgement {
    Judgement { good: false, text }
}

impl Case {
    /// Why nothing shows that the program answers.
    fn unseen(&self) -> String {
        let behind: Vec<_> = self.behind.iter().map(String::as_str).collect();
        let first = if behind.is_empty() { String::new() } else { format!(", behind {}", list(&behind)) };
        format!("no frame is known to have reached its program{first} while it was asked")
    }
}

impl Prospect {
    /// Of a candidate behind `turn` others.
    pub(super) const fn turn(turn: usize, pace: Pace) -> Self {
        Self::Turn(turn, (pace.detection_ns() + pace.stagger_ns() * turn as u64).div_ceil(1_000_000))
    }
}

/// The verdict over all interfaces: interfaces of which the same is true share a clause. Good if all clauses are.
pub(super) fn judge(address: IpAddr, cases: &BTreeMap<String, Case>) -> Judgement {
    let mut groups: Vec<(Judgement, Vec<&str>, &Case)> = Vec::new();
    for (interface, case) in cases {
        let plain = one(address, case, "");
        match groups.iter_mut().find(|(judgement, ..)| *judgement == plain) {
            Some((_, interfaces, _)) => interfaces.push(interface),
            None => groups.push((plain, vec![interface], case)),
        }
    }
    let clauses: Vec<_> =
        groups.iter().map(|(_, interfaces, case)| one(address, case, &format!(" on {}", list(interfaces)))).collect();
    let texts: Vec<_> = clauses.iter().map(|clause| clause.text.as_str()).collect();
    Judgement { good: clauses.iter().all(|clause| clause.good), text: format!("{}.", texts.join("; ")) }
}

/// The clause for interfaces of which this case is true; `at` names them.
fn one(address: IpAddr, case: &Case, at: &str) -> Judgement {
    match case.standing {
        None => pinned(case, at),
        Some(Standing::Owner) => owner(case, &format!("{address} is answered by this node{at} and by nobody else"), at),
        Some(Standing::Leaving) => {
            owner(case, &format!("{address} is answered by this node{at} until a successor claims it"), at)
        }
        Some(Standing::Sharing) => sharing(case, at),
        Some(
            standing @ (Standing::Standby | Standing::Waiting | Standing::Asking | Standing::InUse | Standing::Out),
        ) => other(case, standing, at),
    }
}

fn owner(case: &Case, alone: &str, at: &str) -> Judgement {
    let heard = case.wire.heard();
    let (others, count, unseen) = (named(heard), heard.len(), case.unseen());
    match (&case.obstacle, &case.wire, case.proof, heard) {
        (Some(obstacle), .., []) => bad(format!("nobody answers{at}: this node owns it, but {obstacle}")),
        (Some(obstacle), ..) => bad(format!(
            "{} for it{at}, while this node owns it and cannot answer: {obstacle}",
            answers(&others, count)
        )),
        (None, Wire::NotAsked { reason: why }, ..) => {
            bad(format!("cannot tell who answers{at}: this node should, and nobody was asked: {why}"))
        }
        (None, Wire::Asked { .. }, Proof::Answered | Proof::Saw, []) => good(alone.to_owned()),
        (None, Wire::Asked { .. }, Proof::Answered | Proof::Saw, _) => {
            bad(format!("{} nodes answer{at}: this node and {others}", number(count + 1)))
        }
        (None, Wire::Asked { .. }, Proof::Refused, []) => {
            bad(format!("nobody answers{at}: this node owns it, was asked, and did not answer"))
        }
        (None, Wire::Asked { .. }, Proof::Refused, _) => bad(format!(
            "{} for it{at}, while this node owns it, was asked, and did not answer",
            answers(&others, count)
        )),
        (None, Wire::Asked { .. }, Proof::Nothing, []) => {
            bad(format!("cannot tell whether this node answers{at}: {unseen}; nobody else does"))
        }
        (None, Wire::Asked { .. }, Proof::Nothing, _) => bad(format!(
            "{} for it{at}; cannot tell whether this node, which owns it, does as well: {unseen}",
            answers(&others, count)
        )),
    }
}

fn sharing(case: &Case, at: &str) -> Judgement {
    if let Some(obstacle) = &case.obstacle {
        return bad(format!("this node answers none of its shares of clients{at}: {obstacle}"));
    }
    let heard = case.wire.heard();
    if let Some(stranger) = heard.iter().find(|party| party.node.is_none()) {
        return bad(format!("a stranger ({}) answers for it{at} beside the nodes that share it", stranger.mac));
    }
    let (shares, unseen) = (case.shares, case.unseen());
    let (own_share, why) = match (&case.wire, case.proof) {
        (Wire::Asked { own_share, .. }, Proof::Answered | Proof::Saw | Proof::Refused) => (own_share, None),
        (Wire::Asked { own_share, .. }, Proof::Nothing) => (own_share, Some(unseen.as_str())),
        (Wire::NotAsked { reason }, _) => (&None, Some(reason.as_str())),
    };
    if let Some(why) = why {
        return bad(format!("cannot tell whether this node answers its {shares} of 64 shares of clients{at}: {why}"));
    }
    let shared = format!("the clients are shared{at}: this node answers {shares} of 64 shares");
    match (own_share, heard) {
        (Some(true) | None, []) => good(shared),
        (Some(false), []) => {
            bad(format!("{shared}, but nobody answers the share that this node's own address belongs to"))
        }
        (Some(true), _) => {
            bad(format!("{} for it{at} to a client that is this node's to answer", answers(&named(heard), heard.len())))
        }
        (_, [one]) => good(format!("{shared}, and {} answers others", one.short())),
        (_, [_, _, ..]) => bad(format!("{} nodes answer one client{at}: {}", number(heard.len()), named(heard))),
    }
}

fn other(case: &Case, standing: Standing, at: &str) -> Judgement {
    match (case.wire.heard(), &case.wire, &case.owner) {
        ([], Wire::NotAsked { reason }, Some(owner)) if standing == Standing::Standby => {
            let why = case.obstacle.as_ref().unwrap_or(reason);
            bad(format!("cannot tell who answers{at}: {} should, and nobody was asked: {why}", owner.short()))
        }
        ([], Wire::NotAsked { reason }, _) => {
            let obstacle = case.obstacle.as_ref().unwrap_or(reason);
            bad(format!("this node does not answer{at}, and who does is not known: {obstacle}"))
        }
        ([], Wire::Asked { .. }, _) => bad(format!("nobody answers{at}: {}", why_nobody(case, standing))),
        ([one], ..) if one.node.is_none() => {
            bad(format!("a stranger ({}) answers for it{at}, and no speaker does", one.mac))
        }
        ([one], ..) => good(format!("{} answers for it{at}{}", one.short(), prospect(case))),
        (heard, ..) => bad(format!("{} nodes answer{at}: {}", number(heard.len()), named(heard))),
    }
}

fn why_nobody(case: &Case, standing: Standing) -> String {
    let owner = case.owner.as_ref().map_or("its owner", Party::short);
    match standing {
        Standing::Waiting => format!("{owner} fell silent, and this node claims it when its turn comes"),
        Standing::Asking => "this node is still asking whether somebody has it".to_owned(),
        Standing::InUse => format!("a stranger ({owner}) had it, and this node asks again before it claims"),
        Standing::Standby => format!("{owner} should, as far as this node knows"),
        Standing::Out | Standing::Owner | Standing::Leaving | Standing::Sharing => {
            match (&case.obstacle, case.prospect) {
                (Some(obstacle), _) => obstacle.clone(),
                (None, Prospect::NoCandidate) => {
                    case.told.clone().unwrap_or_else(|| "this node is no candidate".to_owned())
                }
                (None, Prospect::Evacuating) => "this node is being evacuated".to_owned(),
                (None, Prospect::Turn(..)) => "this node does not stand by for it".to_owned(),
            }
        }
    }
}

fn prospect(case: &Case) -> String {
    match (&case.obstacle, case.prospect) {
        (_, Prospect::NoCandidate) => "; this node is no candidate".to_owned(),
        (_, Prospect::Evacuating) => "; this node is being evacuated and would not take over".to_owned(),
        (Some(obstacle), Prospect::Turn(..)) => format!("; this node could not take over: {obstacle}"),
        (None, Prospect::Turn(before, ms)) => {
            format!("; this node is {} in line and would take over within {ms} ms", ordinal(before))
        }
    }
}

/// Without an agent only what is pinned speaks, and nobody sees to it that it stays so.
fn pinned(case: &Case, at: &str) -> Judgement {
    let Case { silence, lease_left, .. } = case;
    bad(match (&case.obstacle, case.answers) {
        (Some(obstacle), _) => format!("{silence}, and this node does not answer{at}: {obstacle}"),
        (None, true) => {
            format!("{silence}; the kernel of this node answers{at} with what is pinned, for {lease_left} more")
        }
        (None, false) => format!("{silence}; what is pinned only keeps this node's kernel from answering{at}"),
    })
}

fn answers(who: &str, count: usize) -> String {
    format!("{who} {}", if count == 1 { "answers" } else { "answer" })
}

fn named(parties: &[Party]) -> String {
    let names: Vec<_> = parties
        .iter()
        .map(|party| if party.node.is_some() { party.to_string() } else { format!("a stranger ({})", party.mac) })
        .collect();
    list(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn number(count: usize) -> String {
    ["no", "one", "two", "three", "four"].get(count).map_or_else(|| count.to_string(), |&word| word.to_owned())
}

/// The place in line behind so many others.
fn ordinal(before: usize) -> String {
    match before {
        0 => "next".to_owned(),
        1 => "second".to_owned(),
        2 => "third".to_owned(),
        _ => format!("{}th", before + 1),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
