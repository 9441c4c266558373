//! What should stand in the API, as plain values.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use arpeggio_common::api::{announcement::OwnedInterface, speaker::SpeakerStatus};
use jiff::Timestamp;

/// What this node has to say about one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stance {
    /// It answers.
    Answers {
        /// The interfaces on which it answers.
        interfaces: Arc<[OwnedInterface]>,
        /// Since when, in whole seconds.
        since: Timestamp,
        /// It does so on the interface that decides who tells, see [`compose`](super::compose).
        decides: bool,
        /// Several nodes answer, each its share of the clients.
        shared: bool,
        /// MAC of a stranger who answers as well.
        rival: Option<Arc<str>>,
    },
    /// A stranger has it, and nobody claims it.
    InUse {
        /// MAC of the stranger.
        by: Arc<str>,
        /// Position of this node among the candidates, from 0.
        rank: usize,
    },
    /// It may have it, and has no interface for it.
    Nowhere {
        /// The reason, in a sentence.
        why: Arc<str>,
        /// Position of this node among the candidates, from 0.
        rank: usize,
    },
}

/// All that should stand in the API.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Addresses that this node has something to say about.
    pub addresses: BTreeMap<IpAddr, Stance>,
    /// The status of its Speaker object; the times of its conditions mean nothing.
    pub speaker: SpeakerStatus,
    /// It was made in knowledge of what the API server says: before, it lacks what only the server knows, faults for example.
    pub complete: bool,
}
