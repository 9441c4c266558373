//! Pure: kernel, pin directory and privileges, judged.

use std::path::PathBuf;

use super::{
    facts::{Kernel, Pins, Privileges, Version},
    finding::{Area, Finding},
};
use crate::{dataplane::Remains, world::AttachPolicy};

/// The oldest kernel that is supported.
pub(super) const FLOOR: Version = (5, 15);
/// Multi-buffer frames in XDP: `BPF_F_XDP_HAS_FRAGS`.
pub(super) const FRAGS: Version = (5, 18);
/// XDP features over netlink.
pub(super) const FEATURES: Version = (6, 3);
/// The tcx hook.
pub(super) const TCX: Version = (6, 6);

/// Reads `6.1.0-18-amd64`.
pub(super) fn parse_release(release: &str) -> Option<Version> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Kernel, BTF and JIT.
pub(super) fn kernel(kernel: &Kernel) -> Vec<Finding> {
    let release = &kernel.release;
    let Some(version) = kernel.version else {
        return vec![Finding::warn(
            Area::Kernel,
            "version",
            format!("{release:?} is no version number, so what it can do is not known"),
            "compare with the requirements in docs/installing.md",
        )];
    };
    let mut findings = vec![if version < FLOOR {
        Finding::fail(
            Area::Kernel,
            "version",
            format!("Linux {release} is older than 5.15"),
            "install Linux 5.15 or later",
        )
    } else {
        Finding::ok(Area::Kernel, "version", format!("Linux {release}; 5.15 or later is needed"))
    }];
    findings.push(since(
        version,
        FRAGS,
        ("frags", "native XDP with large MTUs (multi-buffer frames)"),
        "without it a driver may refuse native XDP on an MTU above about 3500 bytes",
    ));
    findings.push(since(
        version,
        TCX,
        ("tcx", "the tcx hook, for devices without native XDP"),
        "without it such devices step down to generic XDP, which is slower",
    ));
    findings.push(if kernel.btf {
        Finding::ok(Area::Kernel, "btf", "/sys/kernel/btf/vmlinux is there")
    } else {
        Finding::warn(
            Area::Kernel,
            "btf",
            "/sys/kernel/btf/vmlinux is missing: the program may be refused, and bpftool cannot show names of fields",
            "use a kernel with CONFIG_DEBUG_INFO_BTF=y, and mount sysfs on /sys",
        )
    });
    findings.extend(match kernel.jit {
        Some(0) => Some(Finding::warn(
            Area::Kernel,
            "jit",
            "the BPF compiler is off: programs are interpreted, every frame costs several times as much",
            "sysctl -w net.core.bpf_jit_enable=1",
        )),
        Some(_) => Some(Finding::ok(Area::Kernel, "jit", "programs are compiled (net.core.bpf_jit_enable)")),
        // Readable for the administrator only, and always on in most distributions.
        None => None,
    });
    findings
}

/// A feature that came with a version.
fn since(version: Version, wanted: Version, (subject, gives): (&str, &str), without: &str) -> Finding {
    let (major, minor) = wanted;
    if version >= wanted {
        Finding::ok(Area::Kernel, subject, format!("{gives}: there since Linux {major}.{minor}"))
    } else {
        Finding::warn(
            Area::Kernel,
            subject,
            format!("{gives}: came with Linux {major}.{minor}; {without}"),
            format!("Linux {major}.{minor} or later"),
        )
    }
}

/// The pin directory.
pub(super) fn pins(pins: &Pins, uid: u32) -> Vec<Finding> {
    let (directory, existing) = (pins.directory.display(), pins.existing.display());
    let mount = format!("mount -t bpf bpf {existing}; or give a --pin-dir on a mounted one, usually below /sys/fs/bpf");
    let mut findings = vec![match &pins.bpffs {
        Ok(true) => Finding::ok(Area::Pins, "bpffs", format!("{existing} is on a BPF file system")),
        Ok(false) => Finding::fail(Area::Pins, "bpffs", format!("{existing} is not on a BPF file system"), mount),
        Err(error) => Finding::fail(Area::Pins, "bpffs", format!("{existing}: {error}"), mount),
    }];
    let below = pins.directory.strip_prefix(&pins.existing).unwrap_or(&pins.directory);
    if below.to_string_lossy().contains('.') {
        findings.push(Finding::fail(
            Area::Pins,
            "name",
            format!("a BPF file system allows no dot in names, and {directory} has one"),
            "give a --pin-dir without dots",
        ));
    }
    findings.push(if pins.writable {
        let text = if pins.existing == pins.directory { "is there" } else { "can be made" };
        Finding::ok(Area::Pins, "directory", format!("{directory} {text} and is writable for this user"))
    } else {
        Finding::fail(
            Area::Pins,
            "directory",
            format!("user {uid} may not make files in {existing}"),
            format!("install -d -o {uid} -m 0700 {directory}, as root"),
        )
    });
    let Remains { stale, foreign } = &pins.remains;
    let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    if !stale.is_empty() {
        findings.push(Finding::warn(
            Area::Pins,
            "put aside",
            format!("of no use to any agent any more: {}", names(stale)),
            format!("rm -r {directory}/stale, once nothing else uses them"),
        ));
    }
    if !foreign.is_empty() {
        findings.push(Finding::warn(
            Area::Pins,
            "foreign",
            format!("not pinned by an agent, and left alone: {}", names(foreign)),
            "ask its owner; this project does not need it",
        ));
    }
    findings
}

/// What each capability is for. With the user-space responder everywhere, only the last is needed.
const CAPABILITIES: [(&str, &str, bool); 4] = [
    ("CAP_BPF", "load programs and make maps", true),
    ("CAP_NET_ADMIN", "attach programs to interfaces", true),
    ("CAP_PERFMON", "let the program address packets (the verifier refuses it otherwise)", true),
    ("CAP_NET_RAW", "send gratuitous frames and heartbeats", false),
];

/// Capabilities and what takes them away.
pub(super) fn privileges(privileges: &Privileges, policy: AttachPolicy) -> Vec<Finding> {
    let bpf_wanted = policy != AttachPolicy::User;
    let mut findings: Vec<_> = CAPABILITIES
        .into_iter()
        .filter(|(_, _, for_bpf)| bpf_wanted || !for_bpf)
        .map(|(name, purpose, _)| capability(privileges, name, purpose))
        .collect();
    if bpf_wanted && privileges.initial_user_namespace == Some(false) {
        findings.push(Finding::fail(
            Area::Privileges,
            "user namespace",
            "this process is in a user namespace of its own, where capabilities do not reach BPF",
            "start it outside (hostUsers: true in a pod)",
        ));
    }
    findings.extend(match privileges.unprivileged_bpf_disabled {
        Some(0) => Some(Finding::ok(
            Area::Privileges,
            "unprivileged bpf",
            "every user may load BPF programs (kernel.unprivileged_bpf_disabled=0); the agent does not need that, 2 is safer",
        )),
        Some(value) => Some(Finding::ok(
            Area::Privileges,
            "unprivileged bpf",
            format!("only CAP_BPF may load programs (kernel.unprivileged_bpf_disabled={value})"),
        )),
        None => None,
    });
    findings
}

fn capability(privileges: &Privileges, name: &str, purpose: &str) -> Finding {
    // The kernel takes the old, larger capability in place of these two (capabilities(7)).
    let replaced = ["CAP_BPF", "CAP_PERFMON"].contains(&name) && privileges.effective.contains("CAP_SYS_ADMIN");
    if privileges.effective.contains(name) || replaced {
        Finding::ok(Area::Privileges, name, format!("there: the agent can {purpose}"))
    } else {
        Finding::fail(
            Area::Privileges,
            name,
            format!("missing: the agent cannot {purpose}"),
            format!(
                "run it as root or with {name} in its ambient and effective sets (a pod: securityContext.capabilities.add)"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::finding::Verdict, *};

    fn verdicts(findings: &[Finding]) -> Vec<(&str, Verdict)> {
        findings.iter().map(|finding| (finding.subject.as_str(), finding.verdict)).collect()
    }

    fn linux(release: &str) -> Kernel {
        Kernel { release: release.to_owned(), version: parse_release(release), btf: true, jit: Some(1) }
    }

    #[test]
    fn releases_of_every_distribution_are_read() {
        for (release, version) in [
            ("6.1.0-18-amd64", Some((6, 1))),
            ("5.15.0-1051-aws", Some((5, 15))),
            ("6.12", Some((6, 12))),
            ("5.14.0-427.el9.x86_64", Some((5, 14))),
            ("6.9-rc1", Some((6, 9))),
            ("", None),
            ("linux", None),
        ] {
            assert_eq!(parse_release(release), version, "{release}");
        }
    }

    #[test]
    fn versions_are_judged_at_their_edges() {
        use Verdict::{Fail, Ok, Warn};
        for (release, version, frags, tcx) in [
            ("5.14.21", Fail, Warn, Warn),
            ("5.15.0", Ok, Warn, Warn),
            ("5.17.9", Ok, Warn, Warn),
            ("5.18.0", Ok, Ok, Warn),
            ("6.1.0", Ok, Ok, Warn),
            ("6.5.13", Ok, Ok, Warn),
            ("6.6.0", Ok, Ok, Ok),
            ("10.0.1", Ok, Ok, Ok),
        ] {
            let expected = [("version", version), ("frags", frags), ("tcx", tcx), ("btf", Ok), ("jit", Ok)];
            assert_eq!(verdicts(&kernel(&linux(release))), expected, "{release}");
        }
        assert_eq!(verdicts(&kernel(&linux("odd"))), [("version", Warn)]);
        let bare = Kernel { btf: false, jit: Some(0), ..linux("6.6.0") };
        assert_eq!(verdicts(&kernel(&bare))[3..], [("btf", Warn), ("jit", Warn)]);
    }

    fn good_pins() -> Pins {
        Pins {
            directory: "/sys/fs/bpf/arpeggio".into(),
            existing: "/sys/fs/bpf".into(),
            bpffs: Ok(true),
            writable: true,
            remains: Remains::default(),
        }
    }

    #[test]
    fn what_nobody_uses_is_named() {
        let remains = Remains { stale: vec!["/b/stale/v1-VIPS4".into()], foreign: vec!["/b/theirs".into()] };
        let findings = pins(&Pins { remains, ..good_pins() }, 0);
        assert_eq!(verdicts(&findings)[2..], [("put aside", Verdict::Warn), ("foreign", Verdict::Warn)]);
        assert!(findings[2].text.contains("/b/stale/v1-VIPS4") && findings[3].text.contains("/b/theirs"));
    }

    #[test]
    fn pins_need_a_writable_bpffs_and_a_name_without_dots() {
        use Verdict::{Fail, Ok as Good};
        assert_eq!(verdicts(&pins(&good_pins(), 0)), [("bpffs", Good), ("directory", Good)]);
        let elsewhere = pins(&Pins { bpffs: Ok(false), writable: false, ..good_pins() }, 65532);
        assert_eq!(verdicts(&elsewhere), [("bpffs", Fail), ("directory", Fail)]);
        assert!(elsewhere[0].remedy.as_deref().unwrap().starts_with("mount -t bpf bpf /sys/fs/bpf"));
        assert_eq!(elsewhere[1].remedy.as_deref(), Some("install -d -o 65532 -m 0700 /sys/fs/bpf/arpeggio, as root"));
        let dotted = Pins { directory: "/sys/fs/bpf/arpeggio.d".into(), ..good_pins() };
        assert_eq!(verdicts(&pins(&dotted, 0))[1], ("name", Fail));
        let above = Pins { directory: "/run/x.y/bpf/arpeggio".into(), existing: "/run/x.y/bpf".into(), ..good_pins() };
        assert_eq!(verdicts(&pins(&above, 0)), [("bpffs", Good), ("directory", Good)]);
    }

    fn holding(names: &[&str]) -> Privileges {
        let effective: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Privileges { effective, initial_user_namespace: Some(true), ..Privileges::default() }
    }

    #[test]
    fn every_missing_capability_is_named() {
        let all = CAPABILITIES.map(|(name, ..)| name);
        assert!(privileges(&holding(&all), AttachPolicy::Auto).iter().all(|finding| finding.verdict == Verdict::Ok));
        for missing in all {
            let rest: Vec<_> = all.into_iter().filter(|name| *name != missing).collect();
            let findings = privileges(&holding(&rest), AttachPolicy::Auto);
            let failed: Vec<_> = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
            assert_eq!(failed.iter().map(|finding| finding.subject.as_str()).collect::<Vec<_>>(), [missing]);
            assert!(failed[0].remedy.as_ref().unwrap().contains(missing));
        }
    }

    #[test]
    fn the_administrator_capability_does_for_two() {
        let findings = privileges(&holding(&["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW"]), AttachPolicy::Auto);
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Ok), "{findings:?}");
    }

    #[test]
    fn without_bpf_only_raw_sockets_are_needed() {
        let raw = Privileges { initial_user_namespace: Some(false), ..holding(&["CAP_NET_RAW"]) };
        assert_eq!(verdicts(&privileges(&raw, AttachPolicy::User)), [("CAP_NET_RAW", Verdict::Ok)]);
        assert!(privileges(&raw, AttachPolicy::Auto).iter().any(|finding| finding.subject == "user namespace"));
    }
}
