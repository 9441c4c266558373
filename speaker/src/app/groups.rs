//! Membership in the groups of the addresses that this node may own, joined a few at a time.

use std::collections::BTreeSet;

use crate::frames::{GroupError, Groups, Membership};
use arpeggio_common::program::with_causes;

/// The memberships, and whether something is left to do.
#[derive(Default)]
pub(super) struct Memberships {
    groups: Groups,
    wanted: BTreeSet<Membership>,
    pending: bool,
}

impl Memberships {
    /// From now on these are wanted.
    pub(super) fn follow(&mut self, wanted: &BTreeSet<Membership>) {
        self.wanted.clone_from(wanted);
        self.pending = true;
    }

    /// Whether [`Self::work`] has something to do.
    pub(super) const fn pending(&self) -> bool {
        self.pending
    }

    /// Joins or leaves some groups; returns what did not work out.
    pub(super) fn work(&mut self) -> Vec<String> {
        let report = self.groups.apply(&self.wanted);
        self.pending = report.remaining > 0;
        let failed = |(ifindex, (count, error)): (&u32, &(usize, GroupError))| {
            format!("{count} groups on interface {ifindex}: {}", with_causes(error))
        };
        report.failed.iter().map(failed).collect()
    }

    /// Interfaces changed: finds out which memberships the kernel dropped meanwhile.
    pub(super) fn verify(&mut self) -> Option<String> {
        self.groups.verify().err().map(|error| with_causes(&error))
    }

    /// The groups that are joined.
    pub(super) fn joined(&self) -> BTreeSet<Membership> {
        self.groups.joined()
    }
}
