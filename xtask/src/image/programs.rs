//! The programs of the image: static ones, or those of the development build with what they need.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{build, paths, sh};

/// The programs, by package.
const PROGRAMS: [(&str, &str); 2] = [("arpeggio-controller", "controller"), ("arpeggio-speaker", "speaker")];

/// Release builds without any shared library: `(path in the image, file)`.
///
/// The C library is linked in. It is the host's own target, so no other toolchain is needed; naming it keeps the flags away from
/// build scripts and macros, which have to be loaded.
///
/// # Errors
/// If they do not compile.
pub(super) fn fixed() -> Result<Vec<(PathBuf, PathBuf)>> {
    let target = host()?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root()).args(["build", "--quiet", "--release", "--locked", "--bins"]);
    for (package, _) in PROGRAMS {
        command.args(["--package", package]);
    }
    command.args(["--target", &target]).arg("--target-dir").arg(paths::target());
    let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", target.to_uppercase().replace('-', "_"));
    command.env_remove("RUSTFLAGS").env(variable, flags(&sources()));
    sh::stream(command)?;
    let folder = paths::target().join(&target).join("release");
    Ok(PROGRAMS.iter().map(|(_, name)| (in_image(name), folder.join(name))).collect())
}

/// The programs of this build's profile without debugging information, which goes to `scratch`, and their libraries.
///
/// # Errors
/// If they do not compile.
pub(super) fn quick(scratch: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    build::own_programs()?;
    let mut files = Vec::new();
    let mut libraries = BTreeSet::new();
    for (_, name) in PROGRAMS {
        let (built, stripped) = (paths::profile().join(name), scratch.join(name));
        let mut strip = Command::new("objcopy");
        strip.arg("--strip-debug").arg(&built).arg(&stripped);
        sh::run(strip)?;
        let mut ldd = Command::new("ldd");
        ldd.arg(&built);
        libraries.extend(needed(&sh::read(ldd)?));
        files.push((in_image(name), stripped));
    }
    for library in libraries {
        // Where it says it is, it is looked for in the image too; a link is followed here.
        let file = fs::canonicalize(&library).with_context(|| format!("look for {}", library.display()))?;
        files.push((library, file));
    }
    Ok(files)
}

fn in_image(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

/// Folders whose names must not be in the programs, and what is there instead: the same sources give the same bytes wherever
/// they lie.
fn sources() -> Vec<(PathBuf, &'static str)> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home?.join(".cargo")));
    let mut all = vec![(paths::root().to_owned(), "/arpeggio")];
    all.extend(cargo.map(|folder| (folder, "/cargo")));
    all
}

fn flags(sources: &[(PathBuf, &str)]) -> String {
    let mut flags = "-C target-feature=+crt-static".to_owned();
    for (folder, name) in sources {
        flags += &format!(" --remap-path-prefix={}={name}", folder.display());
    }
    flags
}

/// The target for which this machine's compiler builds by itself.
fn host() -> Result<String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg("-vV");
    let text = sh::read(rustc)?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).with_context(|| format!("rustc does not say what it builds for:\n{text}"))
}

/// Paths in what `ldd` prints: `name => path (address)` or `path (address)`.
fn needed(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let place = line.split_once("=>").map_or(line, |(_, place)| place);
        let word = place.split_whitespace().next()?;
        word.starts_with('/').then(|| PathBuf::from(word))
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let text = "\tlinux-vdso.so.1 (0x00007ffe)\n\tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let names =
            ["/lib/x86_64-linux-gnu/libgcc_s.so.1", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(needed(text), names.map(PathBuf::from));
        assert_eq!(needed("\tstatically linked\n"), [] as [PathBuf; 0]);
    }

    #[test]
    fn no_folder_of_this_machine_gets_into_the_programs() {
        let flags = flags(&[("/src/a".into(), "/arpeggio"), ("/home-of/cargo".into(), "/cargo")]);
        assert_eq!(
            flags,
            "-C target-feature=+crt-static --remap-path-prefix=/src/a=/arpeggio --remap-path-prefix=/home-of/cargo=/cargo"
        );
    }

    #[test]
    fn the_compiler_says_what_it_builds_for() {
        assert!(host().unwrap().contains("linux"));
    }
}
