//! What was measured, as JSON on standard output.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Figures of one run, times in milliseconds.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Report {
    /// How many Services.
    pub(crate) services: usize,
    /// From the first request, or from the start of the watch, to the end of the work of this program.
    pub(crate) total_ms: f64,
    /// From the first request to the last answer, where requests were made.
    pub(crate) requests_ms: f64,
    /// From the start of the watch until there were as many Announcements; 0 where they were not watched.
    pub(crate) announced_ms: f64,
    /// From the answer to the creation of a Service until it was seen with an address: median, 99th percentile, worst.
    pub(crate) lag_ms: Option<[f64; 3]>,
    /// When one hundredth, two hundredths, … of the Services had an address.
    pub(crate) curve: Vec<f64>,
}

/// In milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Median, 99th percentile and worst, in milliseconds.
pub(crate) fn quantiles(mut lags: Vec<Duration>) -> Option<[f64; 3]> {
    lags.sort_unstable();
    let at = |share: usize| lags.get((lags.len().saturating_sub(1)) * share / 100).copied().map(ms);
    Some([at(50)?, at(99)?, at(100)?])
}

/// When each hundredth of what happened at `times` had happened, milliseconds since `started`.
pub(crate) fn curve(started: Instant, times: impl IntoIterator<Item = Instant>) -> Vec<f64> {
    let mut times: Vec<Instant> = times.into_iter().collect();
    times.sort_unstable();
    let upto = |percent: usize| (times.len() * percent).div_ceil(100).checked_sub(1).and_then(|at| times.get(at));
    (1..=100).filter_map(upto).map(|time| ms(time.saturating_duration_since(started))).collect()
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn print(report: &Report) -> Result<()> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}

/// The watch has begun: whoever waits for that may go on.
#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn ready() {
    println!("ready");
}

#[expect(clippy::print_stderr, reason = "the program has no log")]
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
