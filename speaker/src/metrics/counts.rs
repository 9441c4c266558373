//! What happened since the agent started.

use std::time::Duration;

use arpeggio_succession::{Happened, Report};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, core::Collector,
    exponential_buckets, proto::MetricFamily,
};
use serde::Serialize;

/// Two metrics have one name: a fault of the program.
pub type CountsError = prometheus::Error;

/// Counters. Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub struct Counts {
    registry: Registry,
    changes: IntCounterVec,
    gaps: HistogramVec,
    rounds: Histogram,
    updates: IntCounter,
    errors: IntCounter,
}

impl Counts {
    /// Nothing happened yet.
    ///
    /// # Errors
    /// A fault of the program.
    pub fn new() -> Result<Self, CountsError> {
        let registry = Registry::new();
        let register = |metric: Box<dyn Collector>| registry.register(metric);
        let changes = IntCounterVec::new(
            Opts::new("arpeggio_speaker_ownership_changes_total", "What happened to addresses on this node, and why"),
            &["happened", "cause"],
        )?;
        // From the quickest pace, 10 ms, to what nobody should ever see.
        let gaps = HistogramOpts::new(
            "arpeggio_speaker_failover_gap_seconds",
            "From the last answer of an owner that fell silent to the claim of this node",
        )
        .buckets(exponential_buckets(0.01, 2.0, 11)?);
        let gaps = HistogramVec::new(gaps, &["cause"])?;
        let rounds = HistogramOpts::new(
            "arpeggio_speaker_round_duration_seconds",
            "How long it took to bring entries and programs to what is wanted",
        )
        .buckets(exponential_buckets(0.000_1, 4.0, 9)?);
        let rounds = Histogram::with_opts(rounds)?;
        let updates =
            IntCounter::new("metallb_k8s_client_updates_total", "Configurations and announcements that were taken")?;
        let errors = IntCounter::new("metallb_k8s_client_update_errors_total", "Those that could not be used")?;
        register(Box::new(changes.clone()))?;
        register(Box::new(gaps.clone()))?;
        register(Box::new(rounds.clone()))?;
        register(Box::new(updates.clone()))?;
        register(Box::new(errors.clone()))?;
        Ok(Self { registry, changes, gaps, rounds, updates, errors })
    }

    /// Ownership changed.
    pub fn changed(&self, reports: &[Report]) {
        for Report { happened, cause, gap_ns, .. } in reports {
            let (happened, cause, took) = (word(happened), word(cause), *happened == Happened::Took);
            self.changes.with_label_values(&[&happened, &cause]).inc();
            if let Some(gap_ns) = gap_ns.filter(|_| took) {
                let gap = Duration::from_nanos(gap_ns);
                self.gaps.with_label_values(&[&cause]).observe(gap.as_secs_f64());
            }
        }
    }

    /// Entries and programs were compared with what is wanted, and put right.
    pub fn round(&self, took: Duration) {
        self.rounds.observe(took.as_secs_f64());
    }

    /// Another configuration was taken.
    pub fn updated(&self) {
        self.updates.inc();
    }

    /// Something went wrong that the status tells.
    pub fn failed(&self) {
        self.errors.inc();
    }

    /// The names of all of it, also of what has no samples yet.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = String> + use<> {
        let all: [&dyn Collector; 5] = [&self.changes, &self.gaps, &self.rounds, &self.updates, &self.errors];
        let names = all.map(|metric| metric.desc().into_iter().map(|desc| desc.fq_name.clone()).collect::<Vec<_>>());
        names.into_iter().flatten()
    }

    /// All of it.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

/// The word by which reports of this kind are known everywhere else.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use arpeggio_common::serve::encode;
    use arpeggio_succession::Cause;

    use super::*;

    #[test]
    fn a_failover_is_counted_with_its_gap_and_a_first_claim_without() {
        let counts = Counts::new().unwrap();
        let report = |happened, cause, gap_ns| Report {
            place: (2, [192, 0, 2, 1].into()),
            at_ns: 5,
            happened,
            cause,
            other: None,
            gap_ns,
            buckets: 0,
        };
        counts.changed(&[
            report(Happened::Took, Cause::Unclaimed, None),
            report(Happened::Took, Cause::OwnerSilent, Some(150_000_000)),
            report(Happened::Suspects, Cause::OwnerSilent, Some(50_000_000)),
        ]);
        counts.round(Duration::from_millis(3));
        let page = encode(&counts.families()).unwrap();
        for line in [
            "arpeggio_speaker_ownership_changes_total{cause=\"unclaimed\",happened=\"took\"} 1",
            "arpeggio_speaker_ownership_changes_total{cause=\"owner-silent\",happened=\"took\"} 1",
            "arpeggio_speaker_failover_gap_seconds_bucket{cause=\"owner-silent\",le=\"0.16\"} 1",
            "arpeggio_speaker_failover_gap_seconds_bucket{cause=\"owner-silent\",le=\"0.08\"} 0",
            "arpeggio_speaker_failover_gap_seconds_count{cause=\"owner-silent\"} 1",
            "arpeggio_speaker_round_duration_seconds_count 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }
}
