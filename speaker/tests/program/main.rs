//! The program tier: frame by frame through the real BPF program in this kernel, by BPF_PROG_TEST_RUN. Needs root and the
//! object of `cargo xtask build-ebpf`, no network.
//!
//! One table ([`table`]) runs through every entry of the object and through the host build of the same decision. The object
//! is `target/bpf/arpeggio.o` or what `ARPEGGIO_BPF_OBJECT` names, so that the built test runs on other kernels as well.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step of a test ends the test")]
#![expect(clippy::wildcard_enum_match_arm, reason = "everything else than what a test expects is wrong")]

mod case;
mod entries;
mod frames;
mod healing;
mod host;
mod kernel;
mod logging;
mod memory;
mod object;
mod oracle;
mod readable;
mod table;
mod twins;
mod unusual;
mod verifier;
