//! A router that answers for every address (proxy ARP): it is known as such, and no address is silent because of it.

use std::net::IpAddr;

use xtask::lab::{Node, Segment, clients, static_config};

use super::harness::{address, start, v4, wait_status};

/// Makes the kernel of a node answer for every IPv4 address: it has a way to each of them that is not this segment.
fn answers_for_all(node: &Node) {
    for setting in ["ip_forward=1", "conf.all.rp_filter=0", "conf.eth0.rp_filter=0", "conf.eth0.proxy_arp=1"] {
        let (variable, value) = setting.split_once('=').unwrap();
        node.namespace.sysctl(&format!("net.ipv4.{variable}"), value).unwrap();
    }
    node.namespace.sysctl("net.ipv4.neigh.eth0.proxy_delay", "0").unwrap();
    for line in [
        "addr flush dev eth0 scope global".to_owned(),
        format!("addr add {}/32 dev eth0", node.ipv4),
        "link add away type veth peer name beyond".to_owned(),
        "link set beyond up".to_owned(),
        "link set away up".to_owned(),
        "route add default dev away".to_owned(),
    ] {
        node.namespace.ip(&line).unwrap();
    }
}

fn proxy_segment() -> Segment {
    let segment = Segment::new(2).unwrap();
    let proxy = &segment.nodes[1];
    answers_for_all(proxy);
    for unused in [77, 143] {
        clients::expect_only(&segment.client, IpAddr::from([192, 0, 2, unused]), &proxy.mac).unwrap();
    }
    segment
}

fn names_the_proxy(status: &serde_json::Value, mac: &str) -> bool {
    let proxies = status["succession"]["proxies"].as_array();
    proxies.is_some_and(|all| all.iter().any(|proxy| proxy["mac"] == mac && proxy["interface"] == "eth0"))
}

#[test]
fn an_address_is_announced_although_a_proxy_answers_for_it() {
    let segment = proxy_segment();
    let [node, proxy] = segment.nodes.as_slice() else { panic!("two nodes were asked for") };
    let speaker = start(&segment, node, &static_config(&[v4()], &["node-a"], "native"), &[]);
    let status = wait_status(&speaker, "owned", |status| {
        address(status, v4())["ownership"]["standing"] == "owner" && names_the_proxy(status, &proxy.mac)
    });
    let answered = clients::who_has(&segment.client, v4()).unwrap();
    assert!(answered.contains(&node.mac), "{answered:?} {status:#}");
    assert!(speaker.log().contains("a proxy answers there for every IPv4 address"), "{}", speaker.log());
}

#[test]
fn a_proxy_is_respected_where_that_is_wanted() {
    let segment = proxy_segment();
    let [node, proxy] = segment.nodes.as_slice() else { panic!("two nodes were asked for") };
    let config = static_config(&[v4()], &["node-a"], "native") + "succession: {proxy_arp: respect}\n";
    let speaker = start(&segment, node, &config, &[]);
    wait_status(&speaker, "named, and left alone", |status| {
        address(status, v4())["ownership"]["standing"] == "in-use" && names_the_proxy(status, &proxy.mac)
    });
    clients::expect_only(&segment.client, v4(), &proxy.mac).unwrap();
}
