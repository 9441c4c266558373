//! What leads from the loop to other tasks, and back.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::{Notify, watch};

use crate::{cluster::Known, keys::keeper::Speakers, secrets::Secrets};

/// What leads from the loop to other tasks.
pub(super) struct Links {
    /// A new number makes watches of kinds that are written list anew.
    pub(super) lists: watch::Sender<u64>,
    /// Makes the election look at the lease at once.
    pub(super) look: Arc<Notify>,
    /// Every object of the configuration, as of now; none until all of them are known that can be, and the nodes.
    pub(super) objects: watch::Sender<Option<Known>>,
    /// Every agent, as of now; none until all of them are known, and their leases.
    pub(super) speakers: watch::Sender<Speakers>,
    /// What is asked and told about Secrets with passwords.
    pub(super) secrets: SecretLinks,
}

/// To and from the task that reads Secrets.
pub(super) struct SecretLinks {
    /// Those that peers name.
    pub(super) named: watch::Sender<BTreeSet<String>>,
    /// What they are good for.
    pub(super) read: watch::Receiver<Secrets>,
}
