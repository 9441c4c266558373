//! Families of metrics made of plain values.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// One sample: its labels in order, and its value.
pub(super) type Sample<'a> = (Vec<(&'static str, &'a str)>, f64);

/// A value that only grows while the agent runs.
pub(super) fn counter<'a>(name: &str, help: &str, samples: impl IntoIterator<Item = Sample<'a>>) -> MetricFamily {
    let value = |metric: &mut Metric, value| {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    };
    family((name, help, MetricType::COUNTER), samples, value)
}

/// A value that goes up and down.
pub(super) fn gauge<'a>(name: &str, help: &str, samples: impl IntoIterator<Item = Sample<'a>>) -> MetricFamily {
    let value = |metric: &mut Metric, value| {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    };
    family((name, help, MetricType::GAUGE), samples, value)
}

fn family<'a>(
    (name, help, kind): (&str, &str, MetricType),
    samples: impl IntoIterator<Item = Sample<'a>>,
    set: impl Fn(&mut Metric, f64),
) -> MetricFamily {
    let metric = |(labels, value): Sample<'_>| {
        let mut metric = Metric::from_label(labels.into_iter().map(label).collect());
        set(&mut metric, value);
        metric
    };
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples.into_iter().map(metric).collect());
    family
}

fn label((name, value): (&'static str, &str)) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}

/// Counts beyond 2^53 lose their last digits: as in every program that speaks this format.
#[expect(clippy::cast_precision_loss, reason = "the format has floating-point numbers only")]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}

/// Seconds of nanoseconds.
pub(super) fn seconds(ns: u64) -> f64 {
    number(ns) / 1e9
}
