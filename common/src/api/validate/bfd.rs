//! `BFDProfile` to [`BfdProfile`].

use std::ops::RangeInclusive;

use super::Report;
use crate::{
    api::BFDProfile,
    model::{BfdProfile, Fault},
};

/// Milliseconds between packets.
const INTERVAL: RangeInclusive<u32> = 10..=60_000;

impl BFDProfile {
    /// The profile, if every value is in its range.
    ///
    /// # Errors
    /// Every value that is not (MetalLB behaviour 1.6).
    pub fn validate(&self) -> Result<BfdProfile, Vec<Fault>> {
        let mut report = Report::new(self);
        let spec = &self.spec;
        let profile = BfdProfile {
            name: self.metadata.name.clone().unwrap_or_default(),
            receive_interval: report.within("spec.receiveInterval", spec.receive_interval, &INTERVAL),
            transmit_interval: report.within("spec.transmitInterval", spec.transmit_interval, &INTERVAL),
            detect_multiplier: report.within("spec.detectMultiplier", spec.detect_multiplier, &(2..=255)),
            echo_interval: report.within("spec.echoInterval", spec.echo_interval, &INTERVAL),
            echo: spec.echo_mode.unwrap_or(false),
            passive: spec.passive_mode.unwrap_or(false),
            minimum_ttl: report.within("spec.minimumTtl", spec.minimum_ttl, &(1..=254)),
        };
        report.done(profile)
    }
}

impl Report {
    fn within<T: TryFrom<u32>>(&mut self, field: &str, number: Option<u32>, range: &RangeInclusive<u32>) -> Option<T> {
        let number = number?;
        if range.contains(&number) {
            return T::try_from(number).ok();
        }
        let remedy = format!("use a number from {} to {}", range.start(), range.end());
        self.fault(field, &number.to_string(), "is out of range", remedy);
        None
    }
}
