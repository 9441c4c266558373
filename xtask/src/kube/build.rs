//! Building the programs of Kubernetes with Go, once for each user.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{Program, VERSION, find};
use crate::{paths, setup, sh, ui};

/// The module that pins the release and everything it is made of.
const MODULE: &str = "xtask/kube";
/// The same of Helm.
const HELM: &str = "xtask/kube/helm";
/// The oldest Go that the release builds with: major, minor.
const GO: (u32, u32) = (1, 26);
/// Lines of progress where there is no terminal: one for so many compiled packages.
const LINE_EVERY: usize = 250;

/// Major and minor number of the release.
fn release() -> (&'static str, &'static str) {
    let mut numbers = VERSION.trim_start_matches('v').split('.');
    (numbers.next().unwrap_or("1"), numbers.next().unwrap_or("0"))
}

/// What the linker is told. Without the version the API server calls itself `v0.0.0-master…`, which kubectl cannot read.
fn linker_flags() -> String {
    let (major, minor) = release();
    let base = "k8s.io/component-base/version";
    format!("-s -w -X {base}.gitVersion={VERSION} -X {base}.gitMajor={major} -X {base}.gitMinor={minor}")
}

/// Helm's own linker flags: charts ask for the release of Kubernetes, which `helm template` cannot learn from a cluster.
fn helm_linker_flags() -> String {
    let (major, minor) = release();
    let base = "helm.sh/helm/v3/pkg/chartutil";
    format!("-s -w -X {base}.k8sVersionMajor={major} -X {base}.k8sVersionMinor={minor}")
}

fn flags(program: Program) -> [String; 4] {
    let linker = if program == Program::Helm { helm_linker_flags() } else { linker_flags() };
    ["-trimpath".to_owned(), "-mod=readonly".to_owned(), "-ldflags".to_owned(), linker]
}

fn module(program: Program) -> &'static str {
    if program == Program::Helm { HELM } else { MODULE }
}

fn package(program: Program) -> String {
    if program == Program::Helm {
        "helm.sh/helm/v3/cmd/helm".to_owned()
    } else {
        format!("k8s.io/kubernetes/cmd/{}", program.file())
    }
}

/// Name of the cache's folder: the release, and a digest of everything that decides what comes out.
pub(super) fn key(program: Program) -> String {
    let module = module(program);
    let mut inputs = flags(program).concat().into_bytes();
    for file in ["go.mod", "go.sum"] {
        inputs.extend(fs::read(paths::root().join(module).join(file)).unwrap_or_default());
    }
    let name = if module == HELM { format!("helm-{VERSION}") } else { VERSION.to_owned() };
    format!("{name}-{}-{:016x}", std::env::consts::ARCH, fnv1a(&inputs))
}

/// 64-bit FNV-1a: the same in every release of the compiler, unlike the standard library's hashers.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Builds programs into the folder, which is that of their [`key`], and returns where each is. Waits for another process that is building.
///
/// # Errors
/// If there is no Go that is new enough, or the build fails.
pub(super) fn build(programs: &[Program], cache: &Path) -> Result<BTreeMap<Program, PathBuf>> {
    fs::create_dir_all(cache).with_context(|| format!("create the cache {}", cache.display()))?;
    let _lock = lock(cache)?;
    remove_drafts(cache)?;
    let mut built = BTreeMap::new();
    for &program in programs {
        let path = cache.join(program.file());
        // Whoever held the lock before us may have built it.
        if !setup::is_executable(&path) {
            one(&go()?, program, &path)?;
        }
        built.insert(program, path);
    }
    Ok(built)
}

/// Removes what builds that were interrupted have left; whoever holds the lock is the only one that builds.
fn remove_drafts(cache: &Path) -> Result<()> {
    let entries = fs::read_dir(cache).with_context(|| format!("list {}", cache.display()))?;
    let drafts = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        ending.starts_with("draft-")
    });
    drafts
        .into_iter()
        .try_for_each(|draft| fs::remove_file(&draft).with_context(|| format!("remove {}", draft.display())))
}

fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("lock");
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    if file.try_lock().is_err() {
        let step = ui::Step::begin("Waiting for another process that builds Kubernetes");
        file.lock().with_context(|| format!("lock {}", path.display()))?;
        step.done("it has ended");
    }
    Ok(file)
}

fn one(go: &Path, program: Program, path: &Path) -> Result<()> {
    let step = ui::Step::begin(format!("Building {} for Kubernetes {VERSION} (minutes, once)", program.file()));
    // In the same folder, so that the rename is one step: nobody ever runs half a program.
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut command = Command::new(go);
    command
        .current_dir(paths::root().join(module(program)))
        .env("CGO_ENABLED", "0")
        .arg("build")
        .args(flags(program))
        .args(["-v", "-o"]);
    command.arg(&draft).arg(package(program));
    let built = watch(&mut command, &step);
    if let Err(error) = built {
        // It may not exist; the error that counts is the other one.
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    fs::rename(&draft, path).with_context(|| format!("rename {} to {}", draft.display(), path.display()))?;
    step.done("built");
    Ok(())
}

/// Runs the build; shows each package that is compiled.
fn watch(command: &mut Command, step: &ui::Step) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| sh::not_started(command))?;
    let mut last = Vec::new();
    if let Some(output) = child.stderr.take() {
        for (number, line) in (1..).zip(BufReader::new(output).lines()) {
            let line = line.context("read what go prints")?;
            step.note(format_args!("{number} packages compiled, now {line}"));
            if number % LINE_EVERY == 0 {
                step.plain(format_args!("     {number} packages compiled"));
            }
            last.push(line);
        }
    }
    let status = child.wait().context("wait for go")?;
    if !status.success() {
        let tail = last.split_off(last.len().saturating_sub(20)).join("\n");
        bail!("`{}` failed ({status}); its last lines:\n{tail}", sh::display(command));
    }
    Ok(())
}

/// Go's own program, if it is new enough.
fn go() -> Result<PathBuf> {
    let found = setup::find("go").or_else(|| find::executable(Path::new("/usr/local/go/bin/go")));
    let version = found.as_ref().and_then(|go| {
        let mut command = Command::new(go);
        // The compiler itself, not one that it would download.
        command.env("GOTOOLCHAIN", "local").args(["env", "GOVERSION"]);
        sh::read(command).ok()
    });
    match (found, version) {
        (Some(go), Some(version)) if parse_version(&version).is_some_and(|version| version >= GO) => Ok(go),
        (_, version) => bail!(
            "there is no Kubernetes {VERSION} to run and none can be built: that needs Go {}.{} or later and {}. Two ways out: \
             install Go (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl, \
             with kube-controller-manager and kube-proxy beside them or in PATH",
            GO.0,
            GO.1,
            version.map_or_else(|| "there is no Go".to_owned(), |version| format!("this one is {version}")),
        ),
    }
}

/// `go1.26.8` → (1, 26).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("go")?.split('.');
    let minor = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    Some((numbers.next()?.parse().ok()?, minor(numbers.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_read() {
        for (text, version) in [("go1.26.8", (1, 26)), ("go1.27rc1\n", (1, 27)), ("go1.9", (1, 9))] {
            assert_eq!(parse_version(text), Some(version));
        }
        assert_eq!(parse_version("devel +1234"), None);
        assert!((1, 9) < GO);
    }

    #[test]
    fn the_module_pins_the_release() {
        let module = fs::read_to_string(paths::root().join(MODULE).join("go.mod")).unwrap();
        assert!(module.contains(&format!("k8s.io/kubernetes {VERSION}")), "{module}");
        let others = [Program::Etcd, Program::Helm];
        for program in Program::ALL.into_iter().filter(|program| !others.contains(program)) {
            assert!(module.contains(&format!("{}\n", package(program))), "{}", program.file());
        }
    }

    #[test]
    fn helm_is_made_of_what_kubernetes_is_made_of() {
        let versions = |folder: &str| -> BTreeMap<String, String> {
            let text = fs::read_to_string(paths::root().join(folder).join("go.mod")).unwrap();
            let replaced = text.lines().filter_map(|line| line.trim().split_once(" => "));
            let version = |line: &str| line.trim().rsplit(' ').next().unwrap().to_owned();
            let replaced = replaced.map(|(name, to)| (name.to_owned(), version(to)));
            let required = text.lines().filter_map(|line| line.trim().strip_suffix(" // indirect")?.split_once(' '));
            let required = required.map(|(name, version)| (name.to_owned(), version.to_owned()));
            required.chain(replaced).collect()
        };
        let (kubernetes, helm) = (versions(MODULE), versions(HELM));
        for (name, version) in kubernetes {
            assert_eq!(helm.get(&name), Some(&version), "{name}: set it with `replace` in {HELM}/go.mod");
        }
    }

    #[test]
    fn the_key_tells_releases_and_digests_apart() {
        assert!(key(Program::Kubectl).starts_with("v1.36.3-"), "{}", key(Program::Kubectl));
        assert_ne!(key(Program::Helm), key(Program::Kubectl));
        // The published test vector of the hash.
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert!(linker_flags().contains("gitMajor=1 ") && linker_flags().ends_with("gitMinor=36"));
    }

    #[test]
    fn a_program_that_another_process_built_meanwhile_is_not_built_again() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("kubectl");
        fs::copy("/bin/true", &path).unwrap();
        let draft = cache.path().join("kubectl.draft-1");
        fs::write(&draft, "half").unwrap();
        // Reaching the compiler would replace the file, and take minutes.
        let built = build(&[Program::Kubectl], cache.path()).unwrap();
        assert_eq!(built[&Program::Kubectl], path);
        assert!(!draft.exists());
        assert_eq!(fs::read(&path).unwrap(), fs::read("/bin/true").unwrap());
    }
}
