//! How many frames an interface has received: the sign that it hears anything.
//!
//! rtnetlink answers only after whoever holds the RTNL lock: 76 ms while a network namespace with 300 interfaces goes. Files of
//! sysfs and procfs take no such lock: the kernel reads the counters under RCU (`netstat_show`, `dev_seq_show`).
//!
//! A file of sysfs costs a microsecond a reading, but sysfs shows the network namespace of the process that mounted it.
//! `/proc/thread-self/net/dev` shows that of its reader, and costs two microseconds for each interface there is. So a file of
//! sysfs is used once it was seen to count what the namespace of this thread counts.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
};

use nix::net::if_::if_indextoname;

/// Every interface of the network namespace of the thread that opens it.
const OWN: &str = "/proc/thread-self/net/dev";
/// A number and a line break.
const NUMBER: usize = 32;

/// Where the counters are read.
pub(super) struct FrameCounters {
    own: File,
    text: Vec<u8>,
    /// By interface index; `None` where sysfs shows another network namespace.
    single: BTreeMap<u32, Option<File>>,
}

/// Counters of one interface: frames and bytes received, bytes sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts([u64; 3]);

impl FrameCounters {
    /// In the network namespace of the calling thread.
    ///
    /// # Errors
    /// There is no procfs.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { own: File::open(OWN)?, text: Vec::new(), single: BTreeMap::new() })
    }

    /// Frames received since the interface exists; `None` when it is gone.
    pub(super) fn received(&mut self, ifindex: u32) -> Option<u64> {
        if let Some(Some(file)) = self.single.get(&ifindex) {
            if let Some(frames) = number(file) {
                return Some(frames);
            }
            // The interface is gone. Its index may come back with another one.
            self.single.remove(&ifindex);
        }
        let name = if_indextoname(ifindex).ok()?.into_string().ok()?;
        if self.single.contains_key(&ifindex) {
            return self.own(&name).map(|Counts([frames, ..])| frames);
        }
        let before = Single::open(&name, ifindex);
        let own = self.own(&name)?;
        let Counts([frames, ..]) = own;
        // As long as nothing came, every silent interface looks like this one.
        if frames > 0 {
            let file = before.and_then(|single| single.counting(own));
            self.single.insert(ifindex, file);
        }
        Some(frames)
    }

    fn own(&mut self, name: &str) -> Option<Counts> {
        self.text.clear();
        let mut chunk = [0; 4096];
        loop {
            let read = self.own.read_at(&mut chunk, self.text.len() as u64).ok()?;
            if read == 0 {
                return counts_of(&self.text, name);
            }
            self.text.extend_from_slice(chunk.get(..read)?);
        }
    }
}

/// The files of one interface in sysfs, and what they said when they were opened.
struct Single {
    files: [File; 3],
    before: Counts,
}

impl Single {
    fn open(name: &str, ifindex: u32) -> Option<Self> {
        let folder = format!("/sys/class/net/{name}");
        let mut index = String::new();
        File::open(format!("{folder}/ifindex")).ok()?.read_to_string(&mut index).ok()?;
        if index.trim().parse() != Ok(ifindex) {
            return None;
        }
        let open = |counter| File::open(format!("{folder}/statistics/{counter}")).ok();
        let files = [open("rx_packets")?, open("rx_bytes")?, open("tx_bytes")?];
        let before = Self::read(&files)?;
        Some(Self { files, before })
    }

    fn read([frames, received, sent]: &[File; 3]) -> Option<Counts> {
        Some(Counts([number(frames)?, number(received)?, number(sent)?]))
    }

    /// The counter of frames, if these files count what was read of the own namespace meanwhile.
    fn counting(self, Counts(own): Counts) -> Option<File> {
        let Counts(after) = Self::read(&self.files)?;
        let Counts(before) = self.before;
        let between = before.iter().zip(own).zip(after).all(|((before, own), after)| *before <= own && own <= after);
        let [frames, ..] = self.files;
        between.then_some(frames)
    }
}

/// The number in a file of sysfs; `None` when its interface is gone.
fn number(file: &File) -> Option<u64> {
    let mut text = [0; NUMBER];
    let read = file.read_at(&mut text, 0).ok()?;
    str::from_utf8(text.get(..read)?).ok()?.trim().parse().ok()
}

/// Pure: the counters of an interface in the text of `/proc/net/dev`.
fn counts_of(text: &[u8], name: &str) -> Option<Counts> {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let line = lines.filter_map(|line| line.split_once(':')).find(|(of, _)| of.trim_start() == name)?.1;
    let mut columns = line.split_ascii_whitespace().map(str::parse);
    let (bytes, frames) = (columns.next()?.ok()?, columns.next()?.ok()?);
    // Received: bytes, packets, errs, drop, fifo, frame, compressed, multicast; then the same of what was sent.
    let sent = columns.nth(6)?.ok()?;
    Some(Counts([frames, bytes, sent]))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use nix::{
        mount::{MsFlags, mount},
        net::if_::if_nametoindex,
        sched::{CloneFlags, unshare},
    };

    use super::*;

    #[test]
    fn counters_are_found_by_the_name_of_the_interface() {
        let text = b"Inter-|   Receive  |  Transmit\n face |bytes    packets\n    lo:     100       2    0    0    0     0          0         0      300       4    0\n\
                     eth10: 7 8 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n";
        assert_eq!(counts_of(text, "lo"), Some(Counts([2, 100, 300])));
        assert_eq!(counts_of(text, "eth10"), Some(Counts([8, 7, 9])));
        assert_eq!(counts_of(text, "eth1"), None);
    }

    /// In a network namespace that ends with its thread; with a sysfs of its own or with that of the machine.
    fn counted(own_sysfs: bool) -> (Vec<u64>, bool) {
        let test = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("network tests need CAP_SYS_ADMIN");
            if own_sysfs {
                let none: Option<&str> = None;
                mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
                mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).unwrap();
            }
            let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
            assert!(up.success());
            let lo = if_nametoindex("lo").unwrap();
            let mut counters = FrameCounters::open().unwrap();
            let mut counts = vec![counters.received(lo).unwrap()];
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for _ in 0..3 {
                socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
                counts.push(counters.received(lo).unwrap());
            }
            assert_eq!(counters.received(999), None, "no such interface");
            (counts, matches!(counters.single.get(&lo), Some(Some(_))))
        });
        test.join().unwrap()
    }

    #[test]
    fn what_counts_is_the_network_namespace_of_the_thread() {
        assert_eq!(counted(true), (vec![0, 1, 2, 3], true), "sysfs shows it");
        assert_eq!(counted(false), (vec![0, 1, 2, 3], false), "sysfs shows another one");
    }
}
