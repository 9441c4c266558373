//! Running the tiers: what each needs first, and the cargo command that runs it.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::{
    Counter, Options, Tally, Tier,
    tier::{TestProgram, programs},
};
use crate::{
    build, frr, image, kernels, kube, lab, paths,
    setup::{self, Purpose},
    sh, sim, ui,
};

/// Tests with real daemons at the same time: each starts six to ten of them, and measures some of its times.
const FRR_THREADS: usize = 4;

/// Clusters side by side, with a scenario in each: they wait for half of their time.
const CLUSTERS: usize = 2;

/// Runs one tier.
///
/// # Errors
/// If something it needs is missing or a command cannot be started. Tests that fail are in the tally.
pub(super) fn tier(tier: Tier, options: &Options) -> Result<Tally> {
    match tier {
        Tier::Unit => unit(options),
        // Optimised: what is simulated in a minute would take ten. Alone, for it needs little of what the others need.
        Tier::Simulation => cargo_tests(Tier::Simulation, options, &["--nocapture"]),
        Tier::Program => {
            need_root()?;
            cargo_tests(Tier::Program, options, &[])
        }
        Tier::Netns => netns(options),
        Tier::Frr => {
            need_root()?;
            frr::ensure()?;
            let threads = options.threads.unwrap_or(FRR_THREADS).to_string();
            cargo_tests(Tier::Frr, options, &["--test-threads", &threads])
        }
        Tier::Cluster => {
            need_root()?;
            // A scenario has FRR beside a speaker, and as a router.
            setup::ensure(&[Purpose::Frr])?;
            cluster(tier, options, &lab::cluster::Options::default())
        }
        Tier::Daemonset => {
            // Pods run images, not the programs of this machine.
            image::build(&image::Wanted::quick()?)?;
            image::build(&image::Wanted::quick_next()?)?;
            kube::ensure(&[kube::Program::Helm])?;
            cluster(tier, options, &lab::cluster::Options { kubelet: true, ..lab::cluster::Options::default() })
        }
        Tier::Kernels => {
            need_root()?;
            kernels::tier(options)
        }
    }
}

fn need_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() { Ok(()) } else { bail!("it needs root; run `cargo xtask test` as root") }
}

fn unit(options: &Options) -> Result<Tally> {
    let mut command = build::cargo("test", "test");
    command.args(["--no-fail-fast", "--lib", "--bins"]);
    for program in programs()?.iter().filter(|program| program.tier() == Tier::Unit) {
        command.args(["--test", &program.name]);
    }
    let mut tally = count(filtered(command, options, &[]))?;
    let mut documentation = build::cargo("test", "test");
    documentation.args(["--no-fail-fast", "--doc"]);
    tally += count(filtered(documentation, options, &[]))?;
    Ok(tally)
}

fn netns(options: &Options) -> Result<Tally> {
    need_root()?;
    setup::ensure(&[Purpose::Lab])?;
    build::own_programs()?;
    let threads = options.threads.unwrap_or_else(four_times_the_processors).to_string();
    cargo_tests(Tier::Netns, options, &["--test-threads", &threads])
}

/// Scenarios that share clusters.
fn cluster(tier: Tier, options: &Options, wanted: &lab::cluster::Options) -> Result<Tally> {
    need_root()?;
    setup::ensure(&wanted.purposes())?;
    // Here, where progress is shown: building them takes minutes.
    kube::ensure(&wanted.programs())?;
    build::own_programs()?;
    let threads = options.threads.unwrap_or(CLUSTERS).to_string();
    cargo_tests(tier, options, &["--test-threads", &threads])
}

/// They wait for nine tenths of their time: for leases, detection, a second of silence and the like.
fn four_times_the_processors() -> usize {
    4 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Runs every test program of a tier.
fn cargo_tests(tier: Tier, options: &Options, arguments: &[&str]) -> Result<Tally> {
    let mut tally = Tally::default();
    for TestProgram { package, name } in programs()?.into_iter().filter(|program| program.tier() == tier) {
        let mut command = if tier == Tier::Simulation {
            // It may run beside tests that look at the clock.
            let mut command = Command::new("nice");
            command.current_dir(paths::root()).args(["-n", "19", "cargo", "test", "--package", &package]);
            command.args(["--profile", sim::PROFILE]);
            command
        } else {
            build::cargo("test", "test")
        };
        command.args(["--no-fail-fast", "--test", &name]);
        tally += count(filtered(command, options, arguments))?;
    }
    Ok(tally)
}

fn filtered(mut command: Command, options: &Options, arguments: &[&str]) -> Command {
    command.arg("--").args(arguments).args(&options.filter);
    command
}

/// Runs a command that prints test results: passes its output on and counts.
fn count(mut command: Command) -> Result<Tally> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| sh::not_started(&command))?;
    let mut counter = Counter::new()?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.with_context(|| format!("read the output of `{}`", sh::display(&command)))?;
            let line = String::from_utf8_lossy(&line);
            counter.line(&line);
            ui::say(line);
        }
    }
    let status = child.wait().with_context(|| format!("wait for `{}`", sh::display(&command)))?;
    Ok(counter.finish(status.success()))
}

/// A test program that was compiled.
pub struct BuiltTest {
    /// Its name.
    pub name: String,
    /// The file to run.
    pub executable: PathBuf,
    /// Folder of its crate: the working directory cargo would give it.
    pub directory: PathBuf,
}

#[derive(Deserialize)]
struct Artifact {
    manifest_path: Option<PathBuf>,
    target: Option<ArtifactTarget>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct ArtifactTarget {
    name: String,
    kind: Vec<String>,
}

/// Compiles test programs without running them.
///
/// # Errors
/// If they do not compile; the compiler has said why.
pub fn built_tests(programs: &[TestProgram]) -> Result<Vec<BuiltTest>> {
    let mut built = Vec::new();
    for TestProgram { name, .. } in programs {
        let mut command = build::cargo("test", "test");
        command.args(["--no-run", "--message-format", "json-render-diagnostics", "--test", name]);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| sh::not_started(&command))?;
        if !output.status.success() {
            bail!("`{}` failed", sh::display(&command));
        }
        built.push(find_artifact(&String::from_utf8_lossy(&output.stdout), name)?);
    }
    Ok(built)
}

fn find_artifact(messages: &str, name: &str) -> Result<BuiltTest> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .find_map(|artifact| {
            let target = artifact.target.filter(|target| target.name == name && target.kind == ["test"])?;
            let directory = artifact.manifest_path?.parent()?.to_owned();
            Some(BuiltTest { name: target.name, executable: artifact.executable?, directory })
        })
        .with_context(|| format!("cargo did not say where it put the test program {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_counted_whatever_its_end() {
        let script = "echo 'test result: ok. 4 passed; 0 failed; 0 ignored'; exit $0";
        for (code, expected) in [("0", Tally { passed: 4, failed: 0 }), ("1", Tally { passed: 4, failed: 1 })] {
            let mut command = Command::new("sh");
            command.args(["-c", script, code]);
            assert_eq!(count(command).unwrap(), expected);
        }
    }

    #[test]
    fn the_executable_is_found_among_the_messages() {
        let messages = r#"{"reason":"build-script-executed"}
{"reason":"compiler-artifact","manifest_path":"/src/a/Cargo.toml","target":{"name":"guest","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/src/a/Cargo.toml","target":{"name":"guest","kind":["test"]},"executable":"/t/guest-1"}
{"reason":"build-finished","success":true}"#;
        let found = find_artifact(messages, "guest").unwrap();
        assert_eq!((found.executable, found.directory), (PathBuf::from("/t/guest-1"), PathBuf::from("/src/a")));
        assert!(find_artifact(messages, "netns").is_err());
    }
}
