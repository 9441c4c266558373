//! What the program proves and checks tags with.

use crate::wire::Key;

/// Keys that are accepted at a time: the present one, and the one before or after it.
pub const KEYS: usize = 2;

/// Value of [`KEYS`](super::names::KEYS). 40 bytes. Only root can read it, who can read the key's file as well.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    count: u32,
    unproven: u32,
    keys: [Key; KEYS],
}

impl Keys {
    /// Without a key: tags are taken at their word.
    pub const NONE: Self = Self { count: 0, unproven: 0, keys: [Key::NONE; KEYS] };

    /// The first of `keys` signs, every one is accepted; those beyond [`KEYS`] are left out. `unproven`: a tag without a proof
    /// counts as well, while a key is given to node after node.
    pub fn new(keys: &[Key], unproven: bool) -> Self {
        let mut all = Self { unproven: u32::from(unproven), ..Self::default() };
        for (place, key) in all.keys.iter_mut().zip(keys) {
            *place = *key;
            all.count += 1;
        }
        if all.count == 0 { Self::NONE } else { all }
    }

    /// What our own frames are signed with.
    #[inline(always)]
    pub const fn signing(&self) -> Option<Key> {
        if self.count == 0 { None } else { Some(self.keys[0]) }
    }

    /// What proofs of others may be made with.
    #[inline(always)]
    pub const fn first(&self) -> Option<&Key> {
        if self.count == 0 { None } else { Some(&self.keys[0]) }
    }

    /// The other one.
    #[inline(always)]
    pub const fn second(&self) -> Option<&Key> {
        if self.count < 2 { None } else { Some(&self.keys[1]) }
    }

    /// Whether a tag without a proof counts.
    #[inline(always)]
    pub const fn accepts_unproven(&self) -> bool {
        self.unproven != 0
    }
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn layout_is_pinned() {
        assert_eq!((size_of::<Keys>(), offset_of!(Keys, keys)), (40, 8));
    }

    #[test]
    fn the_first_key_signs_and_two_are_accepted() {
        let keys = [1u8, 2, 3].map(|byte| Key::from_bytes([byte; 16]));
        assert_eq!(Keys::new(&[], false), Keys::NONE);
        assert!(Keys::NONE.first().is_none() && Keys::NONE.signing().is_none());
        assert_eq!(Keys::NONE, Keys::default(), "what stands in the map before an agent writes it");
        let one = Keys::new(&keys[..1], false);
        assert_eq!((one.signing(), one.second(), one.accepts_unproven()), (Some(keys[0]), None, false));
        let many = Keys::new(&keys, true);
        assert_eq!((many.first(), many.second(), many.accepts_unproven()), (Some(&keys[0]), Some(&keys[1]), true));
    }
}
