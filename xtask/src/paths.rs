//! Where things are in the source tree and below `target`.

use std::path::{Path, PathBuf};

/// The root of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The build directory: the one this very program was built into, so that `CARGO_TARGET_DIR` needs no second reading.
///
/// Test binaries live in `<target>/<profile>/deps`, the xtask binary in `<target>/<profile>`.
#[must_use]
pub fn target() -> PathBuf {
    profile().parent().map_or_else(|| root().join("target"), Path::to_owned)
}

/// `<target>/<profile>` of this very program.
#[must_use]
pub fn profile() -> PathBuf {
    let built = std::env::current_exe().ok().and_then(|exe| {
        let folder = exe.parent()?;
        if folder.file_name()? == "deps" { folder.parent().map(Path::to_owned) } else { Some(folder.to_owned()) }
    });
    built.unwrap_or_else(|| root().join("target/debug"))
}

/// The cargo profile of this very program, as `--profile` wants it.
#[must_use]
pub fn profile_name() -> String {
    let folder = profile();
    let name = folder.file_name().and_then(|name| name.to_str()).filter(|name| *name != "debug");
    name.unwrap_or("dev").to_owned()
}

/// The speaker built with the same profile as this program.
#[must_use]
pub fn speaker() -> PathBuf {
    profile().join("speaker")
}

/// An example program of the speaker crate built with the same profile as this program.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    profile().join("examples").join(name)
}

/// A BPF object that `cargo xtask build-ebpf` made: `arpeggio` or `yardstick`.
#[must_use]
pub fn bpf_object(name: &str) -> PathBuf {
    target().join("bpf").join(format!("{name}.o"))
}
