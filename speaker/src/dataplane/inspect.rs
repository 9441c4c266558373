//! Looks at what is pinned without loading or changing anything: what `speaker status` shows while no agent runs.

use std::path::Path;

use arpeggio_common::abi::LAYOUT_VERSION;
use aya::{
    maps::{Map, MapData, MapError},
    programs::links::{FdLink, PinnedLink},
};

use super::{
    attach::observe,
    maps::{Maps, MapsError},
    pins::{PinDir, PinsError},
};
use crate::decide::AttachMode;

/// A link that is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedProgram {
    /// The interface that its name tells.
    pub ifindex: u32,
    /// How it is attached.
    pub mode: AttachMode,
    /// Id of the program, where the link could be opened.
    pub program_id: Option<u32>,
    /// Tag of the program.
    pub program_tag: Option<String>,
    /// Whether the kernel still has it on that interface.
    pub attached: bool,
}

/// What is pinned cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Nothing is pinned there.
    #[error("nothing is pinned in {}: no agent ever ran with this directory, or everything was cleaned up", path.display())]
    Nothing {
        /// The directory of the layout.
        path: std::path::PathBuf,
    },
    /// Something cannot be opened.
    #[error("cannot open the pinned map {}", path.display())]
    Open {
        /// The pin.
        path: std::path::PathBuf,
        #[expect(missing_docs, reason = "the cause")]
        source: MapError,
    },
    #[expect(missing_docs, reason = "the variant says it")]
    #[error(transparent)]
    Maps(#[from] MapsError),
    #[expect(missing_docs, reason = "the variant says it")]
    #[error(transparent)]
    Pins(#[from] PinsError),
}

/// The pinned maps, open for reading.
pub struct Inspection {
    maps: Maps,
    pins: PinDir,
}

/// Opens the maps below `pin_dir`. Nothing is loaded, made or written.
///
/// # Errors
/// Nothing is pinned, or it is not of this layout.
pub fn inspect(pin_dir: &Path) -> Result<Inspection, InspectError> {
    let pins = PinDir::new(pin_dir);
    if !pins.layout().is_dir() {
        return Err(InspectError::Nothing { path: pins.layout() });
    }
    let mut failure = None;
    let maps = Maps::gather(|name| {
        let path = pins.map(name);
        // aya takes the sizes from the kernel here, so a map of another layout is refused and not misread.
        match MapData::from_pin(&path).and_then(Map::from_map_data) {
            Ok(map) => Some(map),
            Err(source) => {
                failure = Some(InspectError::Open { path, source });
                None
            }
        }
    });
    match (maps, failure) {
        (Ok(maps), _) => Ok(Inspection { maps, pins }),
        (Err(_), Some(failure)) => Err(failure),
        (Err(error), None) => Err(error.into()),
    }
}

impl Inspection {
    /// Version of the layout that was opened.
    pub const fn layout_version(&self) -> u32 {
        LAYOUT_VERSION
    }

    /// The maps: what they say now.
    pub const fn maps(&self) -> &Maps {
        &self.maps
    }

    /// The links that are pinned, by interface.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn programs(&self) -> Result<Vec<PinnedProgram>, PinsError> {
        let describe = |(ifindex, mode)| {
            let facts = PinnedLink::from_pin(self.pins.link(mode, ifindex)).ok().and_then(|pinned| {
                let link = FdLink::from(pinned);
                let id = link.info().ok()?.id();
                observe::links().ok()?.remove(&id)
            });
            PinnedProgram {
                ifindex,
                mode,
                attached: facts.as_ref().is_some_and(|facts| facts.ifindex == ifindex),
                program_id: facts.as_ref().map(|facts| facts.program_id),
                program_tag: facts.map(|facts| facts.program_tag),
            }
        };
        Ok(self.pins.pinned_links()?.into_iter().map(describe).collect())
    }
}
