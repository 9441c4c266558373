//! Nanoseconds per frame in the kernel, by BPF_PROG_TEST_RUN: ours beside a program that does nothing and one that does the
//! least that can be called an answer. Prints one JSON object; `cargo xtask bench fastpath` makes the table of it.
//!
//! Needs root, `target/bpf/arpeggio.o` and `target/bpf/yardstick.o` (`cargo xtask build-ebpf`).

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use arpeggio_common::{
    abi::{ALL_BUCKETS, Action, Key4, Key6, Vip, names},
    wire::{Arp, Mac, Neighbor},
};
use aya::{
    Ebpf,
    maps::{Array, HashMap, ProgramArray},
    programs::{ProgramFd, TestRun as _, TestRunOptions, Xdp},
};

const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 2]);
const VIP4: [u8; 4] = [192, 0, 2, 10];
const VIP6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
const PEER6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
/// Addresses that are loaded beside the one that is asked for.
const LOADED: u32 = 10_000;
/// Runs in a row for one reading, and readings of which the fastest counts: noise only ever adds.
const REPEAT: u32 = 20_000;
const ROUNDS: usize = 100;

fn object(name: &str) -> Result<Ebpf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")), PathBuf::from);
    let path = target.join("bpf").join(name);
    aya::EbpfLoader::new()
        .verifier_log_level(aya::VerifierLogLevel::VERBOSE | aya::VerifierLogLevel::STATS)
        .load_file(&path)
        .with_context(|| format!("load {}; run cargo xtask build-ebpf", path.display()))
}

fn program<'a>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let program: &mut Xdp = object.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?;
    Ok(program)
}

/// One program on one frame.
struct Contender {
    name: &'static str,
    program: ProgramFd,
    frame: Vec<u8>,
    verdict: u32,
}

fn contenders(yard: &mut Ebpf, ours: &mut Ebpf) -> Result<Vec<Contender>> {
    let arp = Arp::request(Mac::BROADCAST, CLIENT, [192, 0, 2, 1], VIP4).to_vec();
    let ns = Neighbor::solicitation(CLIENT, PEER6, VIP6).to_vec();
    let foreign = Arp::request(Mac::BROADCAST, CLIENT, [192, 0, 2, 1], [192, 0, 2, 250]).to_vec();
    let mut tcp = arp.clone();
    tcp[12..14].copy_from_slice(&[8, 0]);
    let mut tcp6 = ns.clone();
    tcp6[20] = 6;
    let mut list = Vec::new();
    for (name, theirs, frame, verdict) in [
        ("empty", Some("empty"), &arp, 2),
        ("bounce", Some("bounce"), &arp, 3),
        ("bounce_ns", Some("bounce"), &ns, 3),
        ("answer", None, &arp, 3),
        ("answer_ns", None, &ns, 3),
        ("foreign_arp", None, &foreign, 2),
        ("pass_ipv4", None, &tcp, 2),
        ("pass_ipv6", None, &tcp6, 2),
    ] {
        let loaded = match theirs {
            Some(program_name) => program(yard, program_name)?,
            None => program(ours, names::XDP_PROGRAM)?,
        };
        let program = loaded.fd()?.try_clone()?;
        // Padded to whole words, as the template is put back: trailing bytes are legal in both messages.
        let mut frame = frame.clone();
        frame.resize(frame.len().next_multiple_of(8), 0);
        list.push(Contender { name, program, frame, verdict });
    }
    Ok(list)
}

fn fill(ours: &mut Ebpf) -> Result<()> {
    // BPF_PROG_TEST_RUN lets frames arrive on the loopback device of the namespace, whose index is 1.
    let ifindex = 1;
    let answer = Vip::new(OURS.0, Action::Answer, 0, ALL_BUCKETS);
    let mut vips4 = HashMap::<_, Key4, Vip>::try_from(ours.map_mut(names::VIPS4).context("no VIPS4")?)?;
    for n in 0..LOADED {
        let vip = Vip::new(OURS.0, Action::Answer, n + 1, ALL_BUCKETS);
        vips4.insert(Key4::new(ifindex, (0x0a00_0000 + n).to_be_bytes()), vip, 0)?;
    }
    vips4.insert(Key4::new(ifindex, VIP4), answer, 0)?;
    let mut vips6 = HashMap::<_, Key6, Vip>::try_from(ours.map_mut(names::VIPS6).context("no VIPS6")?)?;
    vips6.insert(Key6::new(ifindex, VIP6), answer, 0)?;
    let mut lease = Array::<_, u64>::try_from(ours.map_mut(names::LEASE).context("no LEASE")?)?;
    Ok(lease.set(0, u64::MAX, 0)?)
}

/// Nanoseconds of one run of `restore` with `contender` as its target.
fn measure(
    restore: &Xdp,
    target: &mut ProgramArray<aya::maps::MapData>,
    template: &mut Array<aya::maps::MapData, [u8; 96]>,
    contender: &Contender,
) -> Result<f64> {
    let mut padded = [0; 96];
    padded[..contender.frame.len()].copy_from_slice(&contender.frame);
    template.set(0, padded, 0)?;
    target.set(0, &contender.program, 0)?;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let options = TestRunOptions { data_in: Some(&contender.frame), repeat: REPEAT, ..TestRunOptions::default() };
        let result = restore.test_run(options)?;
        anyhow::ensure!(
            result.return_value == contender.verdict,
            "{}: verdict {} instead of {}",
            contender.name,
            result.return_value,
            contender.verdict
        );
        best = best.min(result.duration);
    }
    Ok(best.as_nanos() as f64)
}

fn main() -> Result<()> {
    let mut yard = object("yardstick.o")?;
    let mut ours = object("arpeggio.o")?;
    for name in ["empty", "bounce", "restore"] {
        program(&mut yard, name)?.load()?;
    }
    program(&mut ours, names::XDP_PROGRAM)?.load()?;
    fill(&mut ours)?;
    let list = contenders(&mut yard, &mut ours)?;
    let mut target = ProgramArray::try_from(yard.take_map("TARGET").context("no TARGET")?)?;
    let mut template = Array::<_, [u8; 96]>::try_from(yard.take_map("TEMPLATE").context("no TEMPLATE")?)?;
    for name in ["empty", "bounce"] {
        let p = program(&mut yard, name)?;
        let mut best = Duration::MAX;
        for _ in 0..ROUNDS {
            best = best.min(
                p.test_run(TestRunOptions {
                    data_in: Some(&list[0].frame),
                    repeat: REPEAT,
                    ..TestRunOptions::default()
                })?
                .duration,
            );
        }
        println!("raw_{name} {}", best.as_nanos());
    }
    let restore = program(&mut yard, "restore")?;
    for contender in &list[..3] {
        let raw = Xdp::test_run(restore, TestRunOptions::default()).err();
        let _ = raw;
        let _ = contender;
    }
    for contender in &list {
        println!("{} {}", contender.name, measure(restore, &mut target, &mut template, contender)?);
    }
    Ok(())
}
