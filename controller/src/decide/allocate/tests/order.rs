//! Order must not matter: of assigned Services after a restart, of changes that have nothing to do with each other.

use proptest::prelude::*;

use super::*;

/// Services with addresses of a pool of 16, some shared, some with addresses of nobody.
fn holders() -> impl Strategy<Value = Vec<Service>> {
    let one = (0_u8..20, prop::option::of(0_u8..2), 0_u16..6, any::<bool>());
    prop::collection::vec(one, 1..24).prop_map(|holders| {
        let holder = |(number, (address, share, port, has)): (usize, (u8, Option<u8>, u16, bool))| {
            let service = service(&format!("default/s{number}")).ports(&[80 + port]);
            let service = if has { service.holding(&[&format!("192.0.2.{address}")]) } else { service };
            match share {
                Some(share) => service.shares(&format!("key-{share}")),
                None => service,
            }
        };
        holders.into_iter().enumerate().map(holder).collect()
    })
}

fn cluster_of(services: &[Service]) -> Cluster {
    let mut cluster = Cluster::default();
    let services = services.iter().map(|service| (service.key.clone(), Arc::new(service.clone())));
    cluster.snapshot.services = Arc::new(services.collect());
    cluster.configure([pool("home", &["192.0.2.0/28"])]);
    cluster
}

fn all(cluster: &Cluster) -> BTreeMap<ServiceKey, Option<super::super::Given>> {
    cluster.snapshot.services.keys().map(|key| (key.clone(), cluster.allocation.given(key).cloned())).collect()
}

proptest! {
    #[test]
    fn whoever_can_keep_its_address_does(services in holders()) {
        let cluster = cluster_of(&services);
        // Who has an address that is valid and that nobody else wants keeps it, whatever else there is.
        for service in &services {
            let alone = |address: &IpAddr| {
                services.iter().filter(|other| other.ingress.contains(address)).count() == 1
            };
            if let [address] = &*service.ingress
                && alone(address)
                && *address < ip("192.0.2.16")
            {
                prop_assert_eq!(cluster.has(&service.key.to_string()), address.to_string());
            }
        }
    }

    #[test]
    fn unrelated_changes_move_nothing(services in holders(), labelled in 0_usize..24) {
        let mut cluster = cluster_of(&services);
        let before = all(&cluster);
        let events = cluster.events.len();
        let mut changed = services[labelled % services.len()].clone();
        changed.labels = labels("new=label");
        changed.ingress.clear();
        cluster.apply(changed);
        cluster.label_namespace("default", "new=label");
        cluster.apply(service("other/headless").with(|service| service.load_balancer = false));
        cluster.configure([pool("home", &["192.0.2.0/28"]), Pool { auto_assign: false, ..pool("new", &["203.0.113.0/24"]) }]);
        let mut after = all(&cluster);
        after.remove(&key("other/headless"));
        // Texts of refusals name the new pool; nothing else is new.
        prop_assert!(cluster.events[events..].iter().all(|event| event.reason == "AllocationFailed"));
        prop_assert_eq!(before, after);
    }

    #[test]
    fn one_after_the_other_is_as_all_at_once_for_those_who_have_something(mut services in holders(), seed in any::<u64>()) {
        // Addresses that are all valid and all different, shown one after the other in any order.
        let mut number = 0;
        services.retain_mut(|service| {
            service.ingress = vec![IpAddr::from([192, 0, 2, number])];
            number += 1;
            number <= 16
        });
        let expected = all(&cluster_of(&services));
        services.sort_by_key(|service| {
            service.key.name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        });
        let mut cluster = Cluster::new([pool("home", &["192.0.2.0/28"])]);
        for service in services {
            cluster.post(service);
        }
        prop_assert_eq!(all(&cluster), expected);
    }
}
