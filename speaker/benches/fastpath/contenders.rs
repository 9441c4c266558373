//! The programs and the frames they are run on.

use anyhow::Result;
use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, Key4, Key6, Vip, names},
    wire::{Arp, EtherType, Mac, Neighbor},
};
use aya::programs::ProgramFd;

use crate::yard::{Hook, TEMPLATES, Yard};

const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 2]);
const CLIENT4: [u8; 4] = [192, 0, 2, 1];
const CLIENT6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const ANSWERED4: [u8; 4] = [192, 0, 2, 10];
const SUPPRESSED4: [u8; 4] = [192, 0, 2, 11];
const FOREIGN4: [u8; 4] = [192, 0, 2, 250];
const ANSWERED6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
const FOREIGN6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfa];
const TCP: u8 = 6;
/// Addresses of each family that are loaded beside those that are asked for.
pub(crate) const LOADED: u32 = 10_000;
/// BPF_PROG_TEST_RUN lets frames arrive on the loopback device, whose index is 1.
const IFINDEX: u32 = 1;

/// One program on one kind of frame.
pub(crate) struct Contender {
    pub(crate) hook: Hook,
    pub(crate) name: &'static str,
    /// The program that does nothing: what the others are compared with.
    pub(crate) is_empty: bool,
    pub(crate) program: ProgramFd,
    /// Frames of one length, found in turn.
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) verdict: u32,
}

impl Contender {
    /// Length of the frames.
    pub(crate) fn frame(&self) -> usize {
        self.frames.first().map_or(0, Vec::len)
    }
}

/// What becomes of a frame.
#[derive(Clone, Copy)]
enum Fate {
    Passed,
    Dropped,
    SentBack,
}

impl Fate {
    const fn verdict(self, hook: Hook) -> u32 {
        match (hook, self) {
            (Hook::Xdp, Self::Dropped) => 1,
            (Hook::Xdp, Self::Passed) | (Hook::Tc, Self::Dropped) => 2,
            (Hook::Xdp, Self::SentBack) => 3,
            // TCX_NEXT.
            (Hook::Tc, Self::Passed) => u32::MAX,
            (Hook::Tc, Self::SentBack) => 7,
        }
    }
}

/// Everything that is measured; fills the maps for it.
pub(crate) fn contenders(yard: &mut Yard) -> Result<Vec<Contender>> {
    fill(yard)?;
    let mut list = Vec::new();
    for hook in Hook::ALL {
        let ours = match hook {
            Hook::Xdp => names::XDP_PROGRAM,
            Hook::Tc => names::TC_PROGRAM,
        };
        let (arp, ns) = (vec![request(CLIENT4, ANSWERED4)], vec![solicitation(CLIENT6, ANSWERED6)]);
        let theirs = [
            ("empty", yard.theirs("empty", hook)?, arp.clone(), Fate::Passed),
            ("empty, NS", yard.theirs("empty", hook)?, ns.clone(), Fate::Passed),
            ("bounce", yard.theirs("bounce", hook)?, arp.clone(), Fate::SentBack),
            ("bounce, NS", yard.theirs("bounce", hook)?, ns.clone(), Fate::SentBack),
        ];
        list.extend(theirs.map(|(name, program, frames, fate)| Contender {
            hook,
            name,
            is_empty: name.starts_with("empty"),
            program,
            frames,
            verdict: fate.verdict(hook),
        }));
        for (name, frames, fate) in [
            ("answer", arp, Fate::SentBack),
            (
                "answer, clients in turn",
                (0..TEMPLATES).map(|n| request([10, 0, 0, n], ANSWERED4)).collect(),
                Fate::SentBack,
            ),
            ("answer NS", ns, Fate::SentBack),
            (
                "answer NS, clients in turn",
                (0..TEMPLATES).map(|n| solicitation(client6(n), ANSWERED6)).collect(),
                Fate::SentBack,
            ),
            ("suppressed ARP", vec![request(CLIENT4, SUPPRESSED4)], Fate::Dropped),
            ("foreign ARP", vec![request(CLIENT4, FOREIGN4)], Fate::Passed),
            ("foreign NS", vec![solicitation(CLIENT6, FOREIGN6)], Fate::Passed),
            ("pass IPv4/TCP", vec![tcp4()], Fate::Passed),
            ("pass IPv6/TCP", vec![tcp6()], Fate::Passed),
        ] {
            let program = yard.ours(ours, hook)?;
            list.push(Contender { hook, name, is_empty: false, program, frames, verdict: fate.verdict(hook) });
        }
    }
    list.extend(steps(yard)?);
    let rewrite = yard.theirs("rewrite", Hook::Xdp)?;
    list.push(Contender {
        hook: Hook::Xdp,
        name: "rewrite without a question",
        is_empty: false,
        program: rewrite,
        frames: vec![request(CLIENT4, ANSWERED4)],
        verdict: Fate::SentBack.verdict(Hook::Xdp),
    });
    Ok(list)
}

/// What an answer is made of, in this order; each program does what those before it do and one step more.
const STEPS: [(&str, &str, &str); 14] = [
    ("arp_headers", "step: headers", ARP),
    ("arp_look_up", "step: look-up", ARP),
    ("arp_clock", "step: clock", ARP),
    ("arp_lease", "step: lease", ARP),
    ("arp_counters", "step: counters", ARP),
    ("arp_client", "step: client memory", ARP),
    ("arp_answer", "step: rewriting", ARP),
    ("ns_headers", "step: headers, checksum, NS", NS),
    ("ns_look_up", "step: look-up, NS", NS),
    ("ns_clock", "step: clock, NS", NS),
    ("ns_lease", "step: lease, NS", NS),
    ("ns_counters", "step: counters, NS", NS),
    ("ns_client", "step: client memory, NS", NS),
    ("ns_answer", "step: rewriting, checksum, NS", NS),
];
const ARP: &str = "ARP";
const NS: &str = "NS";

fn steps(yard: &mut Yard) -> Result<Vec<Contender>> {
    let mut list = Vec::new();
    for (program, name, family) in STEPS {
        let frame = if family == ARP { request(CLIENT4, ANSWERED4) } else { solicitation(CLIENT6, ANSWERED6) };
        list.push(Contender {
            hook: Hook::Xdp,
            name,
            is_empty: false,
            program: yard.theirs(program, Hook::Xdp)?,
            frames: vec![frame],
            verdict: Fate::SentBack.verdict(Hook::Xdp),
        });
    }
    Ok(list)
}

fn fill(yard: &mut Yard) -> Result<()> {
    let vip = |action, slot| Vip::new(OURS.0, action, slot, ALL_BUCKETS);
    let mut four = vec![(ANSWERED4, vip(Action::Answer, 0)), (SUPPRESSED4, vip(Action::Suppress, 1))];
    let mut six = vec![(ANSWERED6, vip(Action::Answer, 2))];
    for n in 0..LOADED {
        let bytes = (0x0a64_0000 + n).to_be_bytes();
        four.push((bytes, vip(Action::Answer, 3 + n)));
        let [a, b, c, d] = bytes;
        six.push(([0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, a, b, c, d], vip(Action::Answer, 3 + n)));
    }
    let four: Vec<_> = four.into_iter().map(|(address, vip)| (Key4::new(IFINDEX, address), vip)).collect();
    let six: Vec<_> = six.into_iter().map(|(address, vip)| (Key6::new(IFINDEX, address), vip)).collect();
    yard.load(&four, &six)
}

fn client6(n: u8) -> [u8; 16] {
    let mut address = CLIENT6;
    address[14] = n;
    address
}

/// Padded to whole words, as the template is put back: trailing bytes are legal in both messages.
fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().next_multiple_of(8), 0);
    frame
}

fn request(client: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    padded(Arp::request(Mac::BROADCAST, CLIENT, client, target).to_vec())
}

fn solicitation(client: [u8; 16], target: [u8; 16]) -> Vec<u8> {
    padded(Neighbor::solicitation(CLIENT, client, target).to_vec())
}

/// A frame of the length of an ARP request; all that is looked at is the EtherType.
fn tcp4() -> Vec<u8> {
    let mut frame = request(CLIENT4, ANSWERED4);
    frame[12..14].copy_from_slice(&EtherType::IPV4.get().to_be_bytes());
    frame
}

/// A frame of the length of a solicitation; all that is looked at is the next header.
fn tcp6() -> Vec<u8> {
    let mut frame = solicitation(CLIENT6, ANSWERED6);
    frame[20] = TCP;
    frame
}
