//! What can be told without an agent: the pinned maps and links, and the interfaces that they are about.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use arpeggio_common::abi::{Client, Vip};

use crate::{
    dataplane::{
        CountersError, InspectError, Inspection, LeaseError, PinnedProgram, PinsError, TableError, inspect,
        monotonic_ns,
    },
    status::{AttachmentFacts, EntryFacts, Facts},
    world::{LinkWatch, Links, NetlinkError},
};

/// The pinned maps, the pinned links or the interfaces cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PinnedError {
    /// The pin directory cannot be looked at.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// Nobody but the user of the agent may look.
    #[error("not allowed to look at what is pinned in {}; run this as the user of the agent or as root", path.display())]
    Denied {
        /// The pin directory.
        path: PathBuf,
    },
    /// The address maps.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The counters.
    #[error(transparent)]
    Counters(#[from] CountersError),
    /// The lease.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The links.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// The interfaces.
    #[error(transparent)]
    Links(#[from] NetlinkError),
}

/// Who asked on which interface, by its address.
pub(super) type Clients = BTreeMap<(u32, IpAddr), Client>;

/// The facts without an agent, and who asked for one address.
///
/// # Errors
/// Something is pinned and cannot be read.
pub(super) async fn facts_and_clients(pin_dir: &Path, address: IpAddr) -> Result<(Facts, Clients), PinnedError> {
    let Some(inspection) = look(pin_dir)? else { return Ok((nothing(), Clients::new())) };
    let (facts, clients) = (facts_of(&inspection).await?, inspection.maps().clients()?);
    let of_address = |(((ifindex, vip), client), found)| (vip == address).then_some(((ifindex, client), found));
    Ok((facts, clients.into_iter().filter_map(of_address).collect()))
}

/// The facts without an agent; next to none when nothing is pinned.
///
/// # Errors
/// Something is pinned and cannot be read.
pub(super) async fn facts(pin_dir: &Path) -> Result<Facts, PinnedError> {
    match look(pin_dir)? {
        Some(inspection) => facts_of(&inspection).await,
        None => Ok(nothing()),
    }
}

/// What is pinned, if something is.
fn look(pin_dir: &Path) -> Result<Option<Inspection>, PinnedError> {
    let denied = || PinnedError::Denied { path: pin_dir.to_owned() };
    // To those who may not enter the file system it looks empty.
    match std::fs::read_dir(pin_dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(denied()),
        Ok(_) | Err(_) => {}
    }
    match inspect(pin_dir) {
        Err(InspectError::Nothing { .. }) => Ok(None),
        Err(error) if is_denied(&error) => Err(denied()),
        inspection => Ok(Some(inspection?)),
    }
}

/// Whether the kernel says in the end that this user may not (EACCES of a file, EPERM of a BPF map).
fn is_denied(error: &InspectError) -> bool {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut kinds = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.any(|kind| kind == io::ErrorKind::PermissionDenied)
}

fn nothing() -> Facts {
    Facts { now_ns: monotonic_ns(), ..Facts::default() }
}

async fn facts_of(inspection: &Inspection) -> Result<Facts, PinnedError> {
    let now_ns = monotonic_ns();
    let maps = inspection.maps();
    let vips = maps.entries()?;
    let stats = maps.stats(&vips.values().map(Vip::slot).collect())?;
    let entries: BTreeMap<_, _> = vips
        .into_iter()
        .map(|(place, vip)| (place, EntryFacts { vip, stats: stats.get(&vip.slot()).copied().unwrap_or_default() }))
        .collect();
    let programs = inspection.programs()?;
    let used = entries.keys().map(|(index, _)| *index).chain(programs.iter().map(|program| program.ifindex)).collect();
    Ok(Facts {
        now_ns,
        lease_until_ns: Some(maps.lease()?.until_ns),
        links: links(&used).await?,
        attachments: attachments(&programs),
        entries,
        sightings: maps.sightings()?,
        outcomes: maps.outcomes()?,
        ..Facts::default()
    })
}

/// The interfaces that something is pinned for: without an agent nobody knows which others it would use.
async fn links(used: &BTreeSet<u32>) -> Result<Links, NetlinkError> {
    let watch = LinkWatch::start().await?;
    let mut links = Links::clone(&watch.links().borrow());
    links.0.retain(|index, _| used.contains(index));
    Ok(links)
}

/// A link that is pinned but no longer attached does nothing.
fn attachments(programs: &[PinnedProgram]) -> BTreeMap<u32, AttachmentFacts> {
    let mut attachments: BTreeMap<u32, AttachmentFacts> = BTreeMap::new();
    for program in programs {
        let attachment = attachments.entry(program.ifindex).or_default();
        if program.attached {
            attachment.mode = Some(program.mode);
        }
    }
    attachments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::AttachMode;

    #[test]
    fn only_what_is_attached_counts() {
        let program =
            |ifindex, mode, attached| PinnedProgram { ifindex, mode, program_id: None, program_tag: None, attached };
        let attachments = attachments(&[
            program(2, AttachMode::Tcx, true),
            program(2, AttachMode::Generic, false),
            program(3, AttachMode::Native, false),
        ]);
        assert_eq!(attachments[&2].mode, Some(AttachMode::Tcx));
        assert_eq!(attachments[&3].mode, None);
    }

    #[tokio::test]
    async fn nothing_pinned_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let facts = facts(folder.path()).await.unwrap();
        assert!(facts.entries.is_empty() && facts.lease_until_ns.is_none() && facts.now_ns > 0);
    }
}
