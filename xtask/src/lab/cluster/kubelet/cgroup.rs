//! A cgroup for everything that runs on a node: kubelet, containerd, shims and pods.
//!
//! Each kubelet clears away what it finds below its root and does not know: nodes that share a machine need roots of their
//! own. And shims outlive containerd: whoever is in the cgroup at the end is killed, by its id.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::{
    lab::{eventually, undo::Undo},
    ui,
};

/// How long killed processes may take to be gone.
const GONE: Duration = Duration::from_secs(30);
/// Child of the node's cgroup for the programs that are no pods.
const DAEMONS: &str = "daemons";

/// The cgroup of a node, in every hierarchy.
pub(super) struct Cgroup {
    name: String,
    /// The hierarchy by which processes are found.
    tracking: PathBuf,
    _undo: Undo,
}

impl Cgroup {
    /// Makes the cgroup.
    pub(super) fn new(name: String) -> Result<Self> {
        let table = fs::read_to_string("/proc/self/mounts").context("read the mounts")?;
        let hierarchies = hierarchies(&table);
        let tracking = tracking(&hierarchies)?.join(&name);
        // Where we make none the runtime does: beside the old hierarchies it uses the unified one as well.
        let directories: Vec<PathBuf> = mounted(&table).iter().map(|hierarchy| hierarchy.path.join(&name)).collect();
        let undo = Undo::new({
            let (tracking, directories) = (tracking.clone(), directories.clone());
            move || {
                if let Err(error) = clear(&tracking, &directories) {
                    ui::warn(format_args!("clear the cgroup of a node: {error:#}"));
                }
            }
        })?;
        for hierarchy in &hierarchies {
            hierarchy.make(&name)?;
        }
        let daemons = tracking.join(DAEMONS);
        fs::create_dir(&daemons).with_context(|| format!("create {}", daemons.display()))?;
        Ok(Self { name, tracking, _undo: undo })
    }

    /// Its path below the root of each hierarchy.
    pub(super) fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// A file: a process whose id is written to it belongs to the node from then on, and so do its children.
    pub(super) fn join_file(&self) -> PathBuf {
        self.tracking.join(DAEMONS).join("cgroup.procs")
    }
}

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    path: PathBuf,
    unified: bool,
    cpuset: bool,
}

/// Every hierarchy that is mounted.
fn mounted(table: &str) -> Vec<Hierarchy> {
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let unified = kind == "cgroup2";
        let cpuset = options.split(',').any(|option| option == "cpuset");
        (unified || kind == "cgroup").then(|| Hierarchy { path: PathBuf::from(path), unified, cpuset })
    });
    mounts.collect()
}

/// Those that have controllers.
fn hierarchies(table: &str) -> Vec<Hierarchy> {
    let all = mounted(table);
    // Beside the old hierarchies the unified one has no controllers, and nobody uses it.
    let old = all.iter().any(|hierarchy| !hierarchy.unified);
    all.into_iter().filter(|hierarchy| hierarchy.unified != old).collect()
}

/// The hierarchy in which the daemons are kept: one that neither limits nor accounts. In those for cpu and memory a kubelet
/// wants to find itself in the same place.
fn tracking(hierarchies: &[Hierarchy]) -> Result<&Path> {
    let named = |name: &str| hierarchies.iter().find(|hierarchy| hierarchy.path.ends_with(name));
    let chosen = named("pids").or_else(|| named("freezer")).or_else(|| hierarchies.iter().find(|one| one.unified));
    chosen
        .map(|hierarchy| hierarchy.path.as_path())
        .context("no cgroup hierarchy is mounted in which pods could be found")
}

impl Hierarchy {
    fn make(&self, name: &str) -> Result<()> {
        let directory = self.path.join(name);
        fs::create_dir(&directory).with_context(|| format!("create {}", directory.display()))?;
        if self.cpuset && !self.unified {
            // A new cpuset is empty, and no process may enter an empty one.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let value =
                    fs::read_to_string(self.path.join(file)).with_context(|| format!("read the root's {file}"))?;
                let path = directory.join(file);
                fs::write(&path, value.trim()).with_context(|| format!("write {}", path.display()))?;
            }
        }
        if self.unified {
            let controllers =
                fs::read_to_string(self.path.join("cgroup.controllers")).context("read the controllers")?;
            for controller in controllers.split_whitespace() {
                for place in [&self.path, &directory] {
                    // Some controllers cannot be delegated; kubelet complains about those that it misses.
                    let _ = fs::write(place.join("cgroup.subtree_control"), format!("+{controller}"));
                }
            }
        }
        Ok(())
    }
}

/// Kills whoever is in the cgroup and removes it from every hierarchy.
fn clear(tracking: &Path, directories: &[PathBuf]) -> Result<()> {
    eventually(GONE, "the processes of a node to be gone", || {
        let pids = processes(tracking);
        for &pid in &pids {
            // It may be gone by now, which is what is wanted.
            let _ = signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        ensure!(pids.is_empty(), "{pids:?} still run");
        Ok(())
    })?;
    for directory in directories {
        eventually(GONE, "the cgroup to be removed", || remove(directory))?;
    }
    Ok(())
}

/// Ids of all processes in a cgroup and below.
fn processes(directory: &Path) -> BTreeSet<i32> {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let mut pids: BTreeSet<i32> = text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 1).collect();
    for child in children(directory) {
        pids.extend(processes(&child));
    }
    pids
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn remove(directory: &Path) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    for child in children(directory) {
        remove(&child)?;
    }
    match fs::remove_dir(directory) {
        Err(error) => bail!("remove {}: {error}", directory.display()),
        Ok(()) => Ok(()),
    }
}

/// The cgroups right below the root of every hierarchy.
pub(in crate::lab) fn top() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounted(&table).into_iter().flat_map(|hierarchy| children(&hierarchy.path)).collect()
}

/// Kills and removes what a lab that was killed has left.
pub(in crate::lab) fn remove_left(directories: &[PathBuf]) -> Result<()> {
    directories.iter().try_for_each(|directory| clear(directory, std::slice::from_ref(directory)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
";
    const NEW: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";

    #[test]
    fn old_hierarchies_win_over_the_empty_unified_one() {
        let found = hierarchies(OLD);
        assert_eq!(found.len(), 2);
        assert_eq!(mounted(OLD).len(), 3);
        assert!(found[0].cpuset && !found[1].cpuset && !found[1].unified);
        assert_eq!(tracking(&found).unwrap(), Path::new("/sys/fs/cgroup/pids"));
    }

    #[test]
    fn the_unified_hierarchy_is_used_alone() {
        let found = hierarchies(NEW);
        assert_eq!(found, [Hierarchy { path: PathBuf::from("/sys/fs/cgroup"), unified: true, cpuset: false }]);
        assert_eq!(tracking(&found).unwrap(), Path::new("/sys/fs/cgroup"));
        assert!(tracking(&[]).is_err());
    }

    #[test]
    fn processes_are_collected_from_the_whole_tree() {
        let directory = tempfile::tempdir().unwrap();
        let pod = directory.path().join("kubepods/pod1");
        fs::create_dir_all(&pod).unwrap();
        fs::write(directory.path().join("cgroup.procs"), "").unwrap();
        fs::write(pod.join("cgroup.procs"), "17\n18\n1\n").unwrap();
        // Never the first process: it would mean that something is read wrongly.
        assert_eq!(processes(directory.path()), BTreeSet::from([17, 18]));
    }
}
