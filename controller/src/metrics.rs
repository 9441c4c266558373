//! What can be scraped: MetalLB's names for what is the controller's, and our own (`arpeggio_controller_…`).

use std::{collections::BTreeMap, time::Duration};

use arpeggio_common::model::Configuration;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::cluster::PoolUsage;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pool {
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Written {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

/// Everything that is counted. Cheap to clone: all clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    total: Family<Pool, Gauge>,
    total_v4: Family<Pool, Gauge>,
    total_v6: Family<Pool, Gauge>,
    in_use: Family<Pool, Gauge>,
    in_use_v4: Family<Pool, Gauge>,
    in_use_v6: Family<Pool, Gauge>,
    services_allocated: Family<Pool, Gauge>,
    updates: Counter,
    update_errors: Counter,
    config_loaded: Gauge,
    config_stale: Gauge,
    leader: Gauge,
    writes: Family<Written, Counter>,
    write_seconds: WriteSeconds,
    queued: Family<Class, Gauge>,
    running: Gauge,
    decide_seconds: DecideSeconds,
    watch_failures: Family<Kind, Counter>,
    unreadable: Gauge,
    suppressed_events: Gauge,
}

/// Bounds of all times: from half a millisecond to 16 s.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds;

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
    }
}

#[derive(Clone, Debug)]
struct WriteSeconds(Family<Kind, Histogram, Bounds>);

impl Default for WriteSeconds {
    fn default() -> Self {
        Self(Family::new_with_constructor(Bounds))
    }
}

#[derive(Clone, Debug)]
struct DecideSeconds(Histogram);

impl Default for DecideSeconds {
    fn default() -> Self {
        Self(Bounds.new_metric())
    }
}

impl Metrics {
    /// Nothing counted yet; and what to encode.
    pub fn new() -> (Self, Registry) {
        let metrics = Self::default();
        let mut registry = Registry::default();
        metrics.register_metallb(&mut registry);
        metrics.register_ours(&mut registry);
        (metrics, registry)
    }

    /// Names, types and labels are MetalLB's. (A counter gets its `_total` when it is encoded.)
    fn register_metallb(&self, registry: &mut Registry) {
        let allocator = registry.sub_registry_with_prefix("metallb_allocator");
        allocator.register("addresses_total", "Addresses that a pool can give", self.total.clone());
        allocator.register("ipv4_addresses_total", "IPv4 addresses that a pool can give", self.total_v4.clone());
        allocator.register("ipv6_addresses_total", "IPv6 addresses that a pool can give", self.total_v6.clone());
        allocator.register("addresses_in_use_total", "Addresses in use, a shared one counts once", self.in_use.clone());
        allocator.register("ipv4_addresses_in_use_total", "IPv4 addresses in use", self.in_use_v4.clone());
        allocator.register("ipv6_addresses_in_use_total", "IPv6 addresses in use", self.in_use_v6.clone());
        allocator.register(
            "services_allocated_total",
            "Services with addresses of a pool",
            self.services_allocated.clone(),
        );
        let client = registry.sub_registry_with_prefix("metallb_k8s_client");
        client.register("updates", "Objects that changed and were looked at", self.updates.clone());
        client.register("update_errors", "Writes that did not succeed", self.update_errors.clone());
        client.register("config_loaded_bool", "1 once a configuration was read", self.config_loaded.clone());
        client.register(
            "config_stale_bool",
            "1 while a part of the configuration is left out",
            self.config_stale.clone(),
        );
    }

    fn register_ours(&self, registry: &mut Registry) {
        let ours = registry.sub_registry_with_prefix("arpeggio_controller");
        ours.register("leader", "1 while this process leads", self.leader.clone());
        ours.register("writes", "Requests that change something, by kind and result", self.writes.clone());
        ours.register("write_duration_seconds", "How long such requests took", self.write_seconds.0.clone());
        ours.register("queued_writes", "Writes that wait, by class", self.queued.clone());
        ours.register("running_writes", "Requests on their way", self.running.clone());
        ours.register(
            "decide_duration_seconds",
            "How long a decision took, its plan included",
            self.decide_seconds.0.clone(),
        );
        ours.register("watch_failures", "Watches that broke off or could not begin", self.watch_failures.clone());
        ours.register(
            "unreadable_objects",
            "Objects that are left out because they cannot be read",
            self.unreadable.clone(),
        );
        ours.register(
            "suppressed_events",
            "Events that were not told again or were too many",
            self.suppressed_events.clone(),
        );
    }

    /// What of the configuration is in force: it was read, and is stale while a part of it is left out.
    pub fn configuration(&self, configuration: &Configuration) {
        self.config_loaded.set(1);
        self.config_stale.set(i64::from(!configuration.faults.is_empty()));
    }

    /// How full pools are, whatever there is in a decision.
    pub fn pools(&self, usage: &BTreeMap<String, PoolUsage>) {
        for (name, usage) in usage {
            let pool = Pool { pool: name.clone() };
            let set = |family: &Family<Pool, Gauge>, value: i64| family.get_or_create(&pool).set(value);
            let v4 = usage.assigned_v4.saturating_add(usage.available_v4);
            let v6 = usage.assigned_v6.saturating_add(usage.available_v6);
            set(&self.in_use_v4, usage.assigned_v4);
            set(&self.in_use_v6, usage.assigned_v6);
            set(&self.in_use, usage.assigned_v4.saturating_add(usage.assigned_v6));
            set(&self.total_v4, v4);
            set(&self.total_v6, v6);
            set(&self.total, v4.saturating_add(v6));
        }
    }

    /// Forgets a pool.
    pub fn forget_pool(&self, name: &str) {
        let pool = Pool { pool: name.to_owned() };
        for family in [
            &self.total,
            &self.total_v4,
            &self.total_v6,
            &self.in_use,
            &self.in_use_v4,
            &self.in_use_v6,
            &self.services_allocated,
        ] {
            family.remove(&pool);
        }
    }

    /// How many Services have addresses of a pool.
    pub fn services_of_pool(&self, name: &str, services: i64) {
        self.services_allocated.get_or_create(&Pool { pool: name.to_owned() }).set(services);
    }

    /// A decision: how many objects it was about, and how long it took.
    pub fn decided(&self, objects: usize, took: Duration) {
        self.updates.inc_by(u64::try_from(objects).unwrap_or(u64::MAX));
        self.decide_seconds.0.observe(took.as_secs_f64());
    }

    /// A request that ended.
    pub fn wrote(&self, kind: &'static str, result: &'static str, took: Duration) {
        self.writes.get_or_create(&Written { kind, result }).inc();
        self.write_seconds.0.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
        if result != "done" {
            self.update_errors.inc();
        }
    }

    /// A watch that broke off.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&Kind { kind }).inc();
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// What waits and what is on its way.
    pub fn queue(&self, waiting: &[(&'static str, usize)], running: usize) {
        for (class, count) in waiting {
            self.queued.get_or_create(&Class { class }).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        self.running.set(i64::try_from(running).unwrap_or(i64::MAX));
    }

    /// Objects and events that are left out.
    pub fn left_out(&self, unreadable: usize, suppressed: u64) {
        self.unreadable.set(i64::try_from(unreadable).unwrap_or(i64::MAX));
        self.suppressed_events.set(i64::try_from(suppressed).unwrap_or(i64::MAX));
    }
}

/// The page that is scraped, in the OpenMetrics text format.
///
/// # Errors
/// If a metric cannot be written: a fault of the program.
pub fn encode(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    text::encode(&mut page, registry)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(assigned_v4: i64, available_v6: i64) -> PoolUsage {
        PoolUsage { assigned_v4, assigned_v6: 2, available_v4: 10, available_v6 }
    }

    #[test]
    fn names_are_exactly_those_of_metallb() {
        let (metrics, registry) = Metrics::new();
        metrics.pools(&BTreeMap::from([("gold".to_owned(), usage(3, i64::MAX))]));
        metrics.configuration(&Configuration::default());
        metrics.services_of_pool("gold", 4);
        metrics.decided(7, Duration::from_millis(3));
        metrics.wrote("Service", "conflict", Duration::from_millis(2));
        let page = encode(&registry).unwrap();
        for line in [
            "metallb_allocator_addresses_in_use_total{pool=\"gold\"} 5",
            "metallb_allocator_ipv4_addresses_in_use_total{pool=\"gold\"} 3",
            "metallb_allocator_ipv6_addresses_in_use_total{pool=\"gold\"} 2",
            "metallb_allocator_ipv4_addresses_total{pool=\"gold\"} 13",
            "metallb_allocator_addresses_total{pool=\"gold\"} 9223372036854775807",
            "metallb_allocator_services_allocated_total{pool=\"gold\"} 4",
            "metallb_k8s_client_updates_total 7",
            "metallb_k8s_client_update_errors_total 1",
            "metallb_k8s_client_config_loaded_bool 1",
            "metallb_k8s_client_config_stale_bool 0",
            "arpeggio_controller_writes_total{kind=\"Service\",result=\"conflict\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn a_configuration_is_loaded_once_it_was_read_and_stale_while_a_part_of_it_is_left_out() {
        let (metrics, registry) = Metrics::new();
        let says = |loaded: u8, stale: u8| {
            let page = encode(&registry).unwrap();
            for line in [
                format!("metallb_k8s_client_config_loaded_bool {loaded}"),
                format!("metallb_k8s_client_config_stale_bool {stale}"),
            ] {
                assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
            }
        };
        says(0, 0);
        let faults = vec![crate::decide::fixture::fault("IPAddressPool", "gold")];
        metrics.configuration(&Configuration { faults, ..Configuration::default() });
        says(1, 1);
        metrics.configuration(&Configuration::default());
        says(1, 0);
    }

    #[test]
    fn a_pool_that_is_gone_has_no_series() {
        let (metrics, registry) = Metrics::new();
        metrics.pools(&BTreeMap::from([("gold".to_owned(), usage(3, 1))]));
        metrics.services_of_pool("gold", 4);
        metrics.forget_pool("gold");
        assert!(!encode(&registry).unwrap().contains("gold"));
    }
}
