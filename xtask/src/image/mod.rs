//! `cargo xtask image`: one container image with both programs and nothing else, as a file that any runtime loads.
//!
//! The programs are linked statically against the C library of this machine: the image has no other file. The same sources
//! and compiler give the same bytes.

mod pack;
mod programs;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use comfy_table::Table;

use crate::{
    ebpf, manifests, paths,
    setup::{self, Purpose},
    sh, ui,
};

/// `cargo xtask image`.
#[derive(Default, clap::Args)]
pub struct Args {
    /// Name of the image [default: the one in manifests/kustomization.yaml]
    #[arg(long, value_name = "NAME:TAG")]
    tag: Option<String>,
    /// Where to write the archive [default: <target>/image/arpeggio.tar, with --quick arpeggio-quick.tar]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// For tests: the programs of the development build, with the shared libraries of this machine beside them.
    #[arg(long)]
    quick: bool,
}

/// What is wanted in the image, and how it is called.
pub struct Wanted {
    /// Name and tag.
    pub tag: String,
    /// The archive that is written.
    pub archive: PathBuf,
    /// The development build instead of static programs.
    pub quick: bool,
}

/// Tag of the image that takes the place of another in tests of updates.
pub const NEXT: &str = "next";

impl Wanted {
    /// The image of the development build, under the name that the manifests give.
    ///
    /// # Errors
    /// If the manifests name no image.
    pub fn quick() -> Result<Self> {
        Self::from(&Args { quick: true, ..Args::default() })
    }

    /// The same programs as another image: its tag is [`NEXT`].
    ///
    /// # Errors
    /// As [`quick`](Self::quick).
    pub fn quick_next() -> Result<Self> {
        let name = manifests::image()?;
        let tag = name.rsplit_once(':').map_or(name.as_str(), |(name, _)| name);
        let args = Args {
            quick: true,
            tag: Some(format!("{tag}:{NEXT}")),
            output: Some(paths::target().join("image/arpeggio-next.tar")),
        };
        Self::from(&args)
    }

    fn from(args: &Args) -> Result<Self> {
        let name = if args.quick { "arpeggio-quick.tar" } else { "arpeggio.tar" };
        let archive = args.output.clone().unwrap_or_else(|| paths::target().join("image").join(name));
        let tag = args.tag.clone().map_or_else(manifests::image, Ok)?;
        Ok(Self { tag, archive, quick: args.quick })
    }
}

/// Runs the verb.
///
/// # Errors
/// As [`build`].
pub fn run(args: &Args) -> Result<()> {
    let wanted = Wanted::from(args)?;
    let built = build(&wanted)?;
    let archive = wanted.archive.display();
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(["file", "MB"]);
    for (path, bytes) in built {
        table.add_row([path.display().to_string(), megabytes(bytes)]);
    }
    table.add_row([format!("archive {archive}"), megabytes(fs::metadata(&wanted.archive)?.len())]);
    table.add_row(["as a registry keeps it".to_owned(), megabytes(compressed(&wanted.archive)?)]);
    ui::say(table);
    ui::say(format_args!("{} is in {archive}; nodes take it with:", wanted.tag));
    ui::say(format_args!("   ctr --namespace k8s.io images import {archive}"));
    ui::say(format_args!("   docker load --input {archive}"));
    Ok(())
}

/// Builds the programs and writes the archive. Returns the files of the image, with their bytes.
///
/// # Errors
/// If something does not compile, or cannot be packed.
pub fn build(wanted: &Wanted) -> Result<Vec<(PathBuf, u64)>> {
    setup::ensure(&[Purpose::Image])?;
    if !paths::bpf_object("arpeggio").exists() {
        ebpf::run(&ebpf::Args::default())?;
    }
    let folder = wanted.archive.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let scratch = tempfile::tempdir_in(folder).context("make a folder for the image")?;
    let step = ui::Step::begin(if wanted.quick { "Building the programs" } else { "Building static programs" });
    let tree = scratch.path().join("tree");
    let files = if wanted.quick { programs::quick(scratch.path())? } else { programs::fixed()? };
    step.done("built");
    let step = ui::Step::begin("Packing the image");
    lay_out(&tree, &files)?;
    pack::pack(&tree, scratch.path(), wanted)?;
    step.done(wanted.archive.display());
    files.into_iter().map(|(path, file)| Ok((path, fs::metadata(file)?.len()))).collect()
}

/// Copies the files to where they are in the image.
fn lay_out(tree: &Path, files: &[(PathBuf, PathBuf)]) -> Result<()> {
    for (path, file) in files {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let target = tree.join(relative);
        let folder = target.parent().unwrap_or(tree);
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        fs::copy(file, &target).with_context(|| format!("copy {} to {}", file.display(), target.display()))?;
    }
    Ok(())
}

/// Bytes of the archive after compression.
fn compressed(archive: &Path) -> Result<u64> {
    let mut gzip = Command::new("gzip");
    gzip.arg("--stdout").arg(archive).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = gzip.spawn().with_context(|| sh::not_started(&gzip))?;
    let output = child.stdout.take().context("gzip has no output")?;
    let bytes = std::io::copy(&mut std::io::BufReader::new(output), &mut std::io::sink())?;
    ensure!(child.wait()?.success(), "`{}` failed", sh::display(&gzip));
    Ok(bytes)
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{:02}", bytes / 1_000_000, bytes % 1_000_000 / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_image_is_that_of_the_manifests() {
        let wanted = Wanted::from(&Args::default()).unwrap();
        assert_eq!(wanted.tag, manifests::image().unwrap());
        assert!(wanted.archive.ends_with("image/arpeggio.tar") && !wanted.quick);
        assert!(Wanted::quick().unwrap().archive.ends_with("image/arpeggio-quick.tar"));
        let args = Args { tag: Some("arpeggio:dev".into()), output: Some("/tmp/x.tar".into()), quick: false };
        let wanted = Wanted::from(&args).unwrap();
        assert_eq!((wanted.tag.as_str(), wanted.archive), ("arpeggio:dev", PathBuf::from("/tmp/x.tar")));
    }

    #[test]
    fn sizes_are_read_easily() {
        assert_eq!(megabytes(12_345_678), "12.34");
        assert_eq!(megabytes(50_000), "0.05");
    }

    #[test]
    fn files_lie_where_the_image_has_them() {
        let scratch = tempfile::tempdir().unwrap();
        let source = scratch.path().join("source");
        fs::write(&source, "x").unwrap();
        let tree = scratch.path().join("tree");
        lay_out(&tree, &[("/speaker".into(), source.clone()), ("/lib/deep/libc.so.6".into(), source)]).unwrap();
        assert_eq!(fs::read(tree.join("lib/deep/libc.so.6")).unwrap(), b"x");
        assert!(tree.join("speaker").exists());
    }

    #[test]
    fn a_registry_keeps_less_than_the_archive() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("archive");
        fs::write(&file, vec![0; 1 << 20]).unwrap();
        assert!((1..100_000).contains(&compressed(&file).unwrap()));
    }
}
