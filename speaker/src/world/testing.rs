//! What tests of several folders need: a network card that can everything, and a network namespace.

use std::process::Command;

use arpeggio_common::wire::Mac;
use nix::sched::{CloneFlags, unshare};

use super::{Link, LinkKind};

/// An ordinary network card that can do everything, with MAC 02:00:00:00:00:INDEX.
pub(crate) fn card(index: u8, name: &str, addresses: &[&str]) -> Link {
    Link {
        index: index.into(),
        name: name.to_owned(),
        mac: Some(Mac([2, 0, 0, 0, 0, index])),
        kind: LinkKind::Physical,
        up: true,
        carrier: true,
        broadcast: true,
        noarp: false,
        loopback: false,
        enslaved: false,
        vlan_of: None,
        mtu: 1500,
        xdp_program: None,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        leased: [].into(),
    }
}

/// Runs in a thread of its own, in a network namespace of its own that ends with the thread, whatever becomes of the test.
pub(super) fn in_namespace(test: impl AsyncFnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("network tests need CAP_SYS_ADMIN");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip`, which inherits the namespace of this thread.
pub(super) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
