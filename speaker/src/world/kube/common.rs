//! What ten thousand Announcements have in common is kept once.

use std::{collections::BTreeSet, sync::Arc};

use arpeggio_common::{api::announcement::OwnedInterface, model::NodeName};

/// Texts, lists of interfaces and orders of nodes, each kept once.
#[derive(Debug, Default)]
pub(super) struct Common {
    texts: BTreeSet<Arc<str>>,
    lists: Vec<Arc<[OwnedInterface]>>,
    orders: BTreeSet<Arc<[NodeName]>>,
}

/// More than this are not shared: every MAC of a large cluster, or texts that differ for every address.
const SHARED: usize = 1024;

impl Common {
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if self.texts.len() < SHARED {
            self.texts.insert(Arc::clone(&new));
        }
        new
    }

    pub(super) fn order(&mut self, order: Vec<NodeName>) -> Arc<[NodeName]> {
        if let Some(known) = self.orders.get(&*order) {
            return Arc::clone(known);
        }
        let new: Arc<[NodeName]> = order.into();
        if self.orders.len() < SHARED {
            self.orders.insert(Arc::clone(&new));
        }
        new
    }

    pub(super) fn list(&mut self, list: Vec<OwnedInterface>) -> Arc<[OwnedInterface]> {
        if let Some(known) = self.lists.iter().find(|known| ***known == *list) {
            return Arc::clone(known);
        }
        let new: Arc<[OwnedInterface]> = list.into();
        if self.lists.len() < SHARED {
            self.lists.push(Arc::clone(&new));
        }
        new
    }
}
