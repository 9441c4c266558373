//! kube-proxy's IPVS mode: every node holds every service address on the dummy device kube-ipvs0.

use xtask::{
    lab::{Node, Segment, clients, eventually},
    sh,
};

use super::harness::{SOON, address, both, owned_by, start, v4};

/// What kube-proxy does on a node, without strict ARP: the addresses on kube-ipvs0 and a virtual server for each.
fn kube_proxy(node: &Node) {
    node.namespace.ip("link add kube-ipvs0 type dummy").unwrap();
    for vip in both() {
        let bits = if vip.is_ipv4() { "32" } else { "128 nodad" };
        node.namespace.ip(&format!("addr add {vip}/{bits} dev kube-ipvs0")).unwrap();
        let server = if vip.is_ipv4() { format!("{vip}:80") } else { format!("[{vip}]:80") };
        let mut ipvsadm = node.namespace.command("ipvsadm");
        ipvsadm.args(["-A", "-t", &server, "-s", "rr"]);
        sh::run(ipvsadm).unwrap();
    }
    for variable in ["arp_ignore", "arp_announce"] {
        node.namespace.sysctl(&format!("net.ipv4.conf.all.{variable}"), "0").unwrap();
    }
}

#[test]
#[ignore = "runs in the guests of the kernel tier"]
fn only_the_owner_answers_for_what_every_node_holds() {
    let segment = Segment::new(2).unwrap();
    segment.nodes.iter().for_each(kube_proxy);
    let without_us = clients::who_has(&segment.client, v4()).unwrap();
    assert_eq!(without_us.len(), 2, "without strict ARP every node answers: {without_us:?}");

    // While one agent is there and the other not, the other's kernel is a stranger that has the address; whoever finds it free
    // first owns it. Then one node answers, whatever the kernels hold.
    let config = owned_by(&["node-a", "node-b"], "native");
    let speakers = [0, 1].map(|index| start(&segment, &segment.nodes[index], &config, &[]));
    let owner = |vip| {
        eventually(SOON, "one owner", || {
            let answered = clients::who_has(&segment.client, vip)?;
            let nodes = segment.nodes.iter().enumerate();
            let owners: Vec<_> =
                nodes.filter(|(_, node)| answered.contains(&node.mac)).map(|(index, _)| index).collect();
            let [owner] = owners[..] else { anyhow::bail!("{vip} is answered by {answered:?}") };
            let standby = address(&speakers[1 - owner].status()?, vip);
            anyhow::ensure!(standby["role"] == "suppressed", "{standby:#}");
            Ok(owner)
        })
        .unwrap()
    };
    let [owner4, _] = both().map(owner);
    let standby = &speakers[1 - owner4];
    let suppressed = address(&standby.status().unwrap(), v4())["counters"]["suppressed"].as_u64().unwrap();
    assert!(suppressed > 0, "the standby's kernel must have been kept from answering");
}
