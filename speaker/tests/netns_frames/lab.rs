//! Network namespaces without names: they vanish with their last file descriptor, also when a test fails or is killed.

use std::{
    fs::File,
    net::Ipv6Addr,
    os::fd::AsRawFd,
    panic::resume_unwind,
    process::{self, Command},
    thread,
    time::Duration,
};

use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::InterfaceFlags,
    sched::{CloneFlags, setns, unshare},
};

/// A network namespace of our own.
#[derive(Debug)]
pub(crate) struct Namespace(File);

impl Namespace {
    pub(crate) fn new() -> Self {
        let file = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root or CAP_SYS_ADMIN");
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let namespace = Self(file.join().unwrap());
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `body` on a thread inside the namespace; processes it starts are inside as well.
    pub(crate) fn enter<R: Send>(&self, body: impl FnOnce() -> R + Send) -> R {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                body()
            });
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// `ip ARGUMENTS` inside.
    pub(crate) fn ip(&self, arguments: &str) {
        self.run("ip", arguments);
    }

    /// Runs a command to its end and returns what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &str) -> String {
        let output = self.enter(|| Command::new(program).args(arguments.split_ascii_whitespace()).output().unwrap());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{program} {arguments}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Where other processes find the namespace.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// The kernel notices carrier some time after both ends are up; until then it throws frames away.
    fn wait_for_carrier(&self, name: &str) {
        let runs = |link: InterfaceAddress| {
            link.interface_name == name
                && link.flags.contains(InterfaceFlags::IFF_RUNNING | InterfaceFlags::IFF_LOWER_UP)
        };
        let has_carrier = self.enter(|| {
            (0..5_000).any(|_| {
                thread::sleep(Duration::from_millis(1));
                getifaddrs().unwrap().any(runs)
            })
        });
        assert!(has_carrier, "{name} has no carrier");
    }

    /// Gives an interface an IPv6 address, and waits until it receives solicitations for it: the kernel joins the group of an
    /// address (RFC 4291 section 2.7.1) some time after it took the address.
    pub(crate) fn hold(&self, address: Ipv6Addr, interface: &str) {
        self.ip(&format!("address add {address}/64 dev {interface} nodad"));
        let group = Ipv6Addr::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | (address.to_bits() & 0xff_ffff));
        let joined = || self.run("ip", &format!("-6 maddress show dev {interface}")).contains(&format!("{group}\n"));
        let is_joined = (0..5_000).any(|attempt| {
            thread::sleep(Duration::from_millis(attempt.min(1)));
            joined()
        });
        assert!(is_joined, "{interface} is not in {group}");
    }

    /// Index of an interface inside.
    pub(crate) fn ifindex(&self, name: &str) -> u32 {
        self.enter(|| nix::net::if_::if_nametoindex(name).unwrap())
    }
}

/// Two hosts on one wire: `near` holds the interface `near0`, `far` the interface `far0`.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) near: Namespace,
    pub(crate) far: Namespace,
}

pub(crate) const NEAR_MAC: &str = "02:00:00:00:0a:01";
pub(crate) const FAR_MAC: &str = "02:00:00:00:0a:02";

impl Wire {
    pub(crate) fn new() -> Self {
        let wire = Self { near: Namespace::new(), far: Namespace::new() };
        wire.plug();
        wire
    }

    /// Makes the pair of interfaces, without duplicate address detection so that link-local addresses work at once.
    pub(crate) fn plug(&self) {
        self.near.ip(&format!(
            "link add near0 address {NEAR_MAC} type veth peer name far0 address {FAR_MAC} netns {}",
            self.far.path()
        ));
        for (namespace, interface) in [(&self.near, "near0"), (&self.far, "far0")] {
            namespace.run("sysctl", &format!("-qw net.ipv6.conf.{interface}.accept_dad=0"));
            namespace.ip(&format!("link set {interface} up"));
        }
        for (namespace, interface) in [(&self.near, "near0"), (&self.far, "far0")] {
            namespace.wait_for_carrier(interface);
        }
    }
}
