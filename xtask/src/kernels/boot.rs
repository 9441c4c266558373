//! Running a script inside another kernel, with this machine's root file system and without hardware help.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use super::fetch::Kernel;
use crate::{lab::undo::Undo, paths, sh};

/// Two network cards of the machine, joined by a wire, for tests of a real driver. They do not reach the outside.
const CARDS: &str = "-netdev hubport,id=wire0,hubid=0 -device virtio-net-pci,netdev=wire0,mac=02:00:00:00:01:01 \
                     -netdev hubport,id=wire1,hubid=0 -device virtio-net-pci,netdev=wire1,mac=02:00:00:00:01:02";

/// A shell script to run in the guest.
pub struct Guest<'a> {
    /// The kernel to run it on.
    pub kernel: &'a Kernel,
    /// The folder of the tool that boots it.
    pub tool: &'a Path,
    /// What to run, as root; `$OUT` is a folder that outlives the guest.
    pub script: &'a str,
    /// Hard limit for all of it, in seconds.
    pub limit: u32,
}

/// How the guest ended.
pub struct Ended {
    /// Of the tool that ran it; the guest's own results are in [`out`](Self::out).
    pub status: ExitStatus,
    /// The folder the guest could write to.
    pub out: PathBuf,
    /// Everything the console showed.
    pub console: PathBuf,
}

impl Guest<'_> {
    /// Boots, runs the script, and powers off. `line` gets what the script prints, without the kernel's own messages.
    ///
    /// # Errors
    /// If the tool cannot be started or files cannot be written.
    pub fn run(&self, mut line: impl FnMut(&str)) -> Result<Ended> {
        let version = &self.kernel.version;
        let place = paths::target().join("kernels").join("runs").join(version);
        if place.exists() {
            fs::remove_dir_all(&place).with_context(|| format!("remove the last run, {}", place.display()))?;
        }
        let out = place.join("out");
        fs::create_dir_all(&out).with_context(|| format!("create {}", out.display()))?;
        let script = place.join("guest.sh");
        fs::write(&script, format!("OUT={}\nexport OUT\n{}\n", quote(&out), self.script))?;

        let mut command = self.command(&out, &script);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| sh::not_started(&command))?;
        let output = child.stdout.take();
        let child = Arc::new(Mutex::new(child));
        let _undo = Undo::new({
            let child = Arc::clone(&child);
            move || end(&child)
        })?;
        let console = place.join("console.log");
        let mut log = fs::File::create(&console).with_context(|| format!("create {}", console.display()))?;
        let mut reader = Reader::default();
        if let Some(output) = output {
            for bytes in BufReader::new(output).split(b'\n') {
                let bytes = bytes.context("read the guest's console")?;
                log.write_all(&bytes)?;
                log.write_all(b"\n")?;
                if let Some(text) = reader.printed(&String::from_utf8_lossy(&bytes)) {
                    line(text);
                }
            }
        }
        let status = child.lock().unwrap_or_else(PoisonError::into_inner).wait().context("wait for the guest")?;
        Ok(Ended { status, out, console })
    }

    fn command(&self, out: &Path, script: &Path) -> Command {
        // One processor: with two, one boot in four died in text patching under emulation.
        let vng = format!(
            "exec vng --verbose --run {} --disable-kvm --disable-microvm --cpus 1 --memory 2G --user root \
             --rwdir={} --qemu-opts={} -- sh {}",
            quote(&self.kernel.image),
            quote(out),
            quote(Path::new(CARDS)),
            quote(script),
        );
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([self.tool.to_owned()].into_iter().chain(std::env::split_paths(&path)));
        let mut command = Command::new("timeout");
        command.args(["--kill-after", "10", &self.limit.to_string()]);
        // Without a terminal the tool prints nothing.
        command.args(["script", "--quiet", "--return", "--command", &vng, "/dev/null"]);
        if let Ok(path) = path {
            command.env("PATH", path);
        }
        command.current_dir(paths::root());
        command
    }
}

/// Ends a guest that still runs. SIGTERM, not SIGKILL: `timeout` passes it on, so that the emulator ends too.
fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Ok(None), Ok(pid)) = (child.try_wait(), i32::try_from(child.id())) {
        // Fails only for a process that has just ended, which is what is wanted.
        let _ = signal::kill(Pid::from_raw(pid), Signal::SIGTERM);
        let _ = child.wait();
    }
}

/// One word for the shell.
fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Tells what the script printed from what the kernel and the init program did.
#[derive(Default)]
struct Reader {
    begun: bool,
}

impl Reader {
    fn printed<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let line = line.trim_end_matches(['\r', '\n']);
        if !self.begun {
            self.begun = line.contains("virtme-ng-init: starting script");
            return None;
        }
        (!is_kernel_message(line)).then_some(line)
    }
}

/// Lines like `[   12.424131] 8021q: 802.1Q VLAN Support v1.8`.
fn is_kernel_message(line: &str) -> bool {
    let Some((time, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { return false };
    let digits = time.trim_start();
    digits.contains('.') && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_script_prints_is_passed_on() {
        let mut reader = Reader::default();
        let console = "SeaBIOS\r\n[    5.2] Run /init as init process\r\n\
            [    9.181106] virtme-ng-init: starting script (console fallback)\r\nrunning 2 tests\r\n\
            [   12.424131] 8021q: 802.1Q VLAN Support v1.8\r\n[node-a] hello\r\ntest x ... ok\r\n";
        let printed: Vec<_> = console.split('\n').filter_map(|line| reader.printed(line)).collect();
        assert_eq!(printed, ["running 2 tests", "[node-a] hello", "test x ... ok", ""]);
    }

    #[test]
    fn words_survive_the_shell() {
        let shell = sh::shell().unwrap();
        let odd = Path::new("/a b/it's");
        let script = format!("printf %s {}", quote(odd));
        assert_eq!(sh::read(sh::cmd!(shell, "sh -c {script}")).unwrap(), "/a b/it's");
    }
}
