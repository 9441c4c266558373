//! Devices that answer for every address: what they say is not heard.

use super::{
    super::{Origin, Place, Proxy, Standing, exclusive, shared},
    Machine, Succession,
};

impl Succession {
    /// Whether the voice is one that answers for every address: that says nothing about this one.
    pub(super) fn is_proxy(&self, (ifindex, address): Place, voice: Origin) -> bool {
        let proxy = Proxy { ifindex, ipv4: address.is_ipv4(), mac: voice.mac };
        voice.node.is_none() && self.orders.proxies.contains(&proxy)
    }

    /// Addresses that were left to a stranger that turns out to answer for all are asked for again, now.
    pub(super) fn doubt_proxies(&mut self) {
        let in_use = self.entries.iter().filter_map(|(place, entry)| match &entry.machine {
            Machine::Exclusive(machine) if machine.standing() == Standing::InUse => Some((*place, machine.owner()?)),
            Machine::Exclusive(_) | Machine::Shared(_) => None,
        });
        let doubtful: Vec<_> = in_use.filter(|(place, by)| self.is_proxy(*place, *by)).collect();
        for (place, _) in doubtful {
            self.tell(place, exclusive::Event::Proxied, shared::Event::Timer);
        }
    }
}
