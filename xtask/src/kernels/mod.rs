//! The kernel tier: the BPF program and the agent on the kernels that users run, booted side by side under QEMU,
//! whose emulation keeps one processor each.
//!
//! The guest sees this machine's files, so the very programs that were built here run there. Results are written to a
//! shared folder; the console is only for people, because kernel messages may tear its lines apart.

mod boot;
mod fetch;

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, anyhow, bail};

pub use self::{
    boot::{Ended, Guest},
    fetch::Kernel,
};
use crate::{
    build, paths,
    setup::{self, Purpose},
    test::{BuiltTest, Counter, Options, Tally, TestProgram, built_tests},
    ui,
};

/// The kernels of Debian 12: its own and the backported one, which has tcx.
pub const SERIES: [&str; 2] = ["6.1", "6.12"];

/// What runs in the guests, in this order.
const PROGRAMS: [(&str, &str, &str); 2] = [
    // The program tier: the object passes this kernel's verifier and behaves.
    ("arpeggio-speaker", "program", ""),
    // Scenarios that need what only these kernels have.
    ("xtask", "guest", "--ignored --test-threads 1"),
];

/// Limit for one guest, in seconds: about four times what it takes beside another one on two slow processors.
const LIMIT: u32 = 1500;

/// `cargo xtask kernel`.
#[derive(clap::Args)]
pub struct Args {
    /// Series of Debian's kernels.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(SERIES))]
    series: String,
    /// Command to run inside, for example `uname -a`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs one command in a kernel and shows what it prints.
///
/// # Errors
/// If the kernel cannot be had or the guest does not end well.
pub fn run(args: &Args) -> Result<()> {
    setup::ensure(&[Purpose::Kernels])?;
    let kernel = fetch::kernel(&args.series)?;
    let tool = fetch::virtme()?;
    let script = format!("{}\necho $? > \"$OUT/code\"", args.command.join(" "));
    let ended = Guest { kernel: &kernel, tool: &tool, script: &script, limit: LIMIT }.run(|line| ui::say(line))?;
    let code = fs::read_to_string(ended.out.join("code"));
    let code = code.with_context(|| format!("the guest died; see {}", ended.console.display()))?;
    if code.trim() == "0" { Ok(()) } else { bail!("the command failed in the guest with exit code {}", code.trim()) }
}

/// Runs the kernel tier: every program on every kernel.
///
/// # Errors
/// If the kernels or the programs cannot be had.
pub fn tier(options: &Options) -> Result<Tally> {
    // Before the kernels are unpacked, which takes some of these programs.
    setup::ensure(&[Purpose::Kernels])?;
    build::own_programs()?;
    let programs = PROGRAMS.map(|(package, name, _)| TestProgram { package: package.into(), name: name.into() });
    let built = built_tests(&programs)?;
    let kernels = SERIES.into_iter().map(fetch::kernel).collect::<Result<Vec<_>>>()?;
    // Before the guests start side by side: two that install it at once find each other's half-made environment.
    let tool = fetch::virtme()?;
    let versions: Vec<&str> = kernels.iter().map(|kernel| kernel.version.as_str()).collect();
    let step = ui::Step::begin(format!("Linux {}", versions.join(" and ")));
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let (built, step, tool) = (&built, &step, tool.as_path());
        let run = |kernel| scope.spawn(move || on_kernel(kernel, tool, built, options, step));
        let running: Vec<_> = kernels.iter().map(run).collect();
        running.into_iter().try_for_each(|guest| {
            let ended = guest.join().map_err(|_panic| anyhow!("the thread of a guest failed"))?;
            ended.map(|counted| tally += counted)
        })
    })?;
    step.done(tally);
    Ok(tally)
}

fn on_kernel(kernel: &Kernel, tool: &Path, built: &[BuiltTest], options: &Options, step: &ui::Step) -> Result<Tally> {
    let script = script(built, options);
    let ended = Guest { kernel, tool, script: &script, limit: LIMIT }.run(|line| {
        step.note(line);
        step.line(format_args!("   {} | {line}", kernel.version));
    })?;
    let mut tally = Tally::default();
    for program in built {
        let results = fs::read(ended.out.join(format!("{}.log", program.name))).unwrap_or_default();
        let code = fs::read_to_string(ended.out.join(format!("{}.code", program.name))).unwrap_or_default();
        let mut counter = Counter::new()?;
        String::from_utf8_lossy(&results).lines().for_each(|line| counter.line(line));
        let mut counted = counter.finish(code.trim() == "0");
        if counted == Tally::default() && options.filter.is_none() {
            ui::warn(format_args!("{} ran no test on {}", program.name, kernel.version));
            counted = Tally::FAILURE;
        }
        tally += counted;
    }
    if code_missing(built, &ended) {
        let console = fs::read(&ended.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let last: Vec<_> = console.lines().rev().take(40).collect();
        ui::warn(format_args!("the guest died ({}); the end of its console:", ended.status));
        last.iter().rev().for_each(|line| ui::say(format_args!("   | {line}")));
    }
    step.line(format_args!("   Linux {}: {tally}", kernel.version));
    Ok(tally)
}

fn code_missing(built: &[BuiltTest], ended: &Ended) -> bool {
    built.iter().any(|program| !ended.out.join(format!("{}.code", program.name)).exists())
}

/// Where the guest copies the programs to. It reads this machine's files through an emulated wire, page by page and again
/// at every start: from memory the agent starts in a second instead of a minute.
const STAGE: &str = "/dev/shm/arpeggio";

/// The guest's script: loads what no device manager loads there, then runs each program.
fn script(built: &[BuiltTest], options: &Options) -> String {
    // The same folders as below `target`, for programs look for each other there.
    let profile = paths::profile();
    let stage = Path::new(STAGE).join(profile.file_name().unwrap_or_default());
    let (stage, speaker, objects) = (stage.display(), profile.join("speaker"), paths::target().join("bpf"));
    let mut script = format!(
        // Ports of bridges that come and go are no news; errors are.
        "dmesg --console-level err\n\
         modprobe -a veth bridge dummy bonding 8021q ip_vs virtio_pci virtio_net\n\
         mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf\n\
         mkdir -p {stage}/deps {STAGE}/bpf\n\
         cp '{}' {stage}/\n\
         cp '{}'/*.o {STAGE}/bpf/\n",
        speaker.display(),
        objects.display(),
    );
    let filter = options.filter.as_ref().map(|text| format!("'{text}'")).unwrap_or_default();
    for program in built {
        let flags = PROGRAMS.iter().find(|(_, name, _)| *name == program.name).map_or("", |(_, _, flags)| flags);
        let (name, file, folder) = (&program.name, program.executable.display(), program.directory.display());
        // The exit code of a pipe is that of its last part: the program's own goes to a file.
        let _ = writeln!(
            script,
            "cp '{file}' {stage}/deps/{name} && cd '{folder}' && \
             {{ {stage}/deps/{name} {flags} {filter}; echo $? > \"$OUT/{name}.code\"; }} 2>&1 | tee \"$OUT/{name}.log\""
        );
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_runs_each_program_in_its_own_folder() {
        let built = BuiltTest { name: "guest".into(), executable: "/t/guest-1".into(), directory: "/src/xtask".into() };
        let script = script(&[built], &Options { filter: Some("vlan".into()), threads: None });
        let last = script.lines().last().unwrap();
        for part in [
            "cp '/t/guest-1' /dev/shm/arpeggio/",
            "&& cd '/src/xtask' && { /dev/shm/arpeggio/",
            "/deps/guest --ignored --test-threads 1 'vlan'; echo $? > \"$OUT/guest.code\"; } 2>&1 | tee \"$OUT/guest.log\"",
        ] {
            assert!(last.contains(part), "{last}");
        }
    }
}
