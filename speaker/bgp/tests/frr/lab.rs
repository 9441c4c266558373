//! Namespaces, wires and FRR daemons of a test. All of it is gone when its guard is dropped.

use std::{
    cell::RefCell,
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use arpeggio_bgp::{Daemon, Desired, Driver, Outcome, vty::Vty};
use tokio::runtime::Runtime;

/// As in the laboratory of the other tests, whose cleaning finds what a killed test left.
const PREFIX: &str = "arpeggio-lab";

static SEQUENCE: AtomicU32 = AtomicU32::new(0);

/// Which FRR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// This machine's, of Debian 12.
    Eight,
    /// Of Debian 13, in a tree of its own.
    Ten,
}

/// Each scenario with both releases beside what is tested.
macro_rules! with_both_releases {
    ($($scenario:ident)*) => {
        mod eight {
            $(#[test] fn $scenario() { super::$scenario($crate::lab::Release::Eight); })*
        }
        mod ten {
            $(#[test] fn $scenario() { super::$scenario($crate::lab::Release::Ten); })*
        }
    };
}
pub(crate) use with_both_releases;

/// What a test has.
pub(crate) struct Lab {
    tag: String,
    pub(crate) directory: PathBuf,
    runtime: Runtime,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let tag = format!("{PREFIX}-{}-{}", std::process::id(), SEQUENCE.fetch_add(1, Ordering::Relaxed));
        // The user of the daemons has to get there, which nobody promises of the folder for temporary files.
        let directory = PathBuf::from("/run").join(&tag);
        make_open(&directory);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { tag, directory, runtime }
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A namespace. An interface of it is born with the wire.
    pub(crate) fn namespace(&self, name: &str) -> Namespace {
        let name = format!("{}-{name}", self.tag);
        run(&format!("ip netns add {name}"));
        run(&format!("ip -n {name} link set dev lo up"));
        Namespace { name }
    }

    /// Connects two namespaces. Both ends have the name `wire`; the first is 10.9.N.1 and fd09:N::1, the second ends with 2.
    pub(crate) fn wire(&self, wire: &str, number: u8, ends: [&Namespace; 2]) {
        let [one, two] = ends.map(|end| &end.name);
        run(&format!("ip -n {one} link add {wire} type veth peer name {wire} netns {two}"));
        for (last, name) in [(1, one), (2, two)] {
            run(&format!("ip -n {name} addr add 10.9.{number}.{last}/24 dev {wire}"));
            run(&format!("ip -n {name} addr add fd09:{number}::{last}/64 dev {wire} nodad"));
            run(&format!("ip -n {name} link set dev {wire} up"));
        }
    }

    /// Starts zebra, bfdd and bgpd; the texts are the configuration of bgpd and bfdd at their start.
    pub(crate) fn frr(&self, namespace: &Namespace, release: Release, bgpd: &str, bfdd: &str) -> Frr {
        let directory = self.directory.join(namespace.name.rsplit('-').next().unwrap());
        Frr::start(namespace, release, directory, bgpd, bfdd)
    }

    pub(crate) fn reconcile(&self, frr: &Frr, desired: &Desired) -> Outcome {
        self.block_on(frr.driver.borrow_mut().reconcile(desired))
    }

    /// What a daemon answers.
    pub(crate) fn ask(&self, frr: &Frr, daemon: Daemon, command: &str) -> String {
        self.block_on(async {
            let mut vty = Vty::connect(&frr.sockets, daemon, Duration::from_secs(20)).await.unwrap();
            vty.run(command).await.unwrap().text
        })
    }

    /// The same as JSON.
    pub(crate) fn json(&self, frr: &Frr, command: &str) -> serde_json::Value {
        serde_json::from_str(&self.ask(frr, Daemon::Bgpd, command)).unwrap_or_default()
    }

    /// How many prefixes of this beginning the peer has.
    pub(crate) fn routes(&self, frr: &Frr, family: &str, beginning: &str) -> usize {
        let table = self.json(frr, &format!("show bgp {family} unicast json"));
        let routes = table["routes"].as_object();
        routes.map(|routes| routes.keys().filter(|prefix| prefix.starts_with(beginning)).count()).unwrap_or_default()
    }

    /// State of a neighbour, and how often its session was established and lost.
    pub(crate) fn session(&self, frr: &Frr, neighbor: &str) -> (String, u64, u64) {
        let all = self.json(frr, "show bgp neighbors json");
        let facts = &all[neighbor];
        let number = |key: &str| facts[key].as_u64().unwrap_or_default();
        let state = facts["bgpState"].as_str().unwrap_or_default().to_owned();
        (state, number("connectionsEstablished"), number("connectionsDropped"))
    }

    pub(crate) fn until_established(&self, frr: &Frr, neighbor: &str) {
        eventually(&format!("the session with {neighbor}"), || self.session(frr, neighbor).0 == "Established");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if thread::panicking() {
            for log in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
                let text = fs::read_to_string(log.path().join("log")).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(15).collect();
                println!("{}: {last:#?}", log.path().display());
            }
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// Whatever arrives there is lost.
    pub(crate) fn drop_everything(&self, interface: &str) {
        let rules = format!(
            "table netdev cut {{ chain c {{ type filter hook ingress device {interface} priority 0; policy drop; }}; }}"
        );
        let net = format!("--net=/run/netns/{}", self.name);
        let output = Command::new("nsenter").args([&net, "nft", &rules]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Another implementation of BGP, in its namespace.
pub(crate) struct Bird {
    control: PathBuf,
    process: Child,
}

impl Bird {
    pub(crate) fn start(lab: &Lab, namespace: &Namespace, configuration: &str) -> Self {
        let path = |ending: &str| lab.directory.join(format!("bird.{ending}"));
        fs::write(path("conf"), configuration).unwrap();
        let log = File::create(path("log")).unwrap();
        let mut command = Command::new("nsenter");
        command.args([&format!("--net=/run/netns/{}", namespace.name), "bird", "-f", "-c"]).arg(path("conf"));
        command.arg("-s").arg(path("ctl")).arg("-P").arg(path("pid"));
        let process = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        eventually("BIRD to answer", || path("ctl").exists());
        Self { control: path("ctl"), process }
    }

    /// What `birdc` says.
    pub(crate) fn ask(&self, question: &str) -> String {
        let output = Command::new("birdc").arg("-s").arg(&self.control).args(question.split(' ')).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Bird {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The daemons of one namespace.
pub(crate) struct Frr {
    release: Release,
    namespace: String,
    directory: PathBuf,
    pub(crate) sockets: PathBuf,
    driver: RefCell<Driver>,
    pub(crate) daemons: RefCell<Vec<(&'static str, Child)>>,
}

impl Frr {
    fn start(namespace: &Namespace, release: Release, directory: PathBuf, bgpd: &str, bfdd: &str) -> Self {
        let frr = Self::prepared(namespace, release, directory, bgpd, bfdd);
        frr.start_all();
        frr
    }

    /// Everything but the daemons themselves.
    pub(crate) fn prepared(
        namespace: &Namespace,
        release: Release,
        directory: PathBuf,
        bgpd: &str,
        bfdd: &str,
    ) -> Self {
        let sockets = directory.join("run");
        make_open(&directory);
        make_open(&sockets);
        for (daemon, text) in [("zebra", ""), ("bgpd", bgpd), ("bfdd", bfdd)] {
            fs::write(directory.join(format!("{daemon}.conf")), text).unwrap();
        }
        run(&format!("chown -R {} {}", release.owner(), directory.display()));
        let driver = RefCell::new(Driver::new(sockets.clone()));
        let daemons = RefCell::new(Vec::new());
        Self { release, namespace: namespace.name.clone(), directory, sockets, driver, daemons }
    }

    pub(crate) fn start_all(&self) {
        if self.release == Release::Ten {
            for inside in [Path::new("/run/frr"), self.directory.parent().unwrap(), &self.directory] {
                make_open(&PathBuf::from(format!("{}{}", tree().display(), inside.display())));
            }
            self.daemon("mgmtd");
        }
        // Never by zserv.api: a connection to it alone makes zebra 10 lose routes.
        self.daemon("zebra");
        self.daemon("bfdd");
        self.daemon("bgpd");
    }

    /// Starts a daemon and waits until it answers.
    pub(crate) fn daemon(&self, name: &'static str) {
        let Self { directory, sockets, .. } = self;
        let mut line =
            format!("/usr/lib/frr/{name} --vty_socket {} -i {}/{name}.pid", sockets.display(), sockets.display());
        line += " -u frr -g frr -P 0";
        if name != "mgmtd" {
            line += &format!(" -z {}/zserv.api -f {}/{name}.conf", sockets.display(), directory.display());
        }
        if name == "bfdd" && self.release == Release::Eight {
            line += &format!(" --bfdctl {}/bfdd.sock", sockets.display());
        }
        let net = format!("nsenter --net=/run/netns/{}", self.namespace);
        let command = match self.release {
            Release::Eight => format!("exec {net} {line}"),
            // The sockets of mgmtd are always in /run/frr: each instance has its own.
            Release::Ten => {
                let (tree, here) = (tree().display().to_string(), directory.display());
                format!(
                    "mount --bind {here}/run {tree}/run/frr && mount --bind {here} {tree}{here} && mount -t proc proc {tree}/proc \
                     && mount --bind /dev {tree}/dev && exec {net} chroot {tree} {line}"
                )
            }
        };
        let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
        let mut shell = match self.release {
            Release::Eight => Command::new("sh"),
            Release::Ten => {
                let mut unshare = Command::new("unshare");
                unshare.args(["-m", "--propagation", "private", "sh"]);
                unshare
            }
        };
        shell.args(["-c", &command]).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = shell.spawn().unwrap();
        self.daemons.borrow_mut().push((name, child));
        let socket = sockets.join(format!("{name}.vty"));
        eventually(&format!("{name} to answer"), || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    }

    /// Kills a daemon, that one process, by its id.
    pub(crate) fn kill(&self, name: &str) {
        let mut daemons = self.daemons.borrow_mut();
        let at = daemons.iter().position(|(other, _)| *other == name).unwrap();
        let (name, child) = daemons.remove(at);
        self.release.end(name, child);
        let _ = fs::remove_file(self.sockets.join(format!("{name}.vty")));
    }

    pub(crate) fn restarted(&self, lab: &Lab) {
        lab.block_on(self.driver.borrow_mut().restarted());
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        for (name, child) in self.daemons.get_mut().drain(..).rev() {
            self.release.end(name, child);
        }
        if self.release == Release::Ten {
            let _ = fs::remove_dir(format!("{}{}", tree().display(), self.directory.display()));
            let _ = fs::remove_dir(format!("{}{}", tree().display(), self.directory.parent().unwrap().display()));
        }
    }
}

impl Release {
    /// The one that it is not.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Eight => Self::Ten,
            Self::Ten => Self::Eight,
        }
    }

    /// Kills a daemon, that one process, by its id, and removes the folder that it leaves then.
    fn end(self, name: &str, mut daemon: Child) {
        let _ = daemon.kill();
        let _ = daemon.wait();
        let left = format!("/var/tmp/frr/{name}.{}", daemon.id());
        let _ = fs::remove_dir_all(match self {
            Self::Eight => left,
            Self::Ten => format!("{}{left}", tree().display()),
        });
    }

    /// Numbers of the user and the group that the daemons run as.
    fn owner(self) -> String {
        let file = match self {
            Self::Eight => PathBuf::from("/etc/passwd"),
            Self::Ten => tree().join("etc/passwd"),
        };
        let text = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask setup frr`", file.display()));
        let line =
            text.lines().find(|line| line.starts_with("frr:")).expect("no user frr; run `cargo xtask setup frr`");
        let fields: Vec<&str> = line.split(':').collect();
        format!("{}:{}", fields[2], fields[3])
    }
}

/// Where `cargo xtask setup frr` puts Debian 13's FRR.
fn tree() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("frr/root")
}

/// Makes a folder that others may enter, whatever the umask is.
fn make_open(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn run(line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until it is so, and returns how long that took.
#[expect(clippy::disallowed_methods, reason = "waiting is about real time")]
pub(crate) fn eventually(what: &str, mut look: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !look() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}
