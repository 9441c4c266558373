//! An address that several kernels hold, as kube-proxy in IPVS mode makes them: only the owner answers.

use xtask::lab::{Node, Segment, clients, eventually};

use super::harness::{SOON, address, both, owned_by, start};

fn hold(node: &Node) {
    node.namespace.ip("addr add 192.0.2.10/32 dev eth0").unwrap();
    node.namespace.ip("addr add 2001:db8::10/128 dev eth0 nodad").unwrap();
}

fn release(node: &Node) {
    node.namespace.ip("addr del 192.0.2.10/32 dev eth0").unwrap();
    node.namespace.ip("addr del 2001:db8::10/128 dev eth0").unwrap();
}

/// Puts both addresses where a kernel answers for them: on the very interface.
fn kernel_answers(segment: &Segment, index: usize) {
    let node = &segment.nodes[index];
    hold(node);
    for vip in both() {
        assert!(
            clients::who_has(&segment.client, vip).unwrap().contains(&node.mac),
            "without us its kernel answers {vip}"
        );
    }
}

#[test]
fn a_suppressed_address_is_not_answered_by_the_kernel_that_holds_it() {
    for mode in ["native", "tcx"] {
        let segment = Segment::new(2).unwrap();
        kernel_answers(&segment, 1);
        // Else the owner would find them in use by a stranger: a kernel without an agent.
        release(&segment.nodes[1]);
        let config = owned_by(&["node-a", "node-b"], mode);
        let _owner = start(&segment, &segment.nodes[0], &config, &[]);
        let standby = start(&segment, &segment.nodes[1], &config, &[]);
        hold(&segment.nodes[1]);
        for vip in both() {
            clients::expect_only(&segment.client, vip, &segment.nodes[0].mac).unwrap();
            let report = address(&standby.status().unwrap(), vip);
            assert_eq!(report["role"], "suppressed", "{report:#}");
            assert!(report["counters"]["suppressed"].as_u64().unwrap() > 0, "{report:#}");
        }
    }
}

#[test]
fn without_an_agent_the_kernel_answers_again_after_the_lease() {
    let segment = Segment::new(2).unwrap();
    kernel_answers(&segment, 1);
    // No candidate: it never takes over, however long nobody answers.
    let config = owned_by(&["node-a"], "native");
    let standby = start(&segment, &segment.nodes[1], &config, &["--lease", "2s", "--lease-renew", "200ms"]);
    for vip in both() {
        clients::expect_silence(&segment.client, vip).unwrap();
    }
    standby.kill().unwrap();
    // A dead agent must never go on dropping what others ask for.
    for vip in both() {
        eventually(SOON, "the lease to end", || clients::expect_only(&segment.client, vip, &segment.nodes[1].mac))
            .unwrap();
    }
}

#[test]
fn the_owner_answers_once_even_if_its_own_kernel_would_too() {
    let segment = Segment::new(1).unwrap();
    kernel_answers(&segment, 0);
    let speaker = start(&segment, &segment.nodes[0], &owned_by(&["node-a"], "native"), &[]);
    for vip in both() {
        let replies = |status: &serde_json::Value| address(status, vip)["counters"]["replies"].as_u64().unwrap();
        let before = replies(&speaker.status().unwrap());
        assert_eq!(clients::ask(&segment.client, vip).unwrap(), segment.nodes[0].mac);
        assert!(replies(&speaker.status().unwrap()) > before, "the answer must be the program's, not the kernel's");
    }
}
