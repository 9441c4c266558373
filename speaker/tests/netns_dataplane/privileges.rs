//! What happens with fewer privileges, on older kernels and where BPF is forbidden.

#![expect(unsafe_code, reason = "seccomp and per-thread credentials have no safe wrappers")]

use caps::{CapSet, Capability};

use arpeggio_common::abi::Action;
use arpeggio_speaker::{
    dataplane::{Dataplane, OpenError, Options},
    decide::{AttachMode, AttachPolicy},
    world::LinkKind,
};

use crate::sandbox::{
    NODE, address, apply, ask, ask_for, assert_soon, desired, run, sandbox, tcx_of, veth, vip, xdp_of,
};

const UNPINNED: Options = Options { pin_dir: None, capacity: 16, log_level: 0 };

/// From now on bpf(2) fails in this thread with `errno`: every command, or only this one.
fn refuse_bpf(command: Option<u32>, errno: i32) {
    let instruction =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: u16::try_from(code).unwrap(), jt, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let leave = libc::BPF_RET | libc::BPF_K;
    let allow = libc::SECCOMP_RET_ALLOW;
    let fail = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
    let bpf = u32::try_from(libc::SYS_bpf).unwrap();
    // struct seccomp_data: the number of the call at 0, its first argument at 16 (little endian).
    let mut filter = match command {
        None => vec![instruction(load, 0, 0, 0), instruction(jump, 0, 1, bpf), instruction(leave, 0, 0, fail)],
        Some(command) => vec![
            instruction(load, 0, 0, 0),
            instruction(jump, 0, 3, bpf),
            instruction(load, 0, 0, 16),
            instruction(jump, 0, 1, command),
            instruction(leave, 0, 0, fail),
        ],
    };
    filter.push(instruction(leave, 0, 0, allow));
    install(filter);
}

fn install(mut filter: Vec<libc::sock_filter>) {
    let program = libc::sock_fprog { len: u16::try_from(filter.len()).unwrap(), filter: filter.as_mut_ptr() };
    // SAFETY: takes numbers only; it affects this thread, which ends with the test.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: `program` points to as many instructions as it says, and both outlive the call, which copies them.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0) }, 0);
}

const BPF_LINK_CREATE: u32 = 28;

#[test]
fn an_attachment_without_a_link_is_undone() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        // As a kernel before 5.9 answers: aya attaches through netlink then.
        refuse_bpf(Some(BPF_LINK_CREATE), libc::EINVAL);
        for (policy, mode) in [(AttachPolicy::Native, AttachMode::Native), (AttachPolicy::Generic, AttachMode::Generic)]
        {
            let applied = apply(&mut dataplane, &desired(index, "va", policy));
            let attachment = &applied.attachments[&index];
            assert_eq!((attachment.mode, attachment.program_id), (None, None));
            assert_eq!(attachment.steps_down[0].0, mode);
            assert!(attachment.steps_down[0].1.contains("without links"), "{attachment:?}");
            assert_soon!(xdp_of("va"), None, "nothing is left on the device");
        }
        let mut wanted = desired(index, "va", AttachPolicy::Auto);
        wanted.interfaces.get_mut(&index).unwrap().kind = LinkKind::Physical;
        let applied = apply(&mut dataplane, &wanted);
        let attachment = &applied.attachments[&index];
        assert_eq!(attachment.mode, Some(AttachMode::User), "the last resort");
        let tried: Vec<_> = attachment.steps_down.iter().map(|(mode, _)| *mode).collect();
        assert_eq!(tried, [AttachMode::Native, AttachMode::Tcx, AttachMode::Generic]);
        assert_soon!((xdp_of("va"), tcx_of("va").len()), (None, 0));
        assert!(!sandbox.pins().iter().any(|pin| pin.contains("links")));
    });
}

#[test]
fn where_bpf_is_forbidden_or_missing_the_error_says_so() {
    for (errno, permitted) in [(libc::EPERM, false), (libc::ENOSYS, true)] {
        sandbox(move |_| {
            refuse_bpf(None, errno);
            let error = Dataplane::open(&UNPINNED).err().unwrap();
            assert!(error.bpf_is_unavailable(), "{error:?}");
            assert_eq!(matches!(error, OpenError::NotSupported { .. }), permitted);
            assert_eq!(matches!(error, OpenError::NotPermitted { .. }), !permitted);
        });
    }
}

/// From now on this thread cannot open files any more, as if the process had no descriptors left.
fn refuse_files() {
    let instruction =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: u16::try_from(code).unwrap(), jt, jf, k };
    let out = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EMFILE).unwrap();
    install(vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, u32::try_from(libc::SYS_openat).unwrap()),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, out),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

const BPF_MAP_LOOKUP_BATCH: u32 = 24;

#[test]
fn out_of_descriptors_everything_stays_attached() {
    for policy in [AttachPolicy::Native, AttachPolicy::Tcx, AttachPolicy::Generic] {
        sandbox(move |sandbox| {
            let index = veth("va");
            let mut dataplane = sandbox.open();
            let before = apply(&mut dataplane, &desired(index, "va", policy)).attachments;
            refuse_files();
            for _ in 0..3 {
                assert_eq!(apply(&mut dataplane, &desired(index, "va", policy)).attachments, before);
                assert_eq!(ask("va"), Some(NODE));
            }
        });
    }
}

#[test]
fn maps_that_cannot_be_read_are_not_empty() {
    sandbox(|sandbox| {
        let index = veth("va");
        let mut dataplane = sandbox.open();
        let mut wanted = desired(index, "va", AttachPolicy::Tcx);
        apply(&mut dataplane, &wanted);
        refuse_bpf(Some(BPF_MAP_LOOKUP_BATCH), libc::ENOMEM);
        for last in 11..14 {
            dataplane.distrust();
            wanted.vips.insert((index, address(last)), vip(Action::Answer));
            let applied = dataplane.apply(&wanted);
            assert_eq!(applied.errors.len(), 1, "{:?}", applied.errors);
            assert!(applied.errors[0].to_string().contains("cannot read the map"), "{:?}", applied.errors);
            assert!(applied.entries.keys().eq(wanted.vips.keys()), "what was known, and what is new");
            assert_eq!((ask("va"), ask_for("va", [192, 0, 2, last])), (Some(NODE), Some(NODE)));
        }
        let withdrawn = dataplane.withdraw().unwrap();
        assert_eq!((withdrawn.removed, withdrawn.errors.len()), (4, 1), "{:?}", withdrawn.errors);
    });
}

/// This thread becomes nobody and keeps these capabilities only.
pub(crate) fn become_nobody(kept: &[Capability]) {
    let nobody = 65_534;
    // SAFETY: takes numbers only; it affects this thread, which ends with the test.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) }, 0);
    // SAFETY: takes numbers only. The raw call, because libc's wrapper changes every thread of the process.
    assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, nobody, nobody, nobody) }, 0);
    let kept = kept.iter().copied().collect();
    caps::set(None, CapSet::Permitted, &kept).unwrap();
    caps::set(None, CapSet::Effective, &kept).unwrap();
}

pub(crate) const NEEDED: [Capability; 4] =
    [Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_PERFMON, Capability::CAP_NET_RAW];

#[test]
fn four_capabilities_are_enough() {
    sandbox(|sandbox| {
        let index = veth("va");
        run(&format!(
            "chmod a+x {0} && install -d -o 65534 -m 0700 {1}",
            sandbox.bpffs().display(),
            sandbox.pin_dir().display()
        ));
        become_nobody(&NEEDED);
        for policy in [AttachPolicy::Native, AttachPolicy::Tcx, AttachPolicy::Generic] {
            // Twice: a nobody takes over what a nobody left.
            for _ in 0..2 {
                let mut dataplane = sandbox.open();
                let applied = apply(&mut dataplane, &desired(index, "va", policy));
                assert!(applied.attachments[&index].program_id.is_some(), "{:?}", applied.attachments);
                assert_eq!(ask("va"), Some(NODE));
            }
        }
    });
}

fn without(missing: Capability) {
    let kept: Vec<_> = NEEDED.into_iter().filter(|capability| *capability != missing).collect();
    become_nobody(&kept);
}

#[test]
fn without_cap_bpf_there_is_no_bpf() {
    sandbox(|_| {
        without(Capability::CAP_BPF);
        let error = Dataplane::open(&UNPINNED).err().unwrap();
        assert!(matches!(error, OpenError::NotPermitted { .. }), "{error:?}");
        assert!(error.to_string().contains("CAP_BPF"), "{error}");
    });
}

#[test]
fn without_cap_perfmon_a_socket_has_to_answer_and_the_reason_says_so() {
    sandbox(|_| {
        let index = veth("va");
        without(Capability::CAP_PERFMON);
        let mut dataplane = Dataplane::open(&UNPINNED).unwrap();
        // Twice: a program that was refused is not tried again.
        for _ in 0..2 {
            let applied = apply(&mut dataplane, &desired(index, "va", AttachPolicy::Auto));
            let attachment = &applied.attachments[&index];
            assert_eq!(attachment.mode, Some(AttachMode::User));
            let (_, reason) = attachment.steps_down.iter().find(|(mode, _)| *mode == AttachMode::Tcx).unwrap();
            assert!(reason.contains("CAP_PERFMON"), "{reason}");
        }
    });
}

#[test]
fn directories_of_others_are_refused_with_the_command_that_helps() {
    sandbox(|sandbox| {
        run(&format!("chmod 0755 {}", sandbox.bpffs().display()));
        become_nobody(&NEEDED);
        let error = Dataplane::open(&sandbox.options(16)).err().unwrap();
        let remedy = format!("install -d -o 65534 -m 0700 {}", sandbox.pin_dir().display());
        assert!(error.to_string().contains(&remedy), "{error}");
        assert!(!error.bpf_is_unavailable());
    });
    sandbox(|sandbox| {
        run(&format!("chmod 0700 {}", sandbox.bpffs().display()));
        become_nobody(&NEEDED);
        let error = Dataplane::open(&sandbox.options(16)).err().unwrap();
        assert!(error.to_string().contains(&format!("chmod a+x {}", sandbox.bpffs().display())), "{error}");
    });
    sandbox(|sandbox| {
        drop(sandbox.open());
        run(&format!(
            "chmod a+x {0} && chmod -R a+rx {0} && chmod 0600 {0}/arpeggio/v[0-9]/[A-Z]*",
            sandbox.bpffs().display()
        ));
        become_nobody(&NEEDED);
        let error = Dataplane::open(&sandbox.options(16)).err().unwrap();
        assert!(error.to_string().contains("chown -R 65534"), "{error}");
    });
}
