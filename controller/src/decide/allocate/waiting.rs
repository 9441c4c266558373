//! Services that did not get everything, and what makes it worthwhile to look at them again.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::{book::Book, pools::PoolId};
use crate::cluster::Family;

/// What a Service waits for that did not get everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WaitingFor {
    /// Anything that comes free.
    Anything,
    /// An address of a family out of one pool: for the second address of a Service.
    Second(PoolId, Family),
    /// Exactly these.
    Exactly(Vec<IpAddr>),
}

/// A Service that did not get everything: what makes it worthwhile to look at it again.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) waiting_for: WaitingFor,
    /// It may have an address that others have.
    pub(super) shares: bool,
    /// What was spent when it was told what it lacks: names of spent pools stand in that.
    pub(super) told: Arc<BTreeSet<(PoolId, Family)>>,
}

impl Waiting {
    /// Whether it may get something now that it could not have before, or is refused for another reason.
    pub(super) fn is_concerned(
        &self,
        loosened: &BTreeSet<(PoolId, Family)>,
        moved: &BTreeSet<IpAddr>,
        book: &Book,
    ) -> bool {
        // Whoever shares with nobody has no use for what was taken again meanwhile by one that waited like it.
        let useful = |came: &(PoolId, Family)| self.shares || !book.spent.contains(came);
        match &self.waiting_for {
            // It was told of one that has what it could share: that may be another now.
            WaitingFor::Anything | WaitingFor::Second(..) if self.shares && !moved.is_empty() => true,
            WaitingFor::Anything => loosened.iter().any(useful),
            WaitingFor::Second(pool, family) => {
                let came = (*pool, *family);
                loosened.contains(&came) && useful(&came)
            }
            WaitingFor::Exactly(addresses) => addresses.iter().any(|address| moved.contains(address)),
        }
    }

    /// Whether it was told of other pools than those that are spent now.
    pub(super) fn is_out_of_date(&self, book: &Book) -> bool {
        !matches!(self.waiting_for, WaitingFor::Exactly(_)) && self.told != book.spent
    }
}
