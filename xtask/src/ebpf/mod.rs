//! `cargo xtask build-ebpf`: builds the BPF objects, with whatever compiler this machine has that can, or installs one.

mod measure;
mod toolchain;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use comfy_table::Table;

use crate::{paths, sh, ui};
use toolchain::Toolchain;

/// `cargo xtask build-ebpf`.
#[derive(Default, clap::Args)]
pub struct Args {
    /// Build once more from a copy of the sources in another folder and compare, byte for byte.
    #[arg(long)]
    verify: bool,
}

/// The objects: the fast path, and the two programs it is measured against.
const OBJECTS: [&str; 2] = ["arpeggio", "yardstick"];

/// Most instructions of a program and the functions it calls, as compiled. The kernel allows a million *verified*
/// instructions; this bound is about staying small enough that 6.1's verifier takes milliseconds and that growth is noticed.
/// A third of it are log calls, which the verifier removes unless logging is switched on.
const INSTRUCTION_BUDGET: usize = 7_000;

/// Builds the objects into `<target>/bpf/`.
///
/// # Errors
/// If no compiler can be had, the sources do not compile, or a program is over its budget.
pub fn run(args: &Args) -> Result<()> {
    let folder = paths::target().join("bpf");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    if let Some(given) = std::env::var_os("EBPF_OBJECT") {
        let target = paths::bpf_object("arpeggio");
        fs::copy(&given, &target).with_context(|| format!("copy EBPF_OBJECT={}", given.display()))?;
        ui::say(format_args!("took {} as it is", given.display()));
        return report();
    }
    let toolchain = toolchain::find_or_install()?;
    ui::say(format_args!("compiler: {toolchain}"));
    let step = ui::Step::begin("compiling the BPF programs");
    build(&toolchain, paths::root().to_owned(), folder.join("build"))?;
    step.done("done");
    for name in OBJECTS {
        let built = folder.join("build").join(toolchain::TARGET).join("release").join(name);
        place(&built, &paths::bpf_object(name))?;
    }
    if args.verify {
        verify(&toolchain)?;
    }
    report()
}

/// Copies only what differs, so that crates that embed the object are not built again for nothing.
fn place(built: &PathBuf, target: &PathBuf) -> Result<()> {
    let bytes = fs::read(built).with_context(|| format!("read {}", built.display()))?;
    if fs::read(target).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(target, bytes).with_context(|| format!("write {}", target.display()))
}

fn build(toolchain: &Toolchain, root: PathBuf, target: PathBuf) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&root)
        .args(["build", "--release", "--locked", "--package", "arpeggio-speaker-ebpf", "--bins"])
        .args(["--target", toolchain::TARGET])
        .arg("--target-dir")
        .arg(&target);
    toolchain.configure(&mut cargo, &root);
    sh::run(cargo).context("compile the BPF programs")
}

/// Same sources, same bytes: wherever they lie.
fn verify(toolchain: &Toolchain) -> Result<()> {
    let copy = tempfile::tempdir().context("create a folder for the second build")?;
    let step = ui::Step::begin("building once more in another folder");
    for part in ["Cargo.toml", "Cargo.lock", "common", "controller", "speaker", "speaker-ebpf", "xtask"] {
        let mut command = Command::new("cp");
        command.arg("-r").arg(paths::root().join(part)).arg(copy.path());
        sh::run(command)?;
    }
    let target = copy.path().join("build");
    build(toolchain, copy.path().to_owned(), target.clone())?;
    step.done("done");
    for name in OBJECTS {
        let again = fs::read(target.join(toolchain::TARGET).join("release").join(name))?;
        let first = fs::read(paths::bpf_object(name))?;
        ensure!(again == first, "{name}: two builds of the same sources differ; look for paths or times in the object");
    }
    ui::say("a second build in another folder gave the same bytes");
    Ok(())
}

fn report() -> Result<()> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header([
        "object",
        "program",
        "instructions",
        "with calls",
        "budget",
    ]);
    let mut over = Vec::new();
    for name in OBJECTS {
        let path = paths::bpf_object(name);
        if !path.exists() {
            continue;
        }
        let bytes = fs::read(&path)?;
        for program in measure::programs(&bytes).with_context(|| format!("read {}", path.display()))? {
            if program.with_calls > INSTRUCTION_BUDGET {
                over.push(program.name.clone());
            }
            let numbers = [program.own, program.with_calls, INSTRUCTION_BUDGET].map(|n| n.to_string());
            table.add_row([vec![name.to_owned(), program.name], numbers.to_vec()].concat());
        }
        ui::say(format_args!("{}: {} bytes", path.display(), bytes.len()));
    }
    ui::say(table);
    ensure!(over.is_empty(), "over the budget of {INSTRUCTION_BUDGET} instructions: {}", over.join(", "));
    Ok(())
}
