//! What the API server said last, in a file: an agent that starts without one goes on from there.
//!
//! One JSON document; an Announcement in it looks as its specification in the API, with its generation. A file that is damaged, of another layout or
//! of another node is not used: then nothing is known until the API server answers, and nothing is changed in the kernel.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arpeggio_common::{
    api::{
        announcement::{AnnouncementSpec, L2, Mode as ApiMode},
        names,
    },
    model::{Announcement, Mode, NodeName},
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct as _};

use super::{
    common::Common,
    project::{Wish, project},
};
use crate::world::Config;

/// The file in the run directory.
pub(super) const FILE: &str = "kubernetes.json";
/// The layout that this version writes, and the only one there has been.
const VERSION: u64 = 1;
/// The longest file that is read, in bytes: twenty times what ten thousand announcements need.
const MAX_BYTES: u64 = 64 << 20;

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    /// There is none, or it cannot be read.
    #[error("cannot read the snapshot {0}")]
    Read(PathBuf, #[source] io::Error),
    /// It is no JSON, or not of this shape.
    #[error("the snapshot {0} is damaged")]
    Damaged(PathBuf, #[source] serde_json::Error),
    /// Another version of the agent wrote it.
    #[error("the snapshot {0} has layout {1}, this version reads {VERSION}")]
    Version(PathBuf, u64),
    /// The run directory belongs to another node.
    #[error("the snapshot {0} is of node {1:?}; give every node a run directory of its own")]
    Node(PathBuf, String),
}

impl SnapshotError {
    /// Whether there simply is none yet.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Read(_, error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// What a file said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// The cluster; empty: an agent wrote it that did not know.
    pub(super) cluster: Arc<str>,
    /// Whether the node was to be evacuated.
    pub(super) evacuate: bool,
    /// What was announced, by address.
    pub(super) wishes: Vec<Wish>,
    /// Entries that this version cannot use, and why.
    pub(super) faults: Vec<String>,
    /// When it was written.
    pub(super) at: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    node: String,
    #[serde(default)]
    cluster: String,
    #[serde(default)]
    evacuate: bool,
    #[serde(default)]
    announcements: Vec<Entry>,
}

/// An Announcement.
#[derive(Deserialize, Serialize)]
struct Entry {
    #[serde(flatten)]
    spec: AnnouncementSpec,
    /// See [`Announcement::generation`].
    #[serde(default, skip_serializing_if = "is_unknown")]
    generation: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_unknown(generation: &u64) -> bool {
    *generation == 0
}

/// The version alone, of a file whose other fields may have changed their shape.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// Reads the snapshot of this node. Blocking.
///
/// # Errors
/// See [`SnapshotError`].
pub(super) fn read(file: &Path, node: &NodeName) -> Result<Snapshot, SnapshotError> {
    let failed = |error| SnapshotError::Read(file.to_owned(), error);
    let opened = File::open(file).map_err(failed)?;
    let at = opened.metadata().and_then(|metadata| metadata.modified()).ok();
    let text = io::read_to_string(BufReader::new(io::Read::take(opened, MAX_BYTES))).map_err(failed)?;
    let damaged = |error| SnapshotError::Damaged(file.to_owned(), error);
    let Versioned { version } = serde_json::from_str(&text).map_err(damaged)?;
    if version != VERSION {
        return Err(SnapshotError::Version(file.to_owned(), version));
    }
    let Stored { node: of, cluster, evacuate, announcements } = serde_json::from_str(&text).map_err(damaged)?;
    if of != node.as_str() {
        return Err(SnapshotError::Node(file.to_owned(), of));
    }
    let mut snapshot = Snapshot { cluster: cluster.into(), evacuate, at, ..Snapshot::default() };
    let mut common = Common::default();
    for Entry { spec, generation } in announcements {
        let address = spec.address.clone();
        let name = address.parse().map(names::announcement).unwrap_or_default();
        match project(&name, spec, generation, &mut common) {
            Ok(wish) => snapshot.wishes.push(wish),
            Err(fault) => snapshot.faults.push(format!("{address}: {fault}")),
        }
    }
    Ok(snapshot)
}

/// Replaces the snapshot in one step: whoever reads it finds the old one or the new one. Blocking.
///
/// # Errors
/// The directory cannot be written to.
pub(super) fn write(file: &Path, config: &Config, evacuate: bool) -> io::Result<()> {
    let half = file.with_extension("json.new");
    let mut writer = BufWriter::new(File::create(&half)?);
    serde_json::to_writer(&mut writer, &Content { config, evacuate })?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    fs::rename(&half, file)
}

/// Written entry by entry: ten thousand of them are not held twice.
struct Content<'c> {
    config: &'c Config,
    evacuate: bool,
}

struct Entries<'c>(&'c Config);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Snapshot", 5)?;
        fields.serialize_field("version", &VERSION)?;
        fields.serialize_field("node", &self.config.node)?;
        fields.serialize_field("cluster", &*self.config.cluster)?;
        fields.serialize_field("evacuate", &self.evacuate)?;
        fields.serialize_field("announcements", &Entries(self.config))?;
        fields.end()
    }
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Config { announcements, pools, .. } = self.0;
        let addresses: BTreeSet<&IpAddr> = announcements.keys().chain(pools.keys()).collect();
        serializer.collect_seq(addresses.into_iter().map(|address| Entry {
            spec: AnnouncementSpec {
                address: address.to_string(),
                pool: pools.get(address).map(ToString::to_string).unwrap_or_default(),
                l2: announcements.get(address).map(|announcement| layer2(announcement)),
                ..AnnouncementSpec::default()
            },
            generation: announcements.get(address).map_or(0, |announcement| announcement.generation()),
        }))
    }
}

fn layer2(announcement: &Announcement) -> L2 {
    L2 {
        candidates: announcement.candidates().iter().map(ToString::to_string).collect(),
        interfaces: announcement.interfaces().iter().map(ToString::to_string).collect(),
        mode: match announcement.mode() {
            Mode::Exclusive => ApiMode::Exclusive,
            Mode::Shared => ApiMode::Shared,
        },
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
