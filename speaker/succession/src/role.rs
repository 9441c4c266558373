//! What a map entry says about this node.

use arpeggio_common::abi::{ALL_BUCKETS, Action, Flags, Vip};

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Answer or suppress.
    pub action: Action,
    /// Modifiers.
    pub flags: Flags,
    /// The shares of clients.
    pub buckets: u64,
}

impl Role {
    /// Somebody else answers.
    pub const SILENT: Self = Self { action: Action::Suppress, flags: Flags::NONE, buckets: 0 };
    /// The one owner.
    pub const OWNER: Self = Self { action: Action::Answer, flags: Flags::NONE, buckets: ALL_BUCKETS };
    /// The one owner, who waits for a successor.
    pub const LEAVING: Self = Self { action: Action::Answer, flags: Flags::EVACUATING, buckets: ALL_BUCKETS };

    /// The entry with this role; MAC and line of counters stay.
    #[must_use]
    pub const fn written_to(self, vip: Vip) -> Vip {
        Vip::new(vip.mac(), self.action, vip.slot(), self.buckets)
            .with_flags(self.flags)
            .with_generation(vip.generation())
    }

    /// The role that an entry says; `None` when it holds an action that this version does not know.
    pub fn of(vip: &Vip) -> Option<Self> {
        Some(Self { action: vip.action()?, flags: vip.flags(), buckets: vip.buckets() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_changes_what_an_entry_says_and_nothing_else() {
        let vip = Vip::new([2, 0, 0, 0, 0, 1], Action::Suppress, 12, 0);
        let leaving = Role::LEAVING.written_to(vip);
        assert_eq!((leaving.mac(), leaving.slot(), leaving.action()), (vip.mac(), 12, Some(Action::Answer)));
        assert_eq!(Role::of(&leaving), Some(Role::LEAVING));
        assert_eq!(Role::SILENT.written_to(leaving), vip);
    }
}
