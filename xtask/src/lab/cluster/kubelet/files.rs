//! The configuration of containerd, of pod networks and of the kubelet of one node.

use std::path::Path;

use serde_json::{Value, json};

use super::image::PAUSE;

/// containerd: everything it writes is below `directory` or in the node's own `/run`.
pub(super) fn containerd(directory: &Path, socket: &Path) -> String {
    let place = |name: &str| directory.join(name).display().to_string();
    // Lowering oom_score_adj takes a privilege that containers on containers lack: every sandbox would fail.
    format!(
        "version = 2
root = {root:?}
state = \"/run/containerd\"
disabled_plugins = [
  \"io.containerd.snapshotter.v1.aufs\", \"io.containerd.snapshotter.v1.btrfs\", \"io.containerd.snapshotter.v1.devmapper\",
  \"io.containerd.snapshotter.v1.zfs\",
]
[grpc]
  address = {socket:?}
[plugins.\"io.containerd.internal.v1.opt\"]
  path = {opt:?}
[plugins.\"io.containerd.grpc.v1.cri\"]
  sandbox_image = {PAUSE:?}
  stream_server_port = \"0\"
  restrict_oom_score_adj = true
  [plugins.\"io.containerd.grpc.v1.cri\".cni]
    bin_dir = \"/usr/lib/cni\"
    conf_dir = {cni:?}
",
        root = place("containerd"),
        socket = socket.display().to_string(),
        opt = place("opt"),
        cni = place("cni"),
    )
}

/// Pods hang on a bridge of the node and are routed, not translated.
pub(super) fn network(directory: &Path, pods: &[String]) -> Value {
    let ranges: Vec<Value> = pods.iter().map(|range| json!([{"subnet": range}])).collect();
    let route = |range: &String| json!({"dst": if range.contains(':') { "::/0" } else { "0.0.0.0/0" }});
    let routes: Vec<Value> = pods.iter().map(route).collect();
    json!({
        "cniVersion": "1.0.0",
        "name": "lab",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": directory.join("leases"),
                "ranges": ranges,
                "routes": routes,
            },
        }],
    })
}

/// The kubelet.
pub(super) fn kubelet(directory: &Path, socket: &Path, cgroup: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": false,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "podLogsDir": directory.join("pods"),
        // Pods look up no names outside.
        "resolvConf": "",
        // The API server has no certificate to show, and nobody else reaches the port.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        // The disk and the memory are the machine's: that others fill them is no reason to evict pods or images.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
    })
}

/// Variables of the machine's kernel that a kubelet insists on, with the values it wants. It is shown files with these
/// values instead, so that it leaves the machine's as they are.
pub(super) const TUNABLES: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_written_belongs_to_the_node() {
        let directory = Path::new("/tmp/lab/node-a");
        let text = containerd(directory, Path::new("/tmp/lab/node-a/containerd.sock"));
        assert!(text.contains("root = \"/tmp/lab/node-a/containerd\"\n"), "{text}");
        assert!(text.contains("sandbox_image = \"local/pause:1\"\n"), "{text}");
        let config = kubelet(directory, Path::new("/tmp/lab/node-a/containerd.sock"), "/lab-node-a");
        assert_eq!(config["podLogsDir"], "/tmp/lab/node-a/pods");
        assert_eq!(config["cgroupRoot"], "/lab-node-a");
    }
}
