//! The hash by which nodes agree without talking: the same on every node, in every version of compiler and library.

use crate::abi::avalanche;

/// FNV-1a over the bytes, with the avalanche of `MurmurHash3` behind it.
pub fn stable_hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    avalanche(bytes.into_iter().fold(0xcbf2_9ce4_8422_2325u64, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_changes() {
        // Computed apart from this code: nodes of two versions have to agree.
        assert_eq!(stable_hash([]), 0xefd0_1f60_ba99_2926);
        assert_eq!(stable_hash(*b"node-a"), 0x48e8_6629_c152_a3f3);
        assert_eq!(stable_hash(*b"node-b"), 0xcc03_1f46_d50f_81c2);
    }
}
