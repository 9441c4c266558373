//! What can be scraped: MetalLB's names for what is the controller's, and our own (`arpeggio_controller_…`).

use std::{collections::BTreeMap, time::Duration};

use arpeggio_common::model::Configuration;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector, exponential_buckets,
};

use crate::cluster::PoolUsage;

/// Everything that is counted. Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    total: IntGaugeVec,
    total_v4: IntGaugeVec,
    total_v6: IntGaugeVec,
    in_use: IntGaugeVec,
    in_use_v4: IntGaugeVec,
    in_use_v6: IntGaugeVec,
    services_allocated: IntGaugeVec,
    updates: IntCounter,
    update_errors: IntCounter,
    config_loaded: IntGauge,
    config_stale: IntGauge,
    leader: IntGauge,
    writes: IntCounterVec,
    write_seconds: HistogramVec,
    queued: IntGaugeVec,
    running: IntGauge,
    decide_seconds: Histogram,
    watch_failures: IntCounterVec,
    unreadable: IntGauge,
    suppressed_events: IntGauge,
}

/// Makes metrics of one registry.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn register<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> prometheus::Result<M> {
        let metric = metric?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.register(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(Opts::new(name, help), &[label]))
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.register(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }
}

/// From half a millisecond to 16 s.
fn seconds(name: &str, help: &str) -> prometheus::Result<HistogramOpts> {
    Ok(HistogramOpts::new(name, help).buckets(exponential_buckets(0.000_5, 2.0, 16)?))
}

impl Metrics {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// Two metrics have one name: a fault of the program.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let make = Maker(&registry);
        let pool = |name: &str, help: &str| make.gauges(&format!("metallb_allocator_{name}"), help, "pool");
        Ok(Self {
            // Names, types and labels of these are MetalLB's.
            total: pool("addresses_total", "Addresses that a pool can give")?,
            total_v4: pool("ipv4_addresses_total", "IPv4 addresses that a pool can give")?,
            total_v6: pool("ipv6_addresses_total", "IPv6 addresses that a pool can give")?,
            in_use: pool("addresses_in_use_total", "Addresses in use, a shared one counts once")?,
            in_use_v4: pool("ipv4_addresses_in_use_total", "IPv4 addresses in use")?,
            in_use_v6: pool("ipv6_addresses_in_use_total", "IPv6 addresses in use")?,
            services_allocated: pool("services_allocated_total", "Services with addresses of a pool")?,
            updates: make.counter("metallb_k8s_client_updates_total", "Objects that changed and were looked at")?,
            update_errors: make.counter("metallb_k8s_client_update_errors_total", "Writes that did not succeed")?,
            config_loaded: make.gauge("metallb_k8s_client_config_loaded_bool", "1 once a configuration was read")?,
            config_stale: make
                .gauge("metallb_k8s_client_config_stale_bool", "1 while a part of the configuration is left out")?,
            // Ours.
            leader: make.gauge("arpeggio_controller_leader", "1 while this process leads")?,
            writes: make.counters(
                "arpeggio_controller_writes_total",
                "Requests that change something, by kind and result",
                &["kind", "result"],
            )?,
            write_seconds: make.register(HistogramVec::new(
                seconds("arpeggio_controller_write_duration_seconds", "How long such requests took")?,
                &["kind"],
            ))?,
            queued: make.gauges("arpeggio_controller_queued_writes", "Writes that wait, by class", "class")?,
            running: make.gauge("arpeggio_controller_running_writes", "Requests on their way")?,
            decide_seconds: make.register(Histogram::with_opts(seconds(
                "arpeggio_controller_decide_duration_seconds",
                "How long a decision took, its plan included",
            )?))?,
            watch_failures: make.counters(
                "arpeggio_controller_watch_failures_total",
                "Watches that broke off or could not begin",
                &["kind"],
            )?,
            unreadable: make.gauge(
                "arpeggio_controller_unreadable_objects",
                "Objects that are left out because they cannot be read",
            )?,
            suppressed_events: make
                .gauge("arpeggio_controller_suppressed_events", "Events that were not told again or were too many")?,
            registry,
        })
    }

    /// The page that is scraped, in the text format of Prometheus.
    ///
    /// # Errors
    /// If a metric cannot be written: a fault of the program.
    pub fn page(&self) -> prometheus::Result<String> {
        arpeggio_common::serve::encode(&self.registry.gather())
    }

    /// What of the configuration is in force: it was read, and is stale while a part of it is left out.
    pub fn configuration(&self, configuration: &Configuration) {
        self.config_loaded.set(1);
        self.config_stale.set(i64::from(!configuration.faults.is_empty()));
    }

    /// How full pools are, whatever there is in a decision.
    pub fn pools(&self, usage: &BTreeMap<String, PoolUsage>) {
        for (name, usage) in usage {
            let set = |family: &IntGaugeVec, value: i64| family.with_label_values(&[name]).set(value);
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
        for family in [
            &self.total,
            &self.total_v4,
            &self.total_v6,
            &self.in_use,
            &self.in_use_v4,
            &self.in_use_v6,
            &self.services_allocated,
        ] {
            // There may be none.
            let _removed = family.remove_label_values(&[name]);
        }
    }

    /// How many Services have addresses of a pool.
    pub fn services_of_pool(&self, name: &str, services: i64) {
        self.services_allocated.with_label_values(&[name]).set(services);
    }

    /// A decision: how many objects it was about, and how long it took.
    pub fn decided(&self, objects: usize, took: Duration) {
        self.updates.inc_by(u64::try_from(objects).unwrap_or(u64::MAX));
        self.decide_seconds.observe(took.as_secs_f64());
    }

    /// A request that ended.
    pub fn wrote(&self, kind: &'static str, result: &'static str, took: Duration) {
        self.writes.with_label_values(&[kind, result]).inc();
        self.write_seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
        if result != "done" {
            self.update_errors.inc();
        }
    }

    /// A watch that broke off.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.with_label_values(&[kind]).inc();
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// What waits and what is on its way.
    pub fn queue(&self, waiting: &[(&'static str, usize)], running: usize) {
        for (class, count) in waiting {
            self.queued.with_label_values(&[class]).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        self.running.set(i64::try_from(running).unwrap_or(i64::MAX));
    }

    /// Objects and events that are left out.
    pub fn left_out(&self, unreadable: usize, suppressed: u64) {
        self.unreadable.set(i64::try_from(unreadable).unwrap_or(i64::MAX));
        self.suppressed_events.set(i64::try_from(suppressed).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn usage(assigned_v4: i64, available_v6: i64) -> PoolUsage {
        PoolUsage { assigned_v4, assigned_v6: 2, available_v4: 10, available_v6 }
    }

    #[test]
    fn names_are_exactly_those_of_metallb() {
        let metrics = Metrics::new().unwrap();
        metrics.pools(&BTreeMap::from([("gold".to_owned(), usage(3, i64::MAX))]));
        metrics.configuration(&Configuration::default());
        metrics.services_of_pool("gold", 4);
        metrics.decided(7, Duration::from_millis(3));
        metrics.wrote("Service", "conflict", Duration::from_millis(2));
        let page = metrics.page().unwrap();
        for line in [
            "metallb_allocator_addresses_in_use_total{pool=\"gold\"} 5",
            "metallb_allocator_ipv4_addresses_in_use_total{pool=\"gold\"} 3",
            "metallb_allocator_ipv6_addresses_in_use_total{pool=\"gold\"} 2",
            "metallb_allocator_ipv4_addresses_total{pool=\"gold\"} 13",
            "metallb_allocator_addresses_total{pool=\"gold\"} 9223372036854776000",
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
        let metrics = Metrics::new().unwrap();
        let says = |loaded: u8, stale: u8| {
            let page = metrics.page().unwrap();
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
        let metrics = Metrics::new().unwrap();
        metrics.pools(&BTreeMap::from([("gold".to_owned(), usage(3, 1))]));
        metrics.services_of_pool("gold", 4);
        metrics.forget_pool("gold");
        assert!(!metrics.page().unwrap().contains("gold"));
    }

    #[test]
    fn every_metric_is_documented() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/metrics.md");
        let page = std::fs::read_to_string(file).unwrap();
        let section = page.split_once("## Of the controller").unwrap().1.split_once("\n## ").unwrap().0;
        let row = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
        let documented: BTreeSet<String> = section.lines().filter_map(row).collect();
        let metrics = Metrics::new().unwrap();
        metrics.pools(&BTreeMap::from([("gold".to_owned(), usage(3, 1))]));
        metrics.services_of_pool("gold", 4);
        metrics.wrote("Service", "done", Duration::from_millis(2));
        metrics.watch_failed("Service");
        metrics.queue(&[("clients", 1)], 0);
        let page = metrics.page().unwrap();
        let kind = |line: &str| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0.to_owned());
        let known = page.lines().filter_map(kind).collect();
        assert_eq!(documented, known);
    }
}
