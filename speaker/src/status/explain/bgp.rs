//! Pure: what BGP peers are told of an address or a prefix, and why not.

use ipnet::IpNet;

use super::{
    evidence::Evidence,
    report::{Level, Link},
    verdict::{Judgement, list},
};
use crate::status::bgp::{Told, silence, told};

/// What is asked about.
fn asked(evidence: &Evidence) -> IpNet {
    evidence.prefix.unwrap_or_else(|| IpNet::from(evidence.address))
}

fn all(evidence: &Evidence) -> Told {
    evidence.facts.bgp.as_ref().map(|(report, _)| told(report, &asked(evidence))).unwrap_or_default()
}

fn why_not(evidence: &Evidence) -> Option<String> {
    let (report, _) = evidence.facts.bgp.as_ref()?;
    let node = evidence.facts.node.as_ref().map(ToString::to_string).unwrap_or_default();
    silence(report, &node, &evidence.routes)
}

/// Whether it is announced by BGP, or should be.
pub(super) fn concerns(evidence: &Evidence) -> bool {
    evidence.prefix.is_some() || !evidence.routes.is_empty() || !all(evidence).lines.is_empty()
}

/// One link for each prefix and peer, or one that says why there is none.
pub(super) fn links(evidence: &Evidence) -> Vec<Link> {
    let link = |level, text| Link { level, interface: None, subject: "bgp".to_owned(), text };
    let level = |up: bool| if up { Level::Ok } else { Level::Problem };
    let told = all(evidence).lines.into_iter().map(|(up, text)| link(level(up), text));
    told.chain(why_not(evidence).map(|why| link(Level::Problem, why))).collect()
}

/// The verdict where layer 2 has nothing to say; `None`: BGP has nothing either.
pub(super) fn verdict(evidence: &Evidence) -> Option<Judgement> {
    if evidence.announcement.is_some() || !concerns(evidence) || evidence.facts.agent.is_none() {
        return None;
    }
    let told = all(evidence);
    let names = |names: &[String]| list(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let (good, text) = match (told.have.as_slice(), told.lack.as_slice()) {
        ([], []) => {
            let why = why_not(evidence).unwrap_or_else(|| "this node announces no such prefix to BGP peers".to_owned());
            (false, format!("no: {why}."))
        }
        ([], lack) => (false, format!("no: the sessions with BGP peers {} are down.", names(lack))),
        (have, []) => (true, format!("yes: BGP peers {} are told.", names(have))),
        (have, lack) => {
            (true, format!("yes: BGP peers {} are told; the sessions with {} are down.", names(have), names(lack)))
        }
    };
    Some(Judgement { good, text })
}

#[cfg(test)]
#[path = "bgp_tests.rs"]
mod tests;
