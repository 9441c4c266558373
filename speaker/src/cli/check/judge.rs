//! Pure: all facts, judged, in the order in which they are shown.

use super::{
    facts::{Facts, Interface},
    finding::{Area, CheckReport, Finding},
    interface, machine, sysctl,
};

/// The findings about everything.
pub(super) fn judge(facts: &Facts) -> CheckReport {
    let mut findings = machine::kernel(&facts.kernel);
    findings.extend(machine::pins(&facts.pins, facts.privileges.uid));
    findings.extend(machine::privileges(&facts.privileges, facts.policy));
    if let Some(error) = &facts.exclude_error {
        findings.push(Finding::fail(
            Area::Interface,
            "exclude file",
            error,
            "correct the file, or give another --exclude-interfaces",
        ));
    }
    match &facts.interfaces {
        Ok(found) => findings.extend(interfaces(facts, found)),
        Err(error) => findings.push(Finding::fail(
            Area::Interface,
            "interfaces",
            format!("cannot be listed: {error}"),
            "allow netlink sockets (AF_NETLINK) in the seccomp profile",
        )),
    }
    findings.extend(facts.absent.iter().map(|name| {
        Finding::fail(
            Area::Interface,
            name,
            "there is no such interface in this network namespace",
            "look at `ip link`",
        )
    }));
    CheckReport::new(findings)
}

/// The interfaces that are used come first: they are what matters.
fn interfaces(facts: &Facts, found: &[Interface]) -> Vec<Finding> {
    let (used, unused): (Vec<_>, Vec<_>) = found.iter().partition(|interface| interface.ineligible.is_none());
    let mut findings = Vec::new();
    if used.is_empty() && facts.absent.is_empty() {
        findings.push(Finding::fail(
            Area::Interface,
            "interfaces",
            "no interface can be used, so nothing would be announced",
            "the lines below say why for each; bring one up, or change the exclude file",
        ));
    }
    for interface in &used {
        findings.extend(interface::judge(interface, &facts.kernel, facts.policy));
        findings.extend(sysctl::judge(facts, interface, used.len() > 1));
    }
    findings.extend(unused.iter().flat_map(|interface| interface::judge(interface, &facts.kernel, facts.policy)));
    findings
}
