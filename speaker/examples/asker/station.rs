//! The interface that asks.

use anyhow::{Context, bail};
use arpeggio_common::wire::Mac;
use nix::ifaddrs::getifaddrs;

/// An interface of this network namespace.
#[derive(Clone, Debug)]
pub(crate) struct Station {
    pub(crate) name: String,
    pub(crate) ifindex: u32,
    pub(crate) mac: Mac,
}

impl Station {
    pub(crate) fn find(name: &str) -> anyhow::Result<Self> {
        let links = getifaddrs().context("cannot list the interfaces")?;
        for link in links.filter(|link| link.interface_name == name) {
            let Some(address) = link.address.as_ref().and_then(|address| address.as_link_addr()) else { continue };
            let Some(mac) = address.addr().filter(|mac| *mac != [0; 6]) else {
                bail!("interface {name} has no Ethernet address; choose another one");
            };
            let ifindex = u32::try_from(address.ifindex()).context("an interface index of more than 32 bits")?;
            return Ok(Self { name: name.to_owned(), ifindex, mac: Mac(mac) });
        }
        bail!("there is no interface {name} in this network namespace; `ip link` lists those that are")
    }
}
