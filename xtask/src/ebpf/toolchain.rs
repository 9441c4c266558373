//! Finding a compiler for `bpfel-unknown-none` and the linker.
//!
//! First hit wins: `EBPF_RUSTC`; a rustup nightly with rust-src; Debian's rustc with its prebuilt core for BPF; any other
//! rustc with rust-src. Debian's compiler and every stable one need RUSTC_BOOTSTRAP=1, because aya-ebpf uses the unstable
//! BPF inline assembly.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{setup, sh, ui};

/// The target: little-endian BPF, the same for all CPUs we run on.
pub(super) const TARGET: &str = "bpfel-unknown-none";

/// The linker: version and where it comes from.
const LINKER: &str = "bpf-linker";
const LINKER_VERSION: &str = "0.13.0";
/// Debian's compiler for web browsers, and its core library for BPF.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];

/// Where the core library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Core {
    /// It is there, compiled.
    Prebuilt,
    /// Its sources are there.
    Sources,
}

/// A compiler that can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toolchain {
    rustc: PathBuf,
    core: Core,
    version: Version,
}

/// What `rustc -vV` says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    release: String,
    llvm: u32,
}

impl Version {
    fn nightly(&self) -> bool {
        self.release.contains("nightly") || self.release.contains("dev")
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = match self.core {
            Core::Prebuilt => "prebuilt core",
            Core::Sources => "core from rust-src",
        };
        write!(f, "{} {} (LLVM {}), {core}", self.rustc.display(), self.version.release, self.version.llvm)
    }
}

impl Toolchain {
    /// Sets up a `cargo build` of the sources below `root`.
    pub(super) fn configure(&self, cargo: &mut Command, root: &Path) {
        cargo.env("RUSTC", &self.rustc).env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTFLAGS");
        if !self.version.nightly() {
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        if self.core == Core::Sources {
            cargo.args(["-Z", "build-std=core"]);
        }
        let home = cargo_home();
        let flags = [
            "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
            // 32-bit registers: Linux 5.1.
            "-Ctarget-cpu=v3".to_owned(),
            "-Cdebuginfo=2".to_owned(),
            "-Clink-arg=--btf".to_owned(),
            // Whole-word loads from packets: byte-wise copies were a third of the cost of an answer.
            "-Clink-arg=--cpu-features=+allows-misaligned-mem-access".to_owned(),
            format!("--remap-path-prefix={}=", root.display()),
            format!("--remap-path-prefix={}=cargo", home.display()),
        ];
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    }
}

fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map(PathBuf::from).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").unwrap_or_default();
        Path::new(&home).join(".cargo")
    })
}

/// A compiler and a linker that fit together; installs what is missing where it may.
///
/// # Errors
/// If something is missing and cannot be installed from here; the message holds the commands.
pub(super) fn find_or_install() -> Result<Toolchain> {
    let toolchain = match find() {
        Some(toolchain) => toolchain,
        None => {
            if let Err(error) = setup::install(&DEBIAN_PACKAGES) {
                bail!("{error:#}\nor, with rustup:\n    rustup toolchain install nightly --component rust-src");
            }
            find().context("the packages are installed, but no compiler for BPF was found")?
        }
    };
    linker(&toolchain)?;
    Ok(toolchain)
}

fn find() -> Option<Toolchain> {
    let given = std::env::var_os("EBPF_RUSTC").map(PathBuf::from);
    let nightly = || rustup(&["which", "--toolchain", "nightly", "rustc"]);
    let default = || rustup(&["which", "rustc"]);
    given
        .and_then(|rustc| examine(rustc, &[Core::Prebuilt, Core::Sources]))
        .or_else(|| examine(nightly()?, &[Core::Sources]))
        .or_else(|| examine(DEBIAN_RUSTC.into(), &[Core::Prebuilt]))
        .or_else(|| examine(default()?, &[Core::Sources]))
        .or_else(|| examine(DEBIAN_RUSTC.into(), &[Core::Sources]))
}

fn rustup(arguments: &[&str]) -> Option<PathBuf> {
    let mut command = Command::new("rustup");
    // Asking must not start a download.
    command.args(arguments).env("RUSTUP_AUTO_INSTALL", "0");
    sh::read(command).ok().map(PathBuf::from)
}

/// The compiler at this path, if it has its core library in one of these forms.
fn examine(rustc: PathBuf, forms: &[Core]) -> Option<Toolchain> {
    let ask = |argument: &[&str]| {
        let mut command = Command::new(&rustc);
        command.args(argument);
        sh::read(command).ok()
    };
    let version = parse_version(&ask(&["-vV"])?)?;
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    let prebuilt = || {
        let folder = sysroot.join("lib/rustlib").join(TARGET).join("lib");
        std::fs::read_dir(folder).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libcore-")))
        })
    };
    let sources = || sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists();
    let core = *forms.iter().find(|form| match form {
        Core::Prebuilt => prebuilt(),
        Core::Sources => sources(),
    })?;
    Some(Toolchain { rustc, core, version })
}

fn parse_version(text: &str) -> Option<Version> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let llvm = field("LLVM version:")?.split('.').next()?.parse().ok()?;
    Some(Version { release: field("release:")?.to_owned(), llvm })
}

/// Makes sure that the linker is there. It reads the compiler's bitcode, so it must be built with an LLVM that is at least
/// as new; Debian has that LLVM under the compiler's own number.
fn linker(toolchain: &Toolchain) -> Result<()> {
    let mut version = Command::new(LINKER);
    version.arg("--version");
    if sh::read(version).is_ok() {
        return Ok(());
    }
    let llvm = toolchain.version.llvm;
    let feature = format!("llvm-{llvm}");
    let package = format!("llvm-{llvm}-dev");
    let by_hand = format!(
        "{LINKER} is missing; install it with\n    LLVM_PREFIX=/usr/lib/{feature} cargo install {LINKER} --version {LINKER_VERSION} --no-default-features --features {feature}"
    );
    setup::install(&[&package]).with_context(|| by_hand.clone())?;
    let step = ui::Step::begin(format!("installing {LINKER} {LINKER_VERSION} (about a minute)"));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args([
            "install",
            LINKER,
            "--version",
            LINKER_VERSION,
            "--locked",
            "--no-default-features",
            "--features",
            &feature,
        ])
        .env("LLVM_PREFIX", format!("/usr/lib/{feature}"));
    sh::run(cargo).context(by_hand)?;
    step.done("done");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_llvm_version_is_read_from_the_compiler() {
        let text = "rustc 1.96.0 (x 2026-05-25)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(parse_version(text), Some(Version { release: "1.96.0".into(), llvm: 22 }));
        assert_eq!(parse_version("rustc 1.96.0\n"), None);
    }

    #[test]
    fn only_nightly_needs_no_bootstrap() {
        let version = |release: &str| Version { release: release.into(), llvm: 22 };
        assert!(version("1.97.0-nightly").nightly());
        assert!(!version("1.96.0").nightly());
    }

    #[test]
    fn a_program_that_is_no_compiler_is_no_toolchain() {
        assert_eq!(examine("/bin/true".into(), &[Core::Prebuilt, Core::Sources]), None);
        assert_eq!(examine("/nonexistent".into(), &[Core::Prebuilt]), None);
    }
}
