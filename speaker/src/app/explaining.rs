//! Explanations: the segment is asked while everything else goes on, then the evidence is put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use anyhow::Result;
use arpeggio_common::{abi::Stats, program::with_causes, wire::Mac};
use arpeggio_succession::Standing;
use ipnet::IpNet;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{
    agent::Agent,
    situation::{speaker, witnesses},
};
use crate::{
    clock::{monotonic_ns, wall_ahead_ns},
    frames::{Answers, Asking, Enquiry, EnquiryError},
    status::{ClientFacts, Evidence, Explain, Explanation, Response, WireFacts},
};

/// How long answers are waited for after each of the rounds of questions.
const PATIENCE: Duration = Duration::from_millis(150);
/// Rounds: one frame may get lost.
const ROUNDS: usize = 2;
/// Clients that are asked for their own address on each interface.
const LAST_CLIENTS: usize = 4;
/// Explanations that may be under way; whoever asks for more waits.
const UNDER_WAY: usize = 16;

/// A question to the segment that has been answered, or not.
pub(super) struct Asked {
    question: Explain,
    wire: BTreeMap<u32, WireFacts>,
    before: BTreeMap<u32, Stats>,
    answer: oneshot::Sender<Response>,
}

/// Where answers of the segment come in.
pub(super) struct Explainer {
    tell: mpsc::Sender<Asked>,
    told: mpsc::Receiver<Asked>,
}

impl Default for Explainer {
    fn default() -> Self {
        let (tell, told) = mpsc::channel(UNDER_WAY);
        Self { tell, told }
    }
}

impl Explainer {
    /// The next question that is ready to be explained. Cancel safe.
    pub(super) async fn next(&mut self) -> Asked {
        match self.told.recv().await {
            Some(asked) => asked,
            // Cannot be: the other end is beside this one.
            None => std::future::pending().await,
        }
    }
}

impl Agent {
    /// Asks the segment. Ends at once; [`Explainer::next`] yields what came back.
    pub(super) async fn explain(&self, mut question: Explain, answer: oneshot::Sender<Response>) {
        question.address = question.address.to_canonical();
        if question.prefix.as_ref().is_some_and(|prefix| prefix.parse::<IpNet>().is_err()) {
            let message = "this is no prefix; write one like 192.0.2.0/24".to_owned();
            let _ = answer.send(Response::Error { message });
            return;
        }
        let evidence = match self.evidence(&question).await {
            Ok(evidence) => evidence,
            Err(error) => {
                let _ = answer.send(Response::Error { message: format!("{error:#}") });
                return;
            }
        };
        let before = evidence.stats();
        // Nobody has a prefix.
        let (mut asking, mut wire) = if question.prefix.is_some() { Default::default() } else { plan(&evidence) };
        let world = self.current.as_ref().map(|(world, _)| world);
        for (index, asking) in &mut asking {
            asking.witnesses = world.map(|world| witnesses(world, self.gateways.found(), *index)).unwrap_or_default();
            asking.witnesses.extend(self.last_clients(question.address, *index));
        }
        let tell = self.explainer.tell.clone();
        tokio::task::spawn_local(async move {
            wire.extend(ask(question.address, &asking).await);
            // Fails only when the agent ends.
            let _ = tell.send(Asked { question, wire, before, answer }).await;
        });
    }

    /// Explains what was asked.
    pub(super) async fn explained(&self, asked: Asked) {
        let response = match self.whole(&asked.question, asked.wire, asked.before).await {
            Ok(evidence) => Response::Explain(Box::new(Explanation::new(&evidence))),
            Err(error) => Response::Error { message: format!("{error:#}") },
        };
        // A client that hung up meanwhile needs no answer.
        let _ = asked.answer.send(response);
    }

    /// Those who asked for the address last: they answer for their own.
    fn last_clients(&self, address: IpAddr, index: u32) -> Vec<IpAddr> {
        let clients = self.backend.clients_of(address).unwrap_or_default().into_iter();
        let here = clients.filter(|((ifindex, client), _)| *ifindex == index && !client.is_unspecified());
        let mut here: Vec<_> = here.map(|((_, client), found)| (found.last_seen_ns(), client)).collect();
        here.sort_unstable_by_key(|(last_ns, _)| std::cmp::Reverse(*last_ns));
        here.into_iter().take(LAST_CLIENTS).map(|(_, client)| client).collect()
    }

    /// Everything but what takes long or is still to come.
    async fn evidence(&self, question: &Explain) -> Result<Evidence> {
        let config = self.current.as_ref().map(|(world, _)| &world.config);
        Ok(Evidence {
            facts: self.facts().await?,
            address: question.address,
            prefix: question.prefix.as_ref().and_then(|prefix| prefix.parse().ok()),
            routes: self.bgp.routes(question.address),
            interface: question.interface.clone(),
            announcement: (config.and_then(|config| config.announcements.get(&question.address)))
                .map(|announcement| announcement.as_ref().clone()),
            told: self.publishing.told(question.address),
            wire: BTreeMap::new(),
            before: BTreeMap::new(),
            clients: Vec::new(),
            events: self.succession.recorder().of(question.address).copied().collect(),
            wall_ahead_ns: wall_ahead_ns(),
        })
    }

    async fn whole(
        &self,
        question: &Explain,
        wire: BTreeMap<u32, WireFacts>,
        before: BTreeMap<u32, Stats>,
    ) -> Result<Evidence> {
        let clients = self.backend.clients_of(question.address)?;
        let clients = clients.into_iter().map(|((ifindex, client), found)| ClientFacts {
            ifindex,
            client,
            mac: Mac(found.mac()),
            last_ns: found.last_seen_ns(),
        });
        Ok(Evidence { wire, before, clients: clients.collect(), ..self.evidence(question).await? })
    }
}

/// Which interfaces are asked and how, and why others are not.
fn plan(evidence: &Evidence) -> (BTreeMap<u32, Asking>, BTreeMap<u32, WireFacts>) {
    let (mut asking, mut not_asked) = (BTreeMap::new(), BTreeMap::new());
    let facts = &evidence.facts;
    for index in evidence.asked() {
        let Some(link) = facts.links.0.get(&index) else { continue };
        let speaker = facts.signer().and_then(|signer| speaker(signer, link));
        let Some(speaker) = speaker.filter(|_| link.carrier) else {
            not_asked.insert(index, WireFacts::NotAsked(format!("{} has no carrier", link.name)));
            continue;
        };
        let views = facts.succession.as_ref().map(|succession| &succession.views);
        let standing = views.and_then(|views| views.get(&(index, evidence.address))).map(|view| view.standing);
        // An answer without a tag would be taken for a stranger's by a node that is asking who has the address.
        let as_client = !matches!(standing, Some(Standing::Asking | Standing::Waiting));
        let others = evidence.speakers_on(index).filter(|mac| *mac != speaker.mac).collect();
        asking.insert(index, Asking { speaker, as_client, others, witnesses: BTreeSet::new() });
    }
    (asking, not_asked)
}

/// Asks and waits for the answers.
async fn ask(address: IpAddr, interfaces: &BTreeMap<u32, Asking>) -> BTreeMap<u32, WireFacts> {
    let not_asked = |error: &EnquiryError| WireFacts::NotAsked(with_causes(error));
    // Before the questions are made: their answers are stamped with the time that stands in them.
    let at_ns = monotonic_ns();
    let mut enquiry = match Enquiry::open(address, interfaces) {
        Ok(enquiry) => enquiry,
        Err(error) => return interfaces.keys().map(|index| (*index, not_asked(&error))).collect(),
    };
    for _ in 0..ROUNDS {
        enquiry.ask();
        sleep(PATIENCE).await;
    }
    let facts = |(index, result): (u32, Result<_, EnquiryError>)| {
        let wire = match result {
            Ok(Answers { macs, heard }) => {
                let source = source(address, interfaces.get(&index));
                WireFacts::Asked { at_ns, source, answers: macs, heard }
            }
            Err(error) => not_asked(&error),
        };
        (index, wire)
    };
    enquiry.finish().into_iter().map(facts).collect()
}

/// The address that the clients' question comes from.
fn source(address: IpAddr, asking: Option<&Asking>) -> Option<IpAddr> {
    let Asking { speaker, as_client: true, .. } = asking? else { return None };
    match address {
        IpAddr::V4(v4) => speaker.asks_from(v4).map(IpAddr::V4),
        IpAddr::V6(_) => speaker.link_local.map(IpAddr::V6),
    }
}
