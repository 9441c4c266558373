//! Finding, and on request removing, what labs left behind.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use super::{PREFIX, cluster::kubelet::cgroup};
use crate::sh;

/// Everything on this machine whose name begins with `tag`: namespaces, mounts, scratch directories, cgroups, processes.
///
/// Interfaces and pins need no look of their own: they live in the namespaces and on the bpffs.
#[must_use]
pub fn leftovers(tag: &str) -> Vec<String> {
    let mut found: Vec<String> =
        entries("/run/netns", tag).into_iter().map(|name| format!("namespace {name}")).collect();
    found.extend(mounts(tag).into_iter().map(|path| format!("mount {path}")));
    let scratch = std::env::temp_dir();
    found.extend(entries(&scratch.to_string_lossy(), tag).into_iter().map(|name| format!("directory {name}")));
    found.extend(cgroups(tag).into_iter().map(|path| format!("cgroup {}", path.display())));
    found.extend(processes(tag).into_iter().map(|(pid, line)| format!("process {pid}: {line}")));
    found
}

/// Tags of labs whose process is gone, for example after `--keep` or a SIGKILL.
#[must_use]
pub fn abandoned() -> Vec<String> {
    let mut names = entries("/run/netns", PREFIX);
    names.extend(entries(&std::env::temp_dir().to_string_lossy(), PREFIX));
    let mut tags: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let mut parts = name.strip_prefix(PREFIX)?.strip_prefix('-')?.splitn(3, '-');
            let (pid, sequence) = (parts.next()?, parts.next()?);
            (!runs(pid)).then(|| format!("{PREFIX}-{pid}-{sequence}"))
        })
        .collect();
    tags.sort();
    tags.dedup();
    tags
}

/// Whether a process runs. One that has ended and that nobody has asked after yet has no command line any more.
fn runs(pid: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Removes everything of an abandoned lab.
///
/// # Errors
/// If a command fails.
pub fn remove_abandoned(tag: &str) -> Result<()> {
    let tag = &format!("{tag}-");
    for name in entries("/run/netns", tag) {
        let mut pids = Command::new("ip");
        pids.args(["netns", "pids", &name]);
        for pid in sh::read(pids)?.split_whitespace() {
            let mut kill = Command::new("kill");
            kill.args(["-KILL", pid]);
            sh::run(kill)?;
        }
        let mut delete = Command::new("ip");
        delete.args(["netns", "del", &name]);
        sh::run(delete)?;
    }
    // Pods may be in namespaces that have no name.
    cgroup::remove_left(&cgroups(tag))?;
    let tag = tag.trim_end_matches('-');
    for path in mounts(tag) {
        let mut umount = Command::new("umount");
        umount.arg("--lazy").arg(path);
        sh::run(umount)?;
    }
    let scratch = std::env::temp_dir().join(tag);
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("remove {}", scratch.display()))?;
    }
    Ok(())
}

/// Names in a directory that begin with `tag` and do not go on with a digit (`…-1` is not `…-12`).
fn entries(directory: &str, tag: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| carries(name, tag))
        .collect();
    names.sort();
    names
}

fn carries(text: &str, tag: &str) -> bool {
    text.strip_prefix(tag).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

fn cgroups(tag: &str) -> Vec<PathBuf> {
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| carries(&name.to_string_lossy(), tag));
    cgroup::top().into_iter().filter(named).collect()
}

fn mounts(tag: &str) -> Vec<String> {
    // The first field of a lab's bpffs is its tag: the source named when it was mounted.
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    table
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(source, _)| carries(source, tag))
        .filter_map(|(_, rest)| rest.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// Processes other than this one that were started with a path of the lab.
fn processes(tag: &str) -> Vec<(u32, String)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter_map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.match_indices(tag).any(|(at, _)| carries(&line[at..], tag)).then(|| (pid, line.trim_end().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_not_the_beginning_of_a_longer_number() {
        assert!(carries("arpeggio-lab-7-1-node-a", "arpeggio-lab-7-1"));
        assert!(carries("arpeggio-lab-7-1", "arpeggio-lab-7-1"));
        assert!(!carries("arpeggio-lab-7-12-node-a", "arpeggio-lab-7-1"));
        assert!(carries("arpeggio-lab-7-1", PREFIX));
    }
}
