//! Pure: the settings of the kernel's own ARP and IP that matter beside us (`Documentation/networking/ip-sysctl.rst`).

use super::{
    facts::{Facts, Interface, Ipv4Sysctls},
    finding::{Area, Finding},
};

/// The settings of one interface that is used. `others` says whether more than one is.
pub(super) fn judge(facts: &Facts, interface: &Interface, others: bool) -> Vec<Finding> {
    let name = &interface.link.name;
    let effective = Effective::new(&facts.sysctls, &interface.sysctls);
    let mut findings = Vec::new();
    findings.extend(effective.rp_filter.map(|value| rp_filter(name, value, others)));
    findings.extend(effective.arp_ignore.map(|value| arp_ignore(name, value, facts.holder.as_deref())));
    findings.extend(effective.arp_announce.map(|value| arp_announce(name, value, facts.holder.as_deref())));
    findings.extend(effective.arp_filter.filter(|value| *value != 0).map(|value| {
        let text = "only concerns answers of the kernel for its own addresses, not ours";
        Finding::ok(Area::Sysctl, name, format!("arp_filter={value}: {text}"))
    }));
    findings
}

/// What the kernel makes of the setting for all interfaces and of that for one: the larger of both, for each of these.
struct Effective {
    rp_filter: Option<i32>,
    arp_ignore: Option<i32>,
    arp_announce: Option<i32>,
    arp_filter: Option<i32>,
}

impl Effective {
    fn new(all: &Ipv4Sysctls, one: &Ipv4Sysctls) -> Self {
        Self {
            rp_filter: all.rp_filter.max(one.rp_filter),
            arp_ignore: all.arp_ignore.max(one.arp_ignore),
            arp_announce: all.arp_announce.max(one.arp_announce),
            arp_filter: all.arp_filter.max(one.arp_filter),
        }
    }
}

fn rp_filter(name: &str, value: i32, others: bool) -> Finding {
    match (value, others) {
        (1, true) => Finding::warn(
            Area::Sysctl,
            name,
            "rp_filter=1 (strict): a client that is routed out of another interface is answered, and its traffic then dropped",
            format!(
                "sysctl -w net.ipv4.conf.{name}.rp_filter=2 (loose), unless all clients of {name} are routed through it"
            ),
        ),
        (1, false) => Finding::ok(Area::Sysctl, name, "rp_filter=1 (strict): no harm, as no other interface is used"),
        (2, _) => Finding::ok(Area::Sysctl, name, "rp_filter=2 (loose): traffic of every known client is taken"),
        (_, _) => Finding::ok(Area::Sysctl, name, format!("rp_filter={value}: the way back is not checked")),
    }
}

fn arp_ignore(name: &str, value: i32, holder: Option<&str>) -> Finding {
    match (value, holder) {
        (0, Some(holder)) => Finding::warn(
            Area::Sysctl,
            name,
            format!(
                "arp_ignore=0, and {holder} holds service addresses: without a running agent this node's kernel answers for all \
                 of them, beside their owner, and new ones count as in use by a stranger"
            ),
            "sysctl -w net.ipv4.conf.all.arp_ignore=1 (kube-proxy: ipvs.strictARP: true)",
        ),
        (_, Some(_)) => Finding::ok(
            Area::Sysctl,
            name,
            format!("arp_ignore={value}: the kernel does not answer for service addresses, with or without an agent"),
        ),
        (_, None) => Finding::ok(
            Area::Sysctl,
            name,
            format!(
                "arp_ignore={value}: no harm as long as service addresses are on no device of this node (kube-ipvs0)"
            ),
        ),
    }
}

fn arp_announce(name: &str, value: i32, holder: Option<&str>) -> Finding {
    match (value, holder) {
        (2, _) => {
            Finding::ok(Area::Sysctl, name, "arp_announce=2: the kernel's own requests never claim a service address")
        }
        (_, Some(holder)) => Finding::warn(
            Area::Sysctl,
            name,
            format!(
                "arp_announce={value}, and {holder} holds service addresses: the kernel may name one as the sender of its own \
                 requests, which claims it for this node; an ingress program cannot stop that"
            ),
            "sysctl -w net.ipv4.conf.all.arp_announce=2",
        ),
        (_, None) => Finding::ok(
            Area::Sysctl,
            name,
            format!(
                "arp_announce={value}: no harm as long as service addresses are on no device of this node (kube-ipvs0)"
            ),
        ),
    }
}
