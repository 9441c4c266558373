//! The keys by which speakers know each other's frames. A key is never printed: people and the API are told its fingerprint.

use std::fmt;

/// How many bytes a key has.
const BYTES: usize = 16;
/// More keys than this are never needed: one signs, the one before or after it is accepted as well.
pub const MOST_KEYS: usize = 2;

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Something else than 32 hexadecimal digits.
    #[error("a key is 32 hexadecimal digits, this has {0} characters or others among them")]
    Digits(usize),
    /// Every byte is 0, which frames read as "no key".
    #[error("the key of zeros is none; make one with: openssl rand -hex 16")]
    Zero,
    /// No key, or more than two.
    #[error("{0} keys are listed; list the one that signs, and at most one more that is accepted")]
    Count(usize),
    /// The same one twice.
    #[error("the same key is listed twice; keep one of them")]
    Twice,
}

/// A shared secret of 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; BYTES]);

impl Key {
    /// The key with these bytes.
    ///
    /// # Errors
    /// All of them are 0.
    pub fn new(bytes: [u8; BYTES]) -> Result<Self, KeyError> {
        if bytes == [0; BYTES] { Err(KeyError::Zero) } else { Ok(Self(bytes)) }
    }

    /// From 32 hexadecimal digits.
    ///
    /// # Errors
    /// It is no key; the text is not in the error.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let wrong = KeyError::Digits(text.chars().count());
        if text.len() != 2 * BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_unread| wrong)?;
        Self::new(number.to_be_bytes())
    }

    /// As a file of keys has it.
    pub fn to_hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// As frames are signed with it.
    fn in_frames(&self) -> crate::wire::Key {
        crate::wire::Key::from_bytes(self.0)
    }

    /// What is computed with.
    pub const fn bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Tells keys apart and does not give them away: eight digits of a keyed hash (SipHash-2-4) of a text that everybody knows.
    pub fn fingerprint(&self) -> String {
        #[expect(
            deprecated,
            reason = "the library's only hash with a key that can be given; its algorithm is fixed by its name"
        )]
        let hash = {
            use std::hash::{Hasher as _, SipHasher};
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
            let [low, high] = [[a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]].map(u64::from_le_bytes);
            let mut hasher = SipHasher::new_with_keys(low, high);
            hasher.write(b"arpeggio: fingerprint of a key");
            hasher.finish()
        };
        format!("{:08x}", hash >> 32)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.fingerprint())
    }
}

/// What a node signs with and what it accepts. The default is none: nothing is signed and everything is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The first one signs.
    keys: Vec<Key>,
    refuse_unauthenticated: bool,
}

impl Keys {
    /// The first one signs, all are accepted. `accept_unauthenticated`: so are frames without a proof, while a key is rolled out.
    ///
    /// # Errors
    /// There is none, there are more than two, or one is there twice.
    pub fn new(keys: Vec<Key>, accept_unauthenticated: bool) -> Result<Self, KeyError> {
        if keys.is_empty() || keys.len() > MOST_KEYS {
            return Err(KeyError::Count(keys.len()));
        }
        if keys.first() == keys.get(1) {
            return Err(KeyError::Twice);
        }
        Ok(Self { keys, refuse_unauthenticated: !accept_unauthenticated })
    }

    /// What this node signs with; `None`: it does not sign.
    pub fn sign(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// The proofs that are accepted.
    pub fn accept(&self) -> &[Key] {
        &self.keys
    }

    /// Whether frames without a proof are accepted. So it is without a key: nothing can be verified.
    pub const fn accept_unauthenticated(&self) -> bool {
        !self.refuse_unauthenticated
    }

    /// Whether a tag is proven where it is accepted.
    pub const fn refuses_unauthenticated(&self) -> bool {
        self.refuse_unauthenticated
    }

    /// Fingerprints of the keys, that of the one that signs first.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(Key::fingerprint).collect()
    }

    /// As the program wants them.
    pub fn in_maps(&self) -> crate::abi::Keys {
        let keys: Vec<_> = self.keys.iter().map(Key::in_frames).collect();
        crate::abi::Keys::new(&keys, !self.refuse_unauthenticated)
    }

    /// As a file of keys has it; nothing without a key.
    pub fn to_text(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|key| format!("\"{}\"", key.to_hex())).collect();
        let unauthenticated = if self.refuse_unauthenticated { "refuse" } else { "accept" };
        if keys.is_empty() {
            return String::new();
        }
        format!("keys: [{}]\nunauthenticated: {unauthenticated}\n", keys.join(", "))
    }
}

/// In words, without the keys.
impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(sign) = self.sign() else { return f.write_str("unauthenticated") };
        write!(f, "authenticated (key {})", sign.fingerprint())?;
        for other in self.keys.iter().skip(1) {
            write!(f, "; key {} is accepted as well", other.fingerprint())?;
        }
        if self.refuse_unauthenticated { Ok(()) } else { f.write_str("; frames without a proof are accepted as well") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "000102030405060708090a0b0c0d0e0f";
    const OTHER: &str = "ff0102030405060708090a0b0c0d0e0f";

    fn key(text: &str) -> Key {
        Key::from_hex(text).unwrap()
    }

    #[test]
    fn a_key_is_read_as_it_is_written_and_never_printed() {
        assert_eq!(key(ONE).to_hex(), ONE);
        assert_eq!(key(ONE).bytes()[15], 15);
        assert_eq!(key(&OTHER.to_uppercase()), key(OTHER));
        let printed = format!("{:?} {}", key(ONE), key(ONE).fingerprint());
        assert!(!printed.contains(ONE) && key(ONE).fingerprint().len() == 8, "{printed}");
        assert_ne!(key(ONE).fingerprint(), key(OTHER).fingerprint());
        for wrong in [
            "",
            "abc",
            &ONE[1..],
            &format!("{ONE}0"),
            "+00102030405060708090a0b0c0d0e0f",
            "ä00102030405060708090a0b0c0d0e0",
        ] {
            assert!(matches!(Key::from_hex(wrong), Err(KeyError::Digits(_))), "{wrong}");
        }
        assert_eq!(Key::from_hex(&"0".repeat(32)), Err(KeyError::Zero));
    }

    #[test]
    fn one_signs_and_at_most_two_are_accepted() {
        let keys = Keys::new(vec![key(OTHER), key(ONE)], false).unwrap();
        assert_eq!((keys.sign(), keys.accept().len()), (Some(&key(OTHER)), 2));
        assert_eq!(Keys::new(vec![], false), Err(KeyError::Count(0)));
        assert_eq!(Keys::new(vec![key(ONE), key(OTHER), key(ONE)], false), Err(KeyError::Count(3)));
        assert_eq!(Keys::new(vec![key(ONE), key(ONE)], false), Err(KeyError::Twice));
        assert!(Keys::default().accept_unauthenticated() && Keys::default().sign().is_none());
    }

    #[test]
    fn people_are_told_which_keys_without_being_told_them() {
        let text = Keys::new(vec![key(ONE), key(OTHER)], true).unwrap().to_string();
        let [one, other] = [key(ONE), key(OTHER)].map(|key| key.fingerprint());
        let wanted = format!(
            "authenticated (key {one}); key {other} is accepted as well; frames without a proof are accepted as well"
        );
        assert_eq!(text, wanted);
        assert_eq!(Keys::new(vec![key(ONE)], false).unwrap().to_string(), format!("authenticated (key {one})"));
        assert_eq!(Keys::default().to_string(), "unauthenticated");
    }
}
