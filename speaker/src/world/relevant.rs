//! Pure: which interfaces can change a decision. A node with hundreds of pods sees their interfaces come and go all the time.

use std::{collections::BTreeMap, net::IpAddr};

use super::{Exclude, Link, Links, eligible};

/// Whether every decision is the same with these interfaces as with those.
pub(super) fn decide_alike(before: &Links, after: &Links, exclude: &Exclude) -> bool {
    relevant(before, exclude).eq(relevant(after, exclude))
}

fn relevant<'l>(links: &'l Links, exclude: &'l Exclude) -> impl Iterator<Item = &'l Link> {
    links.0.values().filter(|link| is_relevant(link, exclude))
}

/// Addresses may be announced on it, or it holds one itself, or it is a VLAN of an interface that they are announced on.
fn is_relevant(link: &Link, exclude: &Exclude) -> bool {
    let is_own = |address: IpAddr| match address {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    };
    link.vlan_of.is_some() || link.addresses.iter().any(|net| is_own(net.addr())) || eligible(link, exclude).is_ok()
}

/// The interfaces among these that an address can be expected on: those with its subnet. Where none has it, those with a
/// carrier; where none has a carrier, all.
pub fn expected_on<'l>(address: IpAddr, links: impl IntoIterator<Item = &'l Link>) -> Vec<u32> {
    let links: Vec<_> = links.into_iter().collect();
    let near = |link: &&&Link| link.addresses.iter().any(|net| net.contains(&address));
    let indices = |wanted: &dyn Fn(&&&Link) -> bool| links.iter().filter(wanted).map(|link| link.index).collect();
    let kinds: [Vec<u32>; 3] = [indices(&near), indices(&|link| link.carrier), indices(&|_| true)];
    kinds.into_iter().find(|kind| !kind.is_empty()).unwrap_or_default()
}

/// Why interfaces are not used, by index; those that are not listed are eligible.
pub fn ineligible(links: &Links, exclude: &Exclude) -> BTreeMap<u32, String> {
    let reason = |link: &Link| Some((link.index, eligible(link, exclude).err()?.to_string()));
    links.0.values().filter_map(reason).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::world::testing::card;

    fn links(links: &[Link]) -> Links {
        Links(links.iter().map(|link| (link.index, link.clone())).collect())
    }

    #[test]
    fn an_address_is_expected_where_its_subnet_is() {
        let eth0 = card(2, "eth0", &["192.0.2.1/24"]);
        let docker0 = card(3, "docker0", &["172.17.0.1/16"]);
        let unplugged = Link { carrier: false, ..card(4, "eth1", &[]) };
        let on = |address: &str, links: &[&Link]| expected_on(address.parse().unwrap(), links.iter().copied());
        assert_eq!(on("192.0.2.10", &[&eth0, &docker0, &unplugged]), [2]);
        assert_eq!(on("198.51.100.10", &[&eth0, &docker0, &unplugged]), [2, 3]);
        assert_eq!(on("198.51.100.10", &[&unplugged]), [4]);
    }

    #[test]
    fn the_interface_of_a_pod_decides_nothing() {
        let exclude = Exclude::parse("announcedInterfacesToExclude: [^cali]", Path::new("x")).unwrap();
        let eth0 = card(2, "eth0", &["192.0.2.1/24"]);
        let before = links(std::slice::from_ref(&eth0));
        let alike = |link: Link| decide_alike(&before, &links(&[eth0.clone(), link]), &exclude);
        assert!(alike(card(3, "cali1", &["fe80::1/64"])), "excluded");
        assert!(alike(Link { enslaved: true, ..card(3, "veth1", &[]) }), "a port of a bridge");
        assert!(alike(Link { up: false, ..card(3, "veth1", &[]) }), "not up yet");
        assert!(!alike(card(3, "eth1", &[])), "addresses can be announced on it");
        assert!(!alike(card(3, "cali1", &["192.0.2.9/24"])), "it holds an address");
        assert!(!alike(Link { vlan_of: Some(2), ..card(3, "cali1", &[]) }), "frames for it come in on another one");
        let renumbered = links(&[card(2, "eth0", &["192.0.2.2/24"])]);
        assert!(!decide_alike(&before, &renumbered, &exclude));
        assert!(!decide_alike(&before, &Links::default(), &exclude), "it went");
    }
}
