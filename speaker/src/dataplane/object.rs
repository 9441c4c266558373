//! The kernel program, built by `cargo xtask build-ebpf` and carried inside this binary.

use std::collections::BTreeMap;

use arpeggio_common::abi::names;
use aya_obj::{Object, ParseError, generated::bpf_map_type};

use super::pins::MapShape;

/// The object file. Aligned because aya reads ELF headers in place.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/arpeggio.o"));

/// The embedded object is not what this agent was written for: a broken build.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It is not a BPF object.
    #[error("the embedded BPF object cannot be read; build it again: cargo xtask build-ebpf")]
    Parse(#[from] ParseError),
    /// It lacks a map of the layout.
    #[error("the embedded BPF object has no map {map}; build it again: cargo xtask build-ebpf")]
    Map {
        /// Which map.
        map: &'static str,
    },
}

/// Maps whose capacity the operator chooses.
pub(super) const SIZED: [&str; 3] = [names::VIPS4, names::VIPS6, names::STATS];

/// The shape of every map of the layout, as the loader will make it.
///
/// # Errors
/// The object cannot be read or lacks a map.
pub(super) fn shapes(object: &[u8], capacity: u32) -> Result<BTreeMap<&'static str, MapShape>, ObjectError> {
    let maps = Object::parse(object)?.maps;
    let shape = |map: &'static str| {
        let definition = maps.get(map).ok_or(ObjectError::Map { map })?;
        let ring = definition.map_type() == bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32;
        let wanted = MapShape {
            kind: definition.map_type(),
            key_size: definition.key_size(),
            // As aya does: the definition of a ring buffer may carry the type of its records, its map has no values.
            value_size: if ring { 0 } else { definition.value_size() },
            max_entries: if SIZED.contains(&map) { capacity } else { definition.max_entries() },
            flags: definition.map_flags(),
        };
        Ok((map, wanted))
    };
    names::ALL.into_iter().map(shape).collect()
}
