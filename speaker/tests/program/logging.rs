//! What the program says about rare verdicts: nothing at all when it is not asked, not even in its instructions.

use std::sync::{Mutex, PoisonError};

use arpeggio_common::abi::{Lease, names};
use aya::{
    Ebpf,
    programs::{TestRun as _, TestRunOptions, Xdp},
};
use aya_log::{EbpfLogger, Level};

use crate::{
    case::{Case, Verdict},
    frames::{at, solicitation, source_option, with},
    kernel::{Entry, kernel, load, object_path},
};

/// Collects what is logged.
struct Collector(Mutex<Vec<(log::Level, String)>>);

impl log::Log for Collector {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((record.level(), record.args().to_string()));
    }

    fn flush(&self) {}
}

fn xdp(ebpf: &Ebpf) -> &Xdp {
    ebpf.program(names::XDP_PROGRAM).unwrap().try_into().unwrap()
}

/// Instructions after the verifier has removed what cannot be reached.
fn instructions(ebpf: &Ebpf) -> u32 {
    xdp(ebpf).info().unwrap().size_translated().unwrap() / 8
}

#[test]
fn at_debug_level_a_wrong_checksum_is_explained() {
    static LINES: Collector = Collector(Mutex::new(Vec::new()));
    let case = Case::new("wrong checksum", with(solicitation(&source_option()), at::CHECKSUM, &[0, 0]));
    // The address has to be in the maps for the program to look at the checksum: those of this object are its own.
    let mut ebpf = load(&object_path(), Some(Level::Debug as u8));
    let mut vips = aya::maps::HashMap::<_, arpeggio_common::abi::Key6, arpeggio_common::abi::Vip>::try_from(
        ebpf.map_mut(names::VIPS6).unwrap(),
    )
    .unwrap();
    for (key, vip) in &case.world.vips6 {
        vips.insert(key, vip, 0).unwrap();
    }
    let mut lease = aya::maps::Array::<_, Lease>::try_from(ebpf.map_mut(names::LEASE).unwrap()).unwrap();
    lease.set(0, Lease { until_ns: u64::MAX, node: None }, 0).unwrap();
    let mut logger = EbpfLogger::init_with_logger(&mut ebpf, &LINES).unwrap();
    let options = TestRunOptions { data_in: Some(&case.frame), ..TestRunOptions::default() };
    assert_eq!(xdp(&ebpf).test_run(options).unwrap().return_value, 2);
    logger.flush();
    let lines = LINES.0.lock().unwrap();
    assert_eq!(*lines, [(log::Level::Debug, "wrong ICMPv6 checksum: not answered".to_owned())]);
}

#[test]
fn without_logging_no_log_call_is_left() {
    let talking = load(&object_path(), Some(Level::Debug as u8));
    let silent = load(&object_path(), Some(0));
    let (talking, silent) = (instructions(&talking), instructions(&silent));
    println!("{talking} instructions with logging, {silent} without");
    assert!(silent + 500 < talking, "{silent} instructions without logging, {talking} with");
}

#[test]
fn without_logging_nothing_is_written() {
    let mut kernel = kernel();
    let case = Case::new("wrong checksum", with(solicitation(&source_option()), at::CHECKSUM, &[0, 0]));
    for entry in Entry::ALL {
        assert_eq!(kernel.run(entry, &case).verdict, Verdict::Pass);
    }
    assert_eq!(kernel.logged(), 0);
}
