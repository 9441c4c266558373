//! A configuration as the text it could have been read from.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use arpeggio_common::model::{Announcement, Mode};
use serde_saphyr::{Location, Spanned};

use super::{
    Config,
    raw::{Listed, RawAnnouncement, RawConfig, RawGratuitous, RawInterface, RawL2, RawLease, RawSuccession, Text},
};
use crate::AttachPolicy;

impl Config {
    /// The configuration as YAML; [`Config::parse`] reads the same configuration from it.
    ///
    /// # Errors
    /// None that is known: the serializer writes into memory.
    pub fn to_yaml(&self) -> Result<String, serde_saphyr::ser::Error> {
        serde_saphyr::to_string(&RawConfig::from(self))
    }
}

impl From<&Config> for RawConfig {
    fn from(config: &Config) -> Self {
        let Config { node, cluster, generation, announcements, pools, policies, refresh, lease, succession, bgp } =
            config;
        let addresses: BTreeSet<&IpAddr> = announcements.keys().chain(pools.keys()).collect();
        let announcement = |address: &IpAddr| RawAnnouncement {
            address: Some(text(address)),
            pool: pools.get(address).map(text),
            l2: announcements.get(address).map(|announcement| spanned(Some(l2(announcement)))),
        };
        let interface = |(name, policy): (_, &AttachPolicy)| RawInterface {
            name: Some(text(name)),
            attach: Some(text(attach(*policy))),
        };
        Self {
            node: Some(text(node)),
            cluster: Some(cluster).filter(|cluster| !cluster.is_empty()).map(text),
            generation: generation.map(text),
            announcements: listed(addresses.into_iter().map(|address| spanned(announcement(address))).collect()),
            interfaces: Some(policies.iter().map(|entry| spanned(interface(entry))).collect()),
            gratuitous: refresh
                .map(|refresh| RawGratuitous { refresh: Some(text(humantime::format_duration(refresh))) }),
            lease: Some(RawLease {
                renew: Some(text(humantime::format_duration(lease.renew()))),
                duration: Some(text(humantime::format_duration(lease.duration()))),
            }),
            succession: Some(RawSuccession {
                failover: None,
                heartbeat: Some(text(humantime::format_duration(Duration::from_nanos(succession.pace.interval_ns())))),
                misses: Some(text(succession.pace.misses())),
                witnesses: Some(succession.witnesses.iter().map(text).collect()),
                evacuate: Some(text(succession.evacuate)),
                key_file: succession.key_file.as_ref().map(|path| text(path.display())),
                proxy_arp: Some(text(succession.proxy_arp.name())),
            }),
            bgp: bgp.raw(),
        }
    }
}

fn l2(announcement: &Announcement) -> RawL2 {
    let mode = match announcement.mode() {
        Mode::Exclusive => "Exclusive",
        Mode::Shared => "Shared",
    };
    RawL2 {
        candidates: listed(announcement.candidates().iter().map(text).collect()),
        interfaces: Some(announcement.interfaces().iter().map(text).collect()),
        mode: Some(text(mode)),
    }
}

const fn attach(policy: AttachPolicy) -> &'static str {
    match policy {
        AttachPolicy::Auto => "auto",
        AttachPolicy::Native => "native",
        AttachPolicy::Tcx => "tcx",
        AttachPolicy::Generic => "generic",
        AttachPolicy::User => "user",
    }
}

fn text(value: impl ToString) -> Text {
    spanned(value.to_string())
}

const fn listed<T>(list: Vec<T>) -> Listed<T> {
    Some(spanned(Some(list)))
}

const fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Location::UNKNOWN, Location::UNKNOWN)
}
