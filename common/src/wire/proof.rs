//! What shows that the sender of a tag has the shared key: `SipHash`-2-4 (Aumasson and Bernstein, 2012), a keyed hash made for
//! short messages. The program computes it, so it is written here in whole words, without buffers.

use super::{Mac, Nonce};
use crate::abi::NodeId;

/// The shared key of the speakers: 128 bits, as two words in the order of the algorithm.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Key([u64; 2]);

impl Key {
    /// What stands where there is no key.
    pub(crate) const NONE: Self = Self([0; 2]);

    /// From the bytes of a file.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self([u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])])
    }

    /// What may be shown of it: 32 bits from which nobody learns the key.
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are what is shown")]
    pub fn fingerprint(&self) -> u32 {
        siphash(self, &[u64::from_be_bytes(*b"ARPEGIO\0"); WORDS]) as u32
    }
}

impl core::fmt::Debug for Key {
    /// A key is never printed.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What a tagged frame is.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It asks.
    Question = 1,
    /// It answers a question.
    Answer = 2,
    /// It claims an address, or corrects a cache.
    Claim = 3,
}

/// Words of a statement.
const WORDS: usize = 7;

/// Everything that a proof covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement([u64; WORDS]);

impl Statement {
    /// `node` says this from `mac` about `address` (as in [`Key6`](crate::abi::Key6)), by its order's `generation`; `asker` is the
    /// node that is answered. The MAC is in it, or somebody could pass an answer on as the node's, with a MAC of its own.
    #[inline(always)]
    pub const fn new(
        (purpose, mac): (Purpose, Mac),
        (node, asker): (NodeId, Option<NodeId>),
        address: [u8; 16],
        generation: u64,
        nonce: Nonce,
    ) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address;
        let (high, low) = ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]);
        let asker = match asker {
            Some(asker) => asker.number(),
            None => 0,
        };
        Self([
            (purpose as u64) << 48 | mac_number(mac),
            node.number(),
            u64::from_be_bytes(high),
            u64::from_be_bytes(low),
            generation,
            nonce.number(),
            asker,
        ])
    }
}

/// The MAC in the lower 48 bits.
#[inline(always)]
const fn mac_number(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// The proof of a statement. Never 0, which stands for a frame without one.
#[inline(always)]
pub fn proof(key: &Key, statement: &Statement) -> u64 {
    let hash = siphash(key, &statement.0);
    if hash == 0 { 1 } else { hash }
}

#[inline(always)]
fn siphash(key: &Key, words: &[u64; WORDS]) -> u64 {
    let Key([first, second]) = *key;
    let mut state = [
        first ^ 0x736f_6d65_7073_6575,
        second ^ 0x646f_7261_6e64_6f6d,
        first ^ 0x6c79_6765_6e65_7261,
        second ^ 0x7465_6462_7974_6573,
    ];
    for word in words {
        compress(&mut state, *word);
    }
    // The last word holds the length in bytes.
    compress(&mut state, (WORDS as u64 * 8) << 56);
    state[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

#[inline(always)]
fn compress(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

#[inline(always)]
fn round(state: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *state;
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32);
    c = c.wrapping_add(b);
    a = a.wrapping_add(d);
    b = b.rotate_left(17) ^ c;
    d = d.rotate_left(21) ^ a;
    c = c.rotate_left(32);
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher as _;

    use proptest::prelude::*;
    use siphasher::sip::SipHasher24;

    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::from_number(number).unwrap()
    }

    proptest! {
        #[test]
        fn a_proof_is_siphash_over_everything(key: [u8; 16], numbers in (1u64.., 1u64.., any::<[u64; 2]>()), address: [u8; 16], mac: [u8; 6]) {
            let (sender, asker, [generation, nonce]) = numbers;
            let nonce = Nonce::from_number(nonce);
            let statement =
                Statement::new((Purpose::Answer, Mac(mac)), (node(sender), Some(node(asker))), address, generation, nonce);
            let mut hasher = SipHasher24::new_with_key(&key);
            let (high, low) = address.split_at(8);
            let [a, b, c, d, e, f] = mac;
            let words = [u64::from_be_bytes([0, 2, a, b, c, d, e, f]), sender, u64::from_be_bytes(high.try_into().unwrap()), u64::from_be_bytes(low.try_into().unwrap())];
            for word in words.into_iter().chain([generation, nonce.number(), asker]) {
                hasher.write_u64(word);
            }
            prop_assert_eq!(proof(&Key::from_bytes(key), &statement), hasher.finish());
        }
    }

    #[test]
    fn proofs_are_the_same_in_every_version() {
        let key = Key::from_bytes(core::array::from_fn(|index| u8::try_from(index).unwrap()));
        let statement = Statement::new((Purpose::Claim, Mac([4; 6])), (node(1), None), [7; 16], 2, Nonce::statement(3));
        assert_eq!(proof(&key, &statement), 4785345681711564141);
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert_ne!(key.fingerprint(), Key::default().fingerprint());
    }
}
