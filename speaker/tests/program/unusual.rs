//! Frames of which the program sees less than the table shows: a tag beside the frame, a frame in fragments.

use aya::{
    maps::ProgramArray,
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};

use crate::{
    case::{Case, Verdict},
    frames::{arp_request, padded, solicitation, source_option},
    kernel::{Entry, kernel, load, object_path},
    table,
};

/// The stack takes the tag out of the frame before tc sees it. BPF_PROG_TEST_RUN accepts no such context, so another program
/// puts the tag there and calls ours.
#[test]
fn a_tag_beside_the_frame_is_passed_by_tc() {
    let mut tagger = load(&object_path().with_file_name("yardstick.o"), None);
    let mut kernel = kernel();
    for frame in [arp_request(), solicitation(&source_option())] {
        let case = Case::new("tagged", frame);
        assert_ne!(kernel.run(Entry::Tc, &case).verdict, Verdict::Pass, "without a tag it is answered");
        let mut target = ProgramArray::try_from(tagger.map_mut("TARGET_TC").unwrap()).unwrap();
        target.set(0, kernel.classifier().fd().unwrap(), 0).unwrap();
        kernel.furnish_now(&case.world);
        let program: &SchedClassifier = tagger.program("tagged").unwrap().try_into().unwrap();
        let mut out = vec![0; 2048];
        let options =
            TestRunOptions { data_in: Some(&case.frame), data_out: Some(&mut out), ..TestRunOptions::default() };
        let result = program.test_run(options).unwrap();
        out.truncate(result.data_size_out.try_into().unwrap());
        // 0 is TC_ACT_OK; TC_ACT_SHOT is what the tagger returns when it could not call.
        assert_eq!((result.return_value, &out), (0, &case.frame));
        let observed = kernel.observe_now(Verdict::Pass, out);
        assert_eq!(observed, case.expected, "nothing may be counted");
    }
}

/// A device with a large MTU hands multi-buffer frames to the entry that says that it knows them.
#[test]
fn a_frame_in_fragments_is_answered_from_its_linear_part() {
    let frame = padded(arp_request(), 9000);
    let answer = padded(table::rows("arp_requests")[0].expected.frame.clone(), 9000);
    let case = Case::new("jumbo", frame).answered(answer);
    assert_eq!(kernel().run(Entry::XdpFrags, &case), case.expected);
}
