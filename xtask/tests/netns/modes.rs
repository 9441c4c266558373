//! Every way of attaching answers real clients, with the node's MAC, and counts what it answered.

use xtask::lab::{Segment, SpeakerOptions, SpeakerProcess, clients};

use super::harness::{address, both, interface, one_owner, owned_by};

/// The node holds the addresses as a service's node does, on `lo`, where its own kernel does not answer for them: whoever
/// resolves them was answered by the agent's program.
fn answers(mode: &str) {
    let (speaker, segment) = one_owner(mode, &[]);
    let node = &segment.nodes[0];
    let before = speaker.status().unwrap();
    assert_eq!(interface(&before, "eth0")["attach"], mode, "{before:#}");
    for vip in both() {
        node.hold(vip).unwrap();
        clients::expect_only(&segment.client, vip, &node.mac).unwrap();
        assert_eq!(clients::ask(&segment.client, vip).unwrap(), node.mac);
        segment.client.forget_neighbours().unwrap();
        assert_eq!(clients::ping(&segment.client, vip).unwrap(), node.mac);
    }
    let after = speaker.status().unwrap();
    for vip in both() {
        let report = address(&after, vip);
        let replies = |report: &serde_json::Value| report["counters"]["replies"].as_u64().unwrap();
        assert_eq!(report["role"], "owner");
        assert_eq!(report["mac"], node.mac);
        // expect_only, ask and ping each asked at least once.
        assert!(replies(&report) >= replies(&address(&before, vip)) + 3, "{report:#}");
    }
}

#[test]
fn native_xdp_answers() {
    answers("native");
}

#[test]
fn generic_xdp_answers() {
    answers("generic");
}

#[test]
fn tcx_answers() {
    answers("tcx");
}

#[test]
fn the_user_space_responder_answers() {
    answers("user");
}

/// Nothing can be pinned on any other file system, and nothing has to be.
#[test]
fn without_a_bpf_file_system_a_raw_socket_answers() {
    let segment = Segment::new(1).unwrap();
    let node = &segment.nodes[0];
    let hide = format!("mount -t tmpfs tmpfs {} && exec \"$@\"", segment.lab.bpffs().display());
    let wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &hide, "sh"].map(ToOwned::to_owned);
    let options = SpeakerOptions { wrapper: wrapper.into(), ..SpeakerOptions::default() };
    let speaker = SpeakerProcess::start(&segment.lab, node, &owned_by(&["node-a"], "auto"), &options).unwrap();
    let report = interface(&speaker.status().unwrap(), "eth0");
    assert_eq!(report["attach"], "user", "{report:#}");
    let reason = report["stepsDown"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("not on a BPF file system") && reason.contains("mount -t bpf"), "{reason}");
    for vip in both() {
        clients::expect_only(&segment.client, vip, &node.mac).unwrap();
    }
}

#[test]
fn other_addresses_are_left_to_the_kernel() {
    for mode in ["native", "tcx", "user"] {
        let (_speaker, segment) = one_owner(mode, &[]);
        let node = &segment.nodes[0];
        for own in [node.ipv4.into(), node.ipv6.into()] {
            clients::expect_only(&segment.client, own, &node.mac).unwrap();
        }
        clients::expect_silence(&segment.client, "192.0.2.11".parse().unwrap()).unwrap();
        clients::expect_silence(&segment.client, "2001:db8::11".parse().unwrap()).unwrap();
    }
}
