//! Gathers what a check needs from the rest of the agent, and writes what it finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::Path,
};

use super::{
    super::{Answer, OutputError, output},
    Scope, Verdict, check, render,
};
use crate::{
    args::CheckArgs,
    dataplane::PinDir,
    decide::AttachMode,
    status::{Nothing, Request, Response, ask},
    world::{Exclude, LinkWatch, Links, eligible},
};
use arpeggio_common::program::with_causes;

/// Writes the findings about this machine to `out`. [`Answer::No`] when something stands in the way. Needs a current-thread
/// runtime.
///
/// # Errors
/// The findings cannot be written.
pub async fn run(args: &CheckArgs, out: &mut impl Write) -> Result<Answer, OutputError> {
    let report = check(scope(args).await);
    output::write(out, args.output, &report, || render(&report))?;
    Ok(Answer::when(report.verdict < Verdict::Fail))
}

async fn scope(args: &CheckArgs) -> Scope {
    let links = links().await;
    let (exclude, exclude_error) = match exclude(&args.attachment.exclude_interfaces) {
        Ok(exclude) => (exclude, None),
        Err(error) => (Exclude::nothing(), Some(error)),
    };
    Scope {
        pin_dir: args.places.pin_dir.clone(),
        policy: args.attachment.attach.into(),
        interfaces: args.interfaces.iter().map(ToString::to_string).collect(),
        ineligible: links.as_ref().map(|links| ineligible(links, &exclude)).unwrap_or_default(),
        links,
        exclude_error,
        ours: ours(&args.places.pin_dir),
        paths: paths(&args.places.run_dir).await,
    }
}

/// Nothing where no agent runs: only who has asked others for a while knows.
async fn paths(run_dir: &Path) -> BTreeMap<String, Vec<String>> {
    let Ok(Response::Status(report)) = ask(run_dir, &Request::Status(Nothing {})).await else { return BTreeMap::new() };
    report.interfaces.into_iter().map(|interface| (interface.name, interface.paths)).collect()
}

async fn links() -> Result<Links, String> {
    let watch = LinkWatch::start().await.map_err(|error| with_causes(&error))?;
    let links = watch.links();
    Ok(Links::clone(&links.borrow()))
}

/// The patterns in a file; none without the file.
fn exclude(file: &Path) -> Result<Exclude, String> {
    match fs::read_to_string(file) {
        Ok(text) => Exclude::parse(&text, file).map_err(|error| with_causes(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Exclude::nothing()),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

fn ineligible(links: &Links, exclude: &Exclude) -> BTreeMap<u32, String> {
    let reason = |link| eligible(link, exclude).err().map(|reason| reason.to_string());
    links.0.iter().filter_map(|(index, link)| Some((*index, reason(link)?))).collect()
}

/// The interfaces on which an XDP program of ours is pinned. Without a directory there are none.
fn ours(pin_dir: &Path) -> BTreeSet<u32> {
    let links = PinDir::new(pin_dir).pinned_links().unwrap_or_default();
    let xdp = links.into_iter().filter(|(_, mode)| matches!(mode, AttachMode::Native | AttachMode::Generic));
    xdp.map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_excludes_nothing_and_a_bad_one_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("excludel2.yaml");
        assert_eq!(exclude(&file), Ok(Exclude::nothing()));
        fs::write(&file, "announcedInterfacesToExclude: ['^veth.*']").unwrap();
        assert_eq!(exclude(&file).unwrap().excludes("veth0"), Some("^veth.*"));
        fs::write(&file, "announcedInterfacesToExclude: ['(']").unwrap();
        assert!(exclude(&file).unwrap_err().contains("excludel2.yaml:1"));
        assert!(exclude(folder.path()).unwrap_err().starts_with("cannot read"));
    }
}
