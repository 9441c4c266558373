//! Frames of which the program sees less than the table shows: a tag beside the frame, a frame in fragments.

use aya::{
    maps::ProgramArray,
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};

use crate::{
    case::{Case, Observed, Verdict},
    frames::{arp_request, padded, solicitation, source_option},
    kernel::{Entry, kernel, load, object_path},
    table,
};

/// The stack takes the tag out of the frame before tc sees it. BPF_PROG_TEST_RUN accepts no such context, so another program
/// puts the tag there and calls ours.
#[test]
fn a_tag_beside_the_frame_is_passed_by_tc() {
    for frame in [arp_request(), solicitation(&source_option())] {
        let case = Case::new("tagged", frame);
        assert_ne!(kernel().run(Entry::Tc, &case).verdict, Verdict::Pass, "without a tag it is answered");
        // TCX_NEXT; TC_ACT_SHOT is what the tagger returns when it could not call.
        let (code, observed) = with_tag_beside("tagged", &case, Verdict::Pass);
        assert_eq!(code, u32::MAX);
        assert_eq!(observed, case.expected, "nothing may be changed or counted");
    }
}

/// The same tag with the VLAN 0 says no more than a priority.
#[test]
fn a_priority_beside_the_frame_changes_nothing() {
    for frame in [arp_request(), solicitation(&source_option())] {
        let case = Case::new("prioritised", frame);
        let without = kernel().run(Entry::Tc, &case);
        // TC_ACT_REDIRECT.
        assert_eq!(with_tag_beside("prioritised", &case, Verdict::Transmit), (7, without));
    }
}

/// Runs the tc entry behind this program of the yardstick, which puts a tag beside the frame.
fn with_tag_beside(tagger: &str, case: &Case, verdict: Verdict) -> (u32, Observed) {
    let mut object = load(&object_path().with_file_name("yardstick.o"), None);
    let mut kernel = kernel();
    let mut target = ProgramArray::try_from(object.map_mut("TARGET_TC").unwrap()).unwrap();
    target.set(0, kernel.classifier().fd().unwrap(), 0).unwrap();
    kernel.furnish_now(&case.world);
    let program: &SchedClassifier = object.program(tagger).unwrap().try_into().unwrap();
    let mut out = vec![0; 2048];
    let options = TestRunOptions { data_in: Some(&case.frame), data_out: Some(&mut out), ..TestRunOptions::default() };
    let result = program.test_run(options).unwrap();
    out.truncate(result.data_size_out.try_into().unwrap());
    (result.return_value, kernel.observe_now(verdict, out))
}

/// A device with a large MTU hands multi-buffer frames to the entry that says that it knows them.
#[test]
fn a_frame_in_fragments_is_answered_from_its_linear_part() {
    let frame = padded(arp_request(), 9000);
    let answer = padded(table::rows("arp_requests")[0].expected.frame.clone(), 9000);
    let case = Case::new("jumbo", frame).answered(answer);
    assert_eq!(kernel().run(Entry::XdpFrags, &case), case.expected);
}
