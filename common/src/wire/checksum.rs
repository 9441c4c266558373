//! The Internet checksum (RFC 1071) over words in native order: the sum does not depend on the byte order of the machine.

/// Adds the 32-bit words of `bytes`, whose length is a multiple of four.
#[inline(always)]
pub(super) fn add(sum: u64, bytes: &[u8]) -> u64 {
    bytes.as_chunks::<4>().0.iter().fold(sum, |sum, word| sum + u64::from(u32::from_ne_bytes(*word)))
}

/// Folds the sum to 16 bits, in native order. 0xffff after adding a message with its checksum means that it is right.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the last carry is taken in, so the sum has 16 bits")]
pub(super) const fn fold(sum: u64) -> u16 {
    // Three foldings: 64 bits make at most 33, then 18, then 16 bits and a carry that the last addition takes in.
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}
