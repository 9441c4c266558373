//! `BGPPeer` to [`model::Peer`].

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::Report;
use crate::{
    api::{BGPPeer, duration, metallb::BGPPeerSpec, secret::unusable},
    model::{self, BGP_PORT, Fault, InterfaceName, Password, Remote, RemoteAs, Timers},
};

/// Longest hold time, in seconds: it has 16 bits (RFC 4271, 4.2).
const LONGEST: u64 = u16::MAX as u64;

impl BGPPeer {
    /// The peer, if it keeps every rule that concerns it alone; its BFD profile is named but not yet looked up.
    ///
    /// # Errors
    /// Every rule that it breaks: MetalLB behaviour 3.2, and what no router daemon could take.
    pub fn validate(&self) -> Result<model::Peer, Vec<Fault>> {
        let mut report = Report::new(self);
        let spec = &self.spec;
        if spec.my_asn == 0 {
            report.fault(
                "spec.myASN",
                "0",
                "is not the number of an autonomous system",
                "use one from 1 to 4294967295",
            );
        }
        let remote = report.remote(spec);
        let peer = model::Peer {
            name: self.metadata.name.clone().unwrap_or_default(),
            my_asn: spec.my_asn,
            remote_as: report.remote_as(spec),
            local_asn: Some(spec.local_asn).filter(|number| *number != 0 && *number != spec.my_asn),
            remote: remote.unwrap_or_else(|| Remote::Address(Ipv4Addr::UNSPECIFIED.into())),
            port: if spec.peer_port == 0 { BGP_PORT } else { spec.peer_port },
            source: report.address("spec.sourceAddress", &spec.source_address),
            vrf: report.interface("spec.vrf", &spec.vrf),
            timers: report.timers(spec),
            connect: spec.connect_time.as_ref().and_then(|text| report.connect(text)),
            router_id: report.router_id(&spec.router_id),
            node_selectors: report.selectors("spec.nodeSelectors", &spec.node_selectors),
            password: report.password(spec),
            bfd_profile: Some(spec.bfd_profile.clone()).filter(|name| !name.is_empty()),
            bfd: None,
            graceful_restart: spec.enable_graceful_restart,
            multi_hop: spec.ebgp_multi_hop,
            both_families: spec.dual_stack_address_family,
        };
        report.done(peer)
    }
}

impl Report {
    fn remote_as(&mut self, spec: &BGPPeerSpec) -> RemoteAs {
        let remote = match spec.dynamic_asn.as_str() {
            "" => None,
            "internal" => Some(RemoteAs::Internal),
            "external" => Some(RemoteAs::External),
            other => {
                self.fault("spec.dynamicASN", other, "is no kind of peer", "write internal or external");
                return RemoteAs::External;
            }
        };
        match (spec.peer_asn, remote) {
            (0, None) => {
                self.fault("spec.peerASN", "", "is missing, and dynamicASN too", "set one of them");
                RemoteAs::External
            }
            (0, Some(remote)) => remote,
            (number, Some(_)) => {
                let (value, rule) = (number.to_string(), format!("stands beside dynamicASN {}", spec.dynamic_asn));
                self.fault("spec.peerASN", &value, rule, "set only one of them");
                RemoteAs::External
            }
            (number, None) => {
                if spec.ebgp_multi_hop && number == spec.my_asn {
                    let rule = format!("is for eBGP, but peerASN and myASN are both {number}");
                    self.fault("spec.ebgpMultiHop", "true", rule, "remove it; iBGP may go over several hops anyway");
                }
                RemoteAs::Number(number)
            }
        }
    }

    fn remote(&mut self, spec: &BGPPeerSpec) -> Option<Remote> {
        match (spec.peer_address.as_str(), spec.interface.as_str()) {
            ("", "") => {
                self.fault("spec.peerAddress", "", "is missing, and interface too", "set one of them");
                None
            }
            (address, "") => self.address("spec.peerAddress", address).map(Remote::Address),
            ("", interface) => self.interface("spec.interface", interface).map(Remote::Interface),
            (address, interface) => {
                self.fault(
                    "spec.peerAddress",
                    address,
                    format!("stands beside interface {interface}"),
                    "set only one of them",
                );
                None
            }
        }
    }

    /// The address, if there is one.
    fn address(&mut self, field: &str, text: &str) -> Option<IpAddr> {
        if text.is_empty() {
            return None;
        }
        let address = text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if address.is_none() {
            let rule = match field {
                "spec.peerAddress" => "is not an IP address (invalid BGPPeer address)",
                _ => "is not an IP address",
            };
            self.fault(field, text, rule, "write one such as 192.0.2.1 or 2001:db8::1");
        }
        address
    }

    fn interface(&mut self, field: &str, text: &str) -> Option<InterfaceName> {
        if text.is_empty() {
            return None;
        }
        let name = InterfaceName::try_from(text).ok();
        if name.is_none() {
            self.no_interface(field, text);
        }
        name
    }

    fn router_id(&mut self, text: &str) -> Option<Ipv4Addr> {
        match self.address("spec.routerID", text)? {
            IpAddr::V4(address) if !address.is_unspecified() => Some(address),
            IpAddr::V4(_) | IpAddr::V6(_) => {
                self.fault("spec.routerID", text, "cannot identify a router", "use an IPv4 address other than 0.0.0.0");
                None
            }
        }
    }

    fn password(&mut self, spec: &BGPPeerSpec) -> Option<Password> {
        let BGPPeerSpec { password, password_secret: secret, .. } = spec;
        // The value is not repeated: sentences go to logs and conditions, which more people read than this object.
        let mut fault = |rule: &str, remedy: &str| self.fault("spec.password", "…", rule, remedy);
        match (password.as_str(), secret.name.as_str()) {
            ("", "") => None,
            ("", name) => Some(Password::Secret(name.to_owned())),
            (text, "") => match unusable(text) {
                Some((rule, remedy)) => {
                    fault(rule, remedy);
                    None
                }
                None => Some(Password::Plain(text.to_owned())),
            },
            (_, name) => {
                fault(&format!("stands beside passwordSecret {name}"), "set only one of them");
                None
            }
        }
    }

    fn timers(&mut self, spec: &BGPPeerSpec) -> Option<Timers> {
        let mut read = |field: &str, text: &Option<String>| match text {
            None => Some(None),
            Some(text) => self.seconds(field, text).map(Some),
        };
        let hold = read("spec.holdTime", &spec.hold_time);
        let keepalive = read("spec.keepaliveTime", &spec.keepalive_time);
        let (hold, keepalive) = (hold?, keepalive?);
        let (hold, keepalive) = match (hold, keepalive) {
            (None, None) => return None,
            (Some(hold), None) => (hold, hold / 3),
            (None, Some(keepalive)) => (keepalive.saturating_mul(3), keepalive),
            (Some(hold), Some(keepalive)) => (hold, keepalive),
        };
        let (field, value) = match &spec.hold_time {
            Some(text) => ("spec.holdTime", text.clone()),
            None => ("spec.keepaliveTime", spec.keepalive_time.clone().unwrap_or_default()),
        };
        let (Ok(in_range), false) = (u16::try_from(hold), (1..3).contains(&hold)) else {
            let rule = format!("makes the hold time {hold}s");
            self.fault(field, &value, rule, format!("choose a hold time of 0s or from 3s to {LONGEST}s"));
            return None;
        };
        let Some(keepalive) = u16::try_from(keepalive).ok().filter(|keepalive| *keepalive <= in_range) else {
            let value = spec.keepalive_time.clone().unwrap_or_default();
            self.fault(
                "spec.keepaliveTime",
                &value,
                format!("is longer than holdTime {hold}s"),
                "make it a third of that",
            );
            return None;
        };
        Some(Timers { hold: in_range, keepalive })
    }

    /// Whole seconds; fractions are cut off, as MetalLB does it: less than a second is 0, which switches timers off.
    fn seconds(&mut self, field: &str, text: &str) -> Option<u64> {
        Some(self.duration(field, text)?.as_secs())
    }

    fn connect(&mut self, text: &str) -> Option<u16> {
        let time = self.duration("spec.connectTime", text)?;
        let seconds = u16::try_from(time.as_secs()).ok().filter(|seconds| *seconds > 0 && time.subsec_nanos() == 0);
        if seconds.is_none() {
            let remedy = format!("use whole seconds from 1s to {LONGEST}s");
            self.fault("spec.connectTime", text, "is no time between attempts", remedy);
        }
        seconds
    }

    fn duration(&mut self, field: &str, text: &str) -> Option<Duration> {
        let time = duration::parse(text);
        if time.is_none() {
            self.fault(field, text, "is not a time, or a negative one", "write one such as 90s or 1m30s");
        }
        time
    }
}
