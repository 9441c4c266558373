//! Pure: whether a map that is already pinned can serve the program that is about to be loaded.
//!
//! aya takes whatever is pinned under the name and then copies as many bytes as the kernel's map has into a value of the
//! size the program has, so this comparison is what keeps an old pin from corrupting memory.

use std::fmt;

use aya_obj::generated::bpf_map_type;

/// What the kernel fixes when a map is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapShape {
    /// The number of its type (`enum bpf_map_type`).
    pub kind: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries; bytes for a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_…` bits it was made with.
    pub flags: u32,
}

impl fmt::Display for MapShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, key_size, value_size, max_entries, flags } = self;
        match bpf_map_type::try_from(*kind) {
            Ok(bpf_map_type::BPF_MAP_TYPE_HASH) => f.write_str("hash"),
            Ok(bpf_map_type::BPF_MAP_TYPE_ARRAY) => f.write_str("array"),
            Ok(bpf_map_type::BPF_MAP_TYPE_PERCPU_ARRAY) => f.write_str("per-CPU array"),
            Ok(bpf_map_type::BPF_MAP_TYPE_LRU_HASH) => f.write_str("LRU hash"),
            Ok(bpf_map_type::BPF_MAP_TYPE_RINGBUF) => f.write_str("ring buffer"),
            _ => write!(f, "map of type {kind}"),
        }?;
        write!(f, ", key {key_size} B, value {value_size} B, {max_entries} entries, flags {flags:#x}")
    }
}

/// What can be done with a pinned map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is what the program wants.
    Reuse,
    /// Only its capacity differs: its entries can move to a new map.
    Migrate,
    /// Its entries mean something else.
    Refuse,
}

/// Compares a pinned map with the one that the program wants.
pub fn compare(found: &MapShape, wanted: &MapShape) -> Fit {
    let with_capacity_of_wanted = MapShape { max_entries: wanted.max_entries, ..*found };
    if found == wanted {
        Fit::Reuse
    } else if with_capacity_of_wanted == *wanted {
        Fit::Migrate
    } else {
        Fit::Refuse
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const WANTED: MapShape = MapShape { kind: 1, key_size: 8, value_size: 24, max_entries: 16_384, flags: 0 };

    #[rstest]
    #[case::same(WANTED, Fit::Reuse)]
    #[case::larger(MapShape { max_entries: 65_536, ..WANTED }, Fit::Migrate)]
    #[case::smaller(MapShape { max_entries: 1, ..WANTED }, Fit::Migrate)]
    #[case::kind(MapShape { kind: 9, ..WANTED }, Fit::Refuse)]
    #[case::key(MapShape { key_size: 20, ..WANTED }, Fit::Refuse)]
    #[case::value(MapShape { value_size: 16, ..WANTED }, Fit::Refuse)]
    #[case::flags(MapShape { flags: 1, ..WANTED }, Fit::Refuse)]
    #[case::capacity_and_value(MapShape { max_entries: 1, value_size: 16, ..WANTED }, Fit::Refuse)]
    fn a_pinned_map_is_reused_migrated_or_refused(#[case] found: MapShape, #[case] fit: Fit) {
        assert_eq!(compare(&found, &WANTED), fit);
    }

    #[test]
    fn the_text_names_everything_that_is_compared() {
        assert_eq!(WANTED.to_string(), "hash, key 8 B, value 24 B, 16384 entries, flags 0x0");
        assert_eq!(
            MapShape { kind: 4711, ..WANTED }.to_string(),
            "map of type 4711, key 8 B, value 24 B, 16384 entries, flags 0x0"
        );
    }
}
