//! Which part of the tree must not know about what.

/// Files to which a rule applies, and the words their code must not contain.
pub(super) struct Ban {
    /// Why, for the message.
    pub(super) reason: &'static str,
    applies: fn(&str) -> bool,
    words: &'static [&'static str],
}

/// Every rule about imports.
pub(super) const BANS: [Ban; 4] = [
    Ban {
        reason: "the map layout is shared with the BPF program: core only",
        // The one file with the `Pod` markers is compiled for user space alone.
        applies: |file| file.starts_with("common/src/abi/") && file != "common/src/abi/pod.rs",
        words: &["alloc::", "std::", "aya::", "aya_ebpf::", "serde::"],
    },
    Ban {
        reason: "wire formats are shared with the BPF program: core only",
        applies: |file| file.starts_with("common/src/wire/"),
        words: &["alloc::", "aya::", "aya_ebpf::", "tokio::"],
    },
    Ban {
        reason: "the model is plain values",
        applies: |file| file.starts_with("common/src/model/"),
        words: &["kube::", "k8s_openapi::", "tokio::", "aya::", "tracing::"],
    },
    Ban {
        reason: "decisions are pure functions of ordered values: no clock, no randomness, no runtime, no logging, no hashing",
        applies: is_pure,
        words: &[
            "tokio::",
            "kube::",
            "aya::",
            "rtnetlink::",
            "netlink_sys::",
            "socket2::",
            "tracing::",
            "log::",
            "rand::",
            "Instant::now",
            "SystemTime",
            "HashMap",
            "HashSet",
            "std::fs",
            "std::thread",
        ],
    },
];

/// Folders and files whose name promises a pure decision.
fn is_pure(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    let in_sources = parts.get(1) == Some(&"src") && parts.first() != Some(&"xtask");
    let name = parts.last().copied().unwrap_or_default();
    let talks = ["vty.rs", "driver.rs"].contains(&name);
    file.starts_with("speaker/succession/src/")
        || file.starts_with("speaker/bgp/src/") && !talks
        || in_sources
            && (parts.contains(&"decide")
                || name == "plan.rs"
                || file.contains("/bgp/render/")
                || file.ends_with("/status/report.rs"))
}

impl Ban {
    /// The first banned word in a line of code, if the rule applies to the file.
    pub(super) fn broken_by(&self, file: &str, code: &str) -> Option<&'static str> {
        if !(self.applies)(file) {
            return None;
        }
        self.words.iter().copied().find(|word| contains_word(code, word))
    }
}

/// Whether `word` occurs and is not the end of a longer name (`aya::` in `my_aya::`).
fn contains_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(file: &str, code: &str) -> bool {
        BANS.iter().any(|ban| ban.broken_by(file, code).is_some())
    }

    #[test]
    fn each_folder_has_its_own_bans() {
        for (file, code) in [
            ("common/src/abi/key.rs", "use std::net::IpAddr;"),
            ("common/src/model/name.rs", "use tokio::sync::watch;"),
            ("common/src/wire/arp.rs", "extern crate x; use aya::Pod;"),
            ("speaker/src/decide/desired.rs", "let now = Instant::now();"),
            ("speaker/src/dataplane/tables/plan.rs", "use std::collections::HashMap;"),
            ("speaker/src/status/report.rs", "tracing::info!(\"x\");"),
            ("controller/src/decide/order.rs", "use rand::Rng;"),
        ] {
            assert!(broken(file, code), "{file}: {code}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for (file, code) in [
            ("common/src/abi/pod.rs", "unsafe impl aya::Pod for Key4 {}"),
            ("common/src/abi/key.rs", "use core::net::Ipv4Addr;"),
            ("speaker/src/decide/desired.rs", "use std::collections::BTreeMap;"),
            ("speaker/src/dataplane/tables/apply.rs", "use aya::maps::HashMap;"),
            ("speaker/src/decide/desired.rs", "my_tokio::x()"),
            ("xtask/src/decide/plan.rs", "use std::fs;"),
        ] {
            assert!(!broken(file, code), "{file}: {code}");
        }
    }
}
