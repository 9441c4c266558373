//! Pure: from an Announcement of the API to a validated one.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use arpeggio_common::{
    api::{
        announcement::{AnnouncementSpec, L2, Mode as ApiMode, Route as ApiRoute},
        names,
    },
    model::{Announcement, InterfaceName, Mode, NodeName, Route},
};

use super::common::Common;

/// What one object asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// The address; never IPv4-mapped.
    pub(super) address: IpAddr,
    /// How it is announced at layer 2; `None`: not at all.
    pub(super) announcement: Option<Arc<Announcement>>,
    /// The pool it is from; empty when the object does not say.
    pub(super) pool: Arc<str>,
}

/// Judges a specification. `name` is that of the object: as it has to follow from the address, no two objects speak for the
/// same one. `generation`: which of two orders for the address is the newer one, see [`Announcement::generation`].
///
/// # Errors
/// The first rule that is broken, with field, value and remedy.
pub(super) fn project(
    name: &str,
    spec: AnnouncementSpec,
    generation: u64,
    common: &mut Common,
) -> Result<Wish, String> {
    let AnnouncementSpec { address: text, pool, l2, .. } = spec;
    let address: IpAddr = text
        .parse()
        .map_err(|_unread| format!("spec.address: {text:?} is no IP address; write one like 192.0.2.10"))?;
    let address = address.to_canonical();
    let expected = names::announcement(address);
    if name != expected {
        return Err(format!("metadata.name: an Announcement of {address} has to be named {expected}"));
    }
    let announcement = l2.map(|l2| layer2(address, l2, common)).transpose()?;
    let announcement = announcement.map(|announcement| Arc::new(announcement.with_generation(generation)));
    Ok(Wish { address, announcement, pool: common.text(&pool) })
}

/// The routes of an address that can be used, and what is wrong with the others: the rest of the Announcement is in force without
/// them.
pub(super) fn routes(address: IpAddr, written: Vec<Result<ApiRoute, String>>) -> (Arc<[Route]>, Option<String>) {
    let (mut routes, mut faults) = (Vec::new(), Vec::new());
    for (index, route) in written.into_iter().enumerate() {
        let read = match &route {
            Ok(route) => route.validate(address).map_err(|error| format!("spec.bgp[{index}].{error}")),
            Err(unread) => Err(format!("spec.bgp[{index}]: {unread}")),
        };
        match read {
            Ok(route) => routes.push(route),
            Err(fault) => faults.push(fault),
        }
    }
    (routes.into(), (!faults.is_empty()).then(|| faults.join("; ")))
}

fn layer2(address: IpAddr, l2: L2, common: &mut Common) -> Result<Announcement, String> {
    let L2 { candidates, interfaces, mode } = l2;
    let candidates =
        read(&candidates, "candidates", |name| NodeName::try_from(name).map_err(|error| error.to_string()))?;
    let interfaces =
        read(&interfaces, "interfaces", |name| InterfaceName::try_from(name).map_err(|error| error.to_string()))?;
    let mode = match mode {
        ApiMode::Exclusive => Mode::Exclusive,
        ApiMode::Shared => Mode::Shared,
    };
    let interfaces: BTreeSet<_> = interfaces.into_iter().collect();
    Announcement::new(address, common.order(candidates), interfaces, mode).map_err(|error| format!("spec: {error}"))
}

fn read<T>(texts: &[String], field: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let parse = |(index, text): (usize, &String)| parse(text).map_err(|why| format!("spec.l2.{field}[{index}]: {why}"));
    texts.iter().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str, spec: AnnouncementSpec) -> Result<Wish, String> {
        super::project(name, spec, 7, &mut Common::default())
    }

    fn spec(address: &str, candidates: &[&str]) -> AnnouncementSpec {
        let candidates = candidates.iter().map(|&name| name.to_owned()).collect();
        AnnouncementSpec {
            address: address.into(),
            pool: "home".into(),
            l2: Some(L2 { candidates, ..L2::default() }),
            ..AnnouncementSpec::default()
        }
    }

    #[test]
    fn a_good_one_is_the_same_as_from_a_file() {
        let wish = project("2001-0db8-0000-0000-0000-0000-0000-000a", spec("2001:DB8::a", &["b", "a"])).unwrap();
        assert_eq!((wish.address, &*wish.pool), ("2001:db8::a".parse().unwrap(), "home"));
        let announcement = wish.announcement.unwrap();
        assert_eq!(announcement.candidates().iter().map(NodeName::as_str).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!((announcement.mode(), announcement.generation()), (Mode::Exclusive, 7));
        let mapped = project("192.0.2.1", spec("::ffff:192.0.2.1", &[])).unwrap();
        assert_eq!(mapped.address, IpAddr::from([192, 0, 2, 1]));
    }

    #[test]
    fn without_layer_2_only_the_pool_is_kept() {
        let wish = project("192.0.2.1", AnnouncementSpec { l2: None, ..spec("192.0.2.1", &[]) }).unwrap();
        assert_eq!((wish.announcement, &*wish.pool), (None, "home"));
    }

    #[test]
    fn a_route_that_cannot_be_used_is_named_and_the_others_are_used() {
        let route = |prefix: &str| Ok(ApiRoute { prefix: prefix.to_owned(), ..ApiRoute::default() });
        let written =
            vec![route("192.0.2.0/24"), route("198.51.100.0/24"), Err("no".to_owned()), route("192.0.2.1/32")];
        let (routes, left_out) = routes("192.0.2.1".parse().unwrap(), written);
        let prefixes: Vec<_> = routes.iter().map(|route| route.prefix.to_string()).collect();
        assert_eq!(prefixes, ["192.0.2.0/24", "192.0.2.1/32"]);
        let left_out = left_out.unwrap();
        let wanted = "spec.bgp[1].prefix: \"198.51.100.0/24\" does not hold 192.0.2.1; announce a network that does; \
                      spec.bgp[2]: no";
        assert_eq!(left_out, wanted);
    }

    #[test]
    fn every_fault_names_field_and_remedy() {
        let only = |interface: &str| {
            let mut spec = spec("192.0.2.1", &["a"]);
            spec.l2.as_mut().unwrap().interfaces = vec![interface.into()];
            spec
        };
        for (name, spec, fault) in [
            ("192.0.2.1", spec("192.0.2.300", &[]), "spec.address: \"192.0.2.300\""),
            ("192.0.2.1", AnnouncementSpec::default(), "spec.address: \"\""),
            ("192.0.2.9", spec("192.0.2.1", &[]), "has to be named 192.0.2.1"),
            ("192.0.2.1", spec("192.0.2.1", &["a", "A_b"]), "spec.l2.candidates[1]: node name \"A_b\""),
            ("192.0.2.1", spec("192.0.2.1", &["a", "a"]), "name each node once"),
            ("192.0.2.1", only("a/b"), "spec.l2.interfaces[0]: interface name \"a/b\""),
            ("224.0.0.1", spec("224.0.0.1", &["a"]), "a multicast address"),
        ] {
            let why = project(name, spec).unwrap_err();
            assert!(why.contains(fault), "{why}");
        }
    }
}
