//! Deterministic simulation of the succession: nodes on a wire that breaks in every way, and what must hold meanwhile.
//!
//! A schedule is made of two numbers, seed and schedule; the same numbers give the same schedule on every machine. Time,
//! wire, kernels and drivers are models, the machines are the agent's own ([`arpeggio_succession`]).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod attack;
pub mod bounds;
mod claims;
mod faults;
mod frame;
mod judge;
mod kernel;
mod measured;
#[cfg(test)]
mod named_tests;
mod node;
pub mod orders;
mod outside;
#[cfg(test)]
mod port_tests;
mod ports;
mod queue;
pub mod scenario;
mod sight;
mod switch;
mod trace;
mod twins;
mod wire;
mod world;

use fastrand::Rng;

pub use self::{measured::Measured, scenario::Scenario, sight::Violation, world::Outcome};
use self::{trace::Trace, world::World};

/// Which schedule to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which {
    /// Of all schedules.
    pub seed: u64,
    /// Of this one.
    pub schedule: u64,
    /// Faults at most.
    pub faults: usize,
}

impl Which {
    /// The schedule, and the randomness for the rest.
    #[must_use]
    pub fn scenario(&self) -> (Scenario, Rng) {
        let mut rng = Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.schedule);
        // Neighbouring seeds begin alike.
        let mut rng = Rng::with_seed(rng.u64(..) ^ rng.u64(..).rotate_left(32));
        let scenario = Scenario::new(&mut rng, self.faults);
        (scenario, rng)
    }

    /// Runs it. `lines`: so many of the last lines of what happened are kept; `frames`: every frame among them.
    #[must_use]
    pub fn run(&self, lines: usize, frames: bool) -> Outcome {
        let (scenario, rng) = self.scenario();
        World::new(scenario, rng, Trace::last(lines, frames)).run()
    }
}
