//! The table through each entry: one test per group of rows and entry.

use std::fmt::Write as _;

use crate::{
    case::{Case, Observed, Verdict},
    frames, host,
    kernel::{Entry, kernel},
    oracle,
    table::{self, GROUPS},
};

/// What is wrong about a row, if anything.
fn judge(case: &Case, observed: &Observed) -> Result<(), String> {
    if *observed != case.expected {
        return Err(format!(
            "\n  frame    {:02x?}\n  expected {:02x?}\n  observed {observed:02x?}",
            case.frame, case.expected
        ));
    }
    if observed.verdict == Verdict::Transmit {
        oracle::read(&observed.frame).map_err(|error| format!("nobody else can read the answer: {error}"))?;
    }
    Ok(())
}

/// Runs rows and reports every one that failed, by its name.
#[expect(clippy::print_stdout, reason = "libtest shows it with --nocapture and for failed tests")]
fn judge_all(title: &str, cases: &[Case], run: impl Fn(&Case) -> Observed) {
    let mut failures = String::new();
    for case in cases {
        if let Err(error) = judge(case, &run(case)) {
            write!(failures, "\n{title}, {}: {error}", case.name).unwrap();
        }
    }
    println!("{title}: {} frames", cases.len());
    assert!(failures.is_empty(), "{failures}");
}

fn in_kernel(entry: Entry, group: &str) {
    let cases: Vec<_> = table::rows(group).into_iter().filter(|case| entry.takes(&case.frame)).collect();
    assert!(!cases.is_empty(), "{entry:?} can be shown no row of {group}");
    judge_all(&format!("{} {group}", entry.program()), &cases, |case| kernel().run(entry, case));
}

/// A frame with a priority and no VLAN belongs to the segment like any other; what comes back has the tag as well.
#[test]
fn a_priority_tag_changes_nothing() {
    let is_neighbour = |case: &Case| matches!(case.frame.get(12..14), Some([8, 6] | [0x86, 0xdd]));
    let cases: Vec<_> = table::all().into_iter().filter(is_neighbour).collect();
    let prioritised = |case: &Case| Case { frame: frames::prioritised(&case.frame), ..case.clone() };
    let without = |observed: Observed| Observed { frame: frames::without_priority(&observed.frame), ..observed };
    for entry in Entry::ALL {
        let title = format!("{} with a priority", entry.program());
        judge_all(&title, &cases, |case| without(kernel().run(entry, &prioritised(case))));
    }
    judge_all("host with a priority", &cases, |case| without(host::run(&prioritised(case))));
}

macro_rules! each_entry {
    ($($group:ident)*) => {
        mod arpeggio_xdp {
            $(#[test] fn $group() { super::in_kernel(super::Entry::Xdp, stringify!($group)); })*
        }
        mod arpeggio_xdp_frags {
            $(#[test] fn $group() { super::in_kernel(super::Entry::XdpFrags, stringify!($group)); })*
        }
        mod arpeggio_tc {
            $(#[test] fn $group() { super::in_kernel(super::Entry::Tc, stringify!($group)); })*
        }
        mod host_build {
            $(#[test] fn $group() {
                super::judge_all(concat!("host ", stringify!($group)), &super::table::rows(stringify!($group)), super::host::run);
            })*
        }

        #[test]
        fn every_group_of_the_table_is_run() {
            assert_eq!(GROUPS.map(|(name, _)| name), [$(stringify!($group)),*]);
        }
    };
}

each_entry! {
    arp_lengths arp_requests arp_refused arp_claims tagged_claims odd_tags actions lease buckets heartbeats
    heartbeats_heard memory ordinary solicitations duplicate_detection neighbor_refused neighbor_options neighbor_lengths advertisements events
    proven_questions proven_statements uses after_lease
}

#[test]
fn the_table_is_large_and_its_names_are_unique() {
    let cases = table::all();
    let kernel_rows: usize =
        Entry::ALL.map(|entry| cases.iter().filter(|case| entry.takes(&case.frame)).count()).iter().sum();
    println!("{} rows; {kernel_rows} frames through the kernel's entries", cases.len());
    assert!(cases.len() >= 80, "{} rows", cases.len());
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "two rows have the same name");
}

#[test]
fn every_outcome_stands_in_the_table() {
    use arpeggio_common::abi::Outcome;
    let counted: std::collections::BTreeSet<_> =
        table::all().iter().flat_map(|case| case.expected.outcomes.keys().copied().collect::<Vec<_>>()).collect();
    let countable: Vec<_> = Outcome::ALL.into_iter().filter(|outcome| outcome.counter().is_some()).collect();
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), countable);
}
