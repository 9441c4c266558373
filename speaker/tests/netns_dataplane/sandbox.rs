//! A thread with a network namespace, a mount namespace and a bpffs of its own. All of it vanishes with the thread, however
//! it ends.

use std::{
    collections::BTreeMap,
    io::Read as _,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use aya::{
    Ebpf, EbpfLoader,
    programs::{ProgramInfo, SchedClassifier, TcAttachType, Xdp, XdpMode},
};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use socket2::{Domain, Protocol, Socket, Type};

use arpeggio_common::{
    abi::{Action, Flags, LAYOUT_DIRECTORY, Lease, names},
    model::{NodeId, NodeName},
    wire::{Arp, ArpOperation, Mac},
};
use arpeggio_speaker::{
    dataplane::{Applied, Dataplane, OBJECT, Options, monotonic_ns},
    decide::{AttachPolicy, Desired, DesiredInterface, DesiredVip},
    frames::FrameSocket,
    world::LinkKind,
};

pub(crate) const CLIENT: Mac = Mac([0x02, 0, 0, 0, 0xc1, 1]);
pub(crate) const NODE: Mac = Mac([0x02, 0, 0, 0, 0xa0, 1]);

pub(crate) struct Sandbox {
    folder: PathBuf,
}

/// Runs `body` in a thread of its own; its panic is the test's.
pub(crate) fn sandbox(body: impl FnOnce(&Sandbox) + Send + 'static) {
    // Made and removed out here, where it is empty: the thread may have given up its privileges or its life.
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox { folder: folder.path().to_owned() };
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("these tests need root");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("bpf"), &sandbox.folder, Some("bpf"), MsFlags::empty(), none).unwrap();
        body(&sandbox);
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Sandbox {
    pub(crate) fn bpffs(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn pin_dir(&self) -> PathBuf {
        self.bpffs().join("arpeggio")
    }

    pub(crate) fn pin(&self, name: &str) -> PathBuf {
        self.pin_dir().join(LAYOUT_DIRECTORY).join(name)
    }

    pub(crate) fn options(&self, capacity: u32) -> Options {
        Options { pin_dir: Some(self.pin_dir()), capacity, log_level: 0 }
    }

    pub(crate) fn open(&self) -> Dataplane {
        Dataplane::open(&self.options(64)).unwrap()
    }

    /// The files below the pin directory, relative to it, directories left out.
    pub(crate) fn pins(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.pin_dir(), &self.pin_dir(), &mut found);
        found.sort();
        found
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

pub(crate) fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn index_of(name: &str) -> u32 {
    nix::net::if_::if_nametoindex(name).unwrap()
}

/// A veth pair: `<name>` is the node's end, `<name>p` the client's. XDP_TX works, since the client's end carries an XDP
/// program as well (one without a lease: it passes everything). GRO there would not do: the kernel queues the frame for the
/// other end, but wakes it only when that has an XDP program (`veth_xdp_flush`, measured on 6.18).
pub(crate) fn veth(name: &str) -> u32 {
    run(&format!(
        "ip link add {name} address {NODE} type veth peer name {name}p address {CLIENT}
         sysctl -qw net.ipv6.conf.{name}.disable_ipv6=1 net.ipv6.conf.{name}p.disable_ipv6=1
         ip link set {name} up; ip link set {name}p up"
    ));
    let mut awake = foreign();
    foreign_xdp(&mut awake).attach(&format!("{name}p"), XdpMode::Driver).unwrap();
    // It stays until the device goes with its namespace.
    std::mem::forget(awake);
    index_of(name)
}

pub(crate) fn interface(name: &str, policy: AttachPolicy) -> DesiredInterface {
    DesiredInterface {
        name: name.to_owned(),
        mac: NODE,
        kind: LinkKind::Veth,
        carries_vlans: false,
        carrier: true,
        policy,
    }
}

pub(crate) fn vip(action: Action) -> DesiredVip {
    DesiredVip { mac: NODE, action, flags: Flags::NONE, buckets: u64::MAX, may_own: true, generation: 0 }
}

pub(crate) fn node(name: &str) -> NodeId {
    NodeId::from(&NodeName::try_from(name).unwrap())
}

/// The lease of this node.
pub(crate) fn lease(until_ns: u64) -> Lease {
    Lease { until_ns, node: Some(node("node-a")) }
}

pub(crate) fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// One interface that answers for 192.0.2.10.
pub(crate) fn desired(ifindex: u32, name: &str, policy: AttachPolicy) -> Desired {
    Desired {
        interfaces: BTreeMap::from([(ifindex, interface(name, policy))]),
        vips: BTreeMap::from([((ifindex, address(10)), vip(Action::Answer))]),
        ..Desired::default()
    }
}

pub(crate) fn apply(dataplane: &mut Dataplane, desired: &Desired) -> Applied {
    let applied = dataplane.apply(desired);
    assert!(applied.errors.is_empty(), "{:?}", applied.errors);
    dataplane.renew(lease(monotonic_ns() + 60_000_000_000)).unwrap();
    applied
}

/// Asks for 192.0.2.10 from the client's end; the MAC of the answer, or `None` after 300 ms of silence.
pub(crate) fn ask(name: &str) -> Option<Mac> {
    ask_for(name, [192, 0, 2, 10])
}

pub(crate) fn ask_for(name: &str, target: [u8; 4]) -> Option<Mac> {
    let request = Arp::request(Mac::BROADCAST, CLIENT, [192, 0, 2, 200], target);
    ask_with(name, &request, target)
}

/// Asks with this tag behind the addresses of the frame.
pub(crate) fn ask_tagged(name: &str, tag: [u8; 4]) -> Option<Mac> {
    let target = [192, 0, 2, 10];
    let request = Arp::request(Mac::BROADCAST, CLIENT, [192, 0, 2, 200], target);
    ask_with(name, &[&request[..12], &tag, &request[12..]].concat(), target)
}

fn ask_with(name: &str, request: &[u8], target: [u8; 4]) -> Option<Mac> {
    // ETH_P_ARP: unlike ETH_P_ALL it sees received frames only.
    let arp = i32::from(0x0806u16.to_be());
    let mut socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(arp))).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    FrameSocket::open().unwrap().send(index_of(&format!("{name}p")), request).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test that waits for a frame")]
    let deadline = Instant::now() + Duration::from_millis(300);
    let mut buffer = [0; 256];
    #[expect(clippy::disallowed_methods, reason = "a test that waits for a frame")]
    while Instant::now() < deadline {
        let Ok(length) = socket.read(&mut buffer) else { continue };
        let Some(frame) = buffer[..length].first_chunk_mut() else { continue };
        let arp = Arp(frame);
        if arp.operation() == Some(ArpOperation::Reply) && Ipv4Addr::from(arp.sender()) == Ipv4Addr::from(target) {
            return Some(arp.sender_mac());
        }
    }
    None
}

/// Somebody else's XDP program, loaded but not attached: our own object with maps of its own, never with a lease.
pub(crate) fn foreign() -> Ebpf {
    let mut foreign = EbpfLoader::new().load(OBJECT).unwrap();
    foreign_xdp(&mut foreign).load().unwrap();
    foreign
}

pub(crate) fn foreign_xdp(foreign: &mut Ebpf) -> &mut Xdp {
    foreign.program_mut(names::XDP_PROGRAM).unwrap().try_into().unwrap()
}

/// Id of the XDP program of a device, whoever attached it, and whether it is native.
pub(crate) fn xdp_of(name: &str) -> Option<(u32, bool)> {
    let shown: serde_json::Value = serde_json::from_str(&run(&format!("ip -j -d link show {name}"))).unwrap();
    let xdp = shown[0].get("xdp")?;
    let id = xdp["prog"]["id"].as_u64().or_else(|| xdp["attached"][0]["prog"]["id"].as_u64())?;
    let mode = xdp["mode"].as_u64().or_else(|| xdp["attached"][0]["mode"].as_u64());
    Some((u32::try_from(id).unwrap(), mode == Some(1)))
}

/// Ids of the programs at the tcx ingress hook of a device, in the order in which they run.
pub(crate) fn tcx_of(name: &str) -> Vec<u32> {
    let (_, programs) = SchedClassifier::query_tcx(name, TcAttachType::Ingress).unwrap();
    programs.iter().map(ProgramInfo::id).collect()
}

/// `assert_eq!` for what the kernel says after a link was let go: the tests start programs on other threads, and between
/// fork and exec such a child holds the descriptor of the link as well.
macro_rules! assert_soon {
    ($read:expr, $expected:expr $(, $message:tt)*) => {{
        // Five seconds at the most.
        for _ in 0..1000 {
            if $read == $expected {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!($read, $expected $(, $message)*);
    }};
}
pub(crate) use assert_soon;
