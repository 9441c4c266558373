//! Puts the BPF object where the agent embeds it from. The object itself is built by `cargo xtask build-ebpf`, since that
//! needs another compiler: whoever only wants to use the agent should not need that for every `cargo check`.

use std::{env, fs, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=ARPEGGIO_BPF_OBJECT");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), String> {
    let object = object()?;
    println!("cargo::rerun-if-changed={}", object.display());
    let out = PathBuf::from(variable("OUT_DIR")?).join("arpeggio.o");
    match fs::copy(&object, &out) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(format!("there is no BPF object to embed ({}: {error}); run: cargo xtask build-ebpf", object.display()))
        }
    }
}

/// `ARPEGGIO_BPF_OBJECT`, or where `cargo xtask build-ebpf` puts it. Relative paths count from the workspace.
fn object() -> Result<PathBuf, String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = manifest.parent().unwrap_or(&manifest);
    let given = |name| env::var_os(name).filter(|value| !value.is_empty()).map(|value| workspace.join(value));
    let target = || given("CARGO_TARGET_DIR").unwrap_or_else(|| workspace.join("target"));
    Ok(given("ARPEGGIO_BPF_OBJECT").unwrap_or_else(|| target().join("bpf/arpeggio.o")))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}; this is a build script, cargo runs it"))
}
