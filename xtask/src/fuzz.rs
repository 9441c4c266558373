//! `cargo xtask fuzz`: searches inputs that break what must hold for the packet decision and the configuration reader.
//!
//! Coverage comes from the instrumentation pass that the stable compiler has; neither nightly nor cargo-fuzz is needed. The
//! corpus grows below `target/fuzz` and is kept from run to run; nothing of it is committed.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use regex::Regex;

use crate::{paths, sh, ui};

/// Every edge counts its visits, and comparisons tell what they compared: what libFuzzer steers by.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

const PACKAGE: &str = "arpeggio-speaker-fuzz";

/// Lines of a target's output that are shown when it fails.
const TAIL: usize = 60;

/// `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// Targets to fuzz [default: every target].
    #[arg(value_enum)]
    target: Option<Target>,
    /// Seconds for each target.
    #[arg(long, value_name = "N", default_value_t = 30)]
    seconds: u64,
}

/// A fuzz target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The packet decision of the BPF program, host build.
    Packet,
    /// The configuration and exclude files of the speaker.
    Config,
}

impl Target {
    const ALL: [Self; 2] = [Self::Packet, Self::Config];

    fn name(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Config => "config",
        }
    }

    /// Longest input in bytes: a head and a frame with more options than are read, or a screen of YAML.
    fn longest(self) -> u32 {
        match self {
            Self::Packet => 320,
            Self::Config => 4096,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// If the targets do not compile, or one of them found an input that breaks a property; the message names its file.
pub fn run(args: &Args) -> Result<()> {
    let programs = build()?;
    let corpus = folder().join("corpus");
    plant(&corpus)?;
    let targets = args.target.map_or_else(|| Target::ALL.to_vec(), |target| vec![target]);
    let mut failures = Vec::new();
    for target in targets {
        let step = ui::Step::begin(format!("fuzzing {} for {} s", target.name(), args.seconds));
        let mut command = Command::new(programs.join(target.name()));
        let artifacts = folder().join("artifacts").join(target.name());
        fs::create_dir_all(&artifacts).with_context(|| format!("create {}", artifacts.display()))?;
        command.args([
            format!("-max_total_time={}", args.seconds),
            format!("-artifact_prefix={}/", artifacts.display()),
            format!("-max_len={}", target.longest()),
        ]);
        command.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]).arg(corpus.join(target.name()));
        match search(&mut command, |line| step.note(line))? {
            Found::Nothing { executions, edges } => {
                step.done(format_args!("{executions} executions, {edges} edges covered, no failure"));
            }
            Found::Failure { input, output } => {
                drop(step);
                ui::say(&output);
                let program = sh::display(Command::new(programs.join(target.name())).arg(&input));
                failures.push(format!("{} breaks a property; `{program}` shows it again", target.name()));
            }
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

fn folder() -> PathBuf {
    paths::target().join("fuzz")
}

/// Writes the inputs to begin with. Their writer is built without instrumentation, which only the engine can be linked with.
fn plant(corpus: &Path) -> Result<()> {
    let mut seeds = Command::new("cargo");
    seeds.current_dir(paths::root()).args(["run", "--quiet", "--locked", "--package", PACKAGE, "--bin", "seeds", "--"]);
    seeds.arg(corpus);
    sh::stream(seeds)
}

/// Builds the targets with instrumentation and returns their folder.
fn build() -> Result<PathBuf> {
    let version = sh::read({
        let mut rustc = Command::new("rustc");
        rustc.arg("-vV");
        rustc
    })?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    let step = ui::Step::begin("building the fuzz targets");
    let mut cargo = Command::new("cargo");
    // Naming the host keeps the flags away from build scripts and macros, which could not be linked with them.
    cargo.current_dir(paths::root()).args(["build", "--quiet", "--locked", "--package", PACKAGE]);
    cargo.args(["--features", "engine", "--bin", "packet", "--bin", "config"]);
    cargo.args(["--profile", "fuzz", "--target", host, "--target-dir"]).arg(folder());
    cargo.env("RUSTFLAGS", INSTRUMENTATION).env_remove("CARGO_ENCODED_RUSTFLAGS");
    sh::stream(cargo)?;
    step.done("done");
    Ok(folder().join(host).join("fuzz"))
}

/// How a search ended.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing { executions: u64, edges: u64 },
    Failure { input: PathBuf, output: String },
}

/// Runs a target to its end.
///
/// # Errors
/// If it cannot be started, was built without instrumentation, or fails without leaving an input.
fn search(command: &mut Command, mut note: impl FnMut(&str)) -> Result<Found> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| sh::not_started(command))?;
    let mut report = Report::new()?;
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.with_context(|| format!("read the output of `{}`", sh::display(command)))?;
            let line = String::from_utf8_lossy(&line);
            report.line(&line);
            if line.starts_with('#') {
                note(&line);
            }
        }
    }
    let status = child.wait().with_context(|| format!("wait for `{}`", sh::display(command)))?;
    report.finish(status.success()).with_context(|| format!("`{}`", sh::display(command)))
}

/// Reads what libFuzzer prints.
#[derive(Debug)]
struct Report {
    coverage: Regex,
    instrumented: bool,
    edges: u64,
    executions: u64,
    input: Option<PathBuf>,
    tail: VecDeque<String>,
}

impl Report {
    fn new() -> Result<Self> {
        let coverage = Regex::new(r"^#\d+\s.*\bcov: (\d+) ft: \d+")?;
        Ok(Self { coverage, instrumented: false, edges: 0, executions: 0, input: None, tail: VecDeque::new() })
    }

    fn line(&mut self, line: &str) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        self.instrumented |= line.contains("inline 8-bit counters)");
        if let Some(found) = self.coverage.captures(line).and_then(|found| found.get(1)) {
            self.edges = found.as_str().parse().unwrap_or(self.edges);
        } else if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number.trim().parse().unwrap_or(0);
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.input = Some(path.trim().into());
        }
    }

    fn finish(self, success: bool) -> Result<Found> {
        let output = Vec::from(self.tail).join("\n");
        match (success, self.input) {
            (_, Some(input)) => Ok(Found::Failure { input, output }),
            (false, None) => bail!("failed without leaving an input:\n{output}"),
            (true, None) => {
                ensure!(self.instrumented, "was built without instrumentation; nothing was steered:\n{output}");
                ensure!(self.executions > 0, "ran nothing:\n{output}");
                Ok(Found::Nothing { executions: self.executions, edges: self.edges })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADED: &str = "INFO: Loaded 1 modules   (5000 inline 8-bit counters): 5000 [0x1, 0x2),";

    fn found(lines: &[&str], success: bool) -> Result<Found> {
        let mut report = Report::new().unwrap();
        lines.iter().for_each(|line| report.line(line));
        report.finish(success)
    }

    #[test]
    fn a_quiet_run_is_counted() {
        let lines = [
            LOADED,
            "#34\tINITED cov: 120 ft: 300 corp: 20/1Kb exec/s: 0 rss: 40Mb",
            "#9000\tDONE   cov: 140 ft: 420 corp: 50/3Kb lim: 320 exec/s: 900 rss: 50Mb",
            "stat::number_of_executed_units: 9000",
        ];
        assert_eq!(found(&lines, true).unwrap(), Found::Nothing { executions: 9000, edges: 140 });
    }

    #[test]
    fn a_crash_names_its_input() {
        let lines = [LOADED, "panicked at src/packet.rs", "artifact_prefix='/t/'; Test unit written to /t/crash-12ab"];
        match found(&lines, false).unwrap() {
            Found::Failure { input, output } => {
                assert_eq!(input, PathBuf::from("/t/crash-12ab"));
                assert!(output.contains("panicked"));
            }
            other @ Found::Nothing { .. } => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_that_proves_nothing_fails() {
        assert!(found(&["stat::number_of_executed_units: 9000"], true).is_err(), "no instrumentation");
        assert!(found(&[LOADED], true).is_err(), "nothing was run");
        assert!(found(&[LOADED, "stat::number_of_executed_units: 1"], false).is_err(), "it died");
    }
}
