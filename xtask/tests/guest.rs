//! Scenarios that need what the test machines' own kernel lacks: older kernels, VLAN, bond, IPVS, a real network driver.
//!
//! They run inside the guests of the kernel tier (`cargo xtask test kernels`), as root, one at a time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "guest/devices.rs"]
mod devices;
#[path = "guest/filters.rs"]
mod filters;
#[path = "netns/harness.rs"]
#[expect(dead_code, reason = "shared with the netns tier, which uses more of it")]
mod harness;
#[path = "guest/ipvs.rs"]
mod ipvs;
#[path = "guest/virtio.rs"]
mod virtio;
#[path = "guest/vlan.rs"]
mod vlan;

/// Whether the running kernel has the tcx hook, which came with 6.6.
fn has_tcx() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 6)
}

/// The modes that were stepped over, from a report about an interface.
fn stepped_over(interface: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let steps = interface["stepsDown"].as_array().unwrap();
    steps.iter().map(|step| (text(&step["mode"]), text(&step["reason"]))).collect()
}
