//! `cargo xtask test`: runs tiers of tests, streams what they print and counts.
//!
//! A tier that was asked for and cannot run, or runs no test, fails: nothing is skipped silently. The last line is always
//! `N passed, N failed`.

mod run;
mod tally;
mod tier;
mod watch;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use self::watch::{Took, Watch};
pub use self::{
    run::{BuiltTest, built_tests},
    tally::{Counter, Tally},
    tier::{TestProgram, Tier},
};
use crate::{ebpf, ui};

/// `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Which tiers to run.
    #[arg(value_enum, default_value = "all")]
    tiers: Vec<Choice>,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Tests of the netns, frr, cluster and daemonset tiers that run at the same time. By default, netns runs four for each
    /// processor, frr 4, cluster and daemonset 2.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// A tier or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Unit,
    Simulation,
    Program,
    Netns,
    Frr,
    Cluster,
    Daemonset,
    Kernels,
    All,
}

impl Choice {
    fn tiers(self) -> &'static [Tier] {
        match self {
            Self::Unit => &[Tier::Unit],
            Self::Simulation => &[Tier::Simulation],
            Self::Program => &[Tier::Program],
            Self::Netns => &[Tier::Netns],
            Self::Frr => &[Tier::Frr],
            Self::Cluster => &[Tier::Cluster],
            Self::Daemonset => &[Tier::Daemonset],
            Self::Kernels => &[Tier::Kernels],
            Self::All => &Tier::ALL,
        }
    }
}

/// What the tiers have in common.
pub struct Options {
    /// Only tests whose name contains this.
    pub filter: Option<String>,
    /// Tests of the netns, frr, cluster and daemonset tiers that run at the same time.
    pub threads: Option<usize>,
}

/// Runs the verb. The exit code says whether everything passed; so does the last line.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let options = Options { filter: args.filter.clone(), threads: args.threads };
    let mut tiers: Vec<Tier> = args.tiers.iter().flat_map(|choice| choice.tiers()).copied().collect();
    tiers.sort();
    tiers.dedup();
    // Every crate that is tested embeds or loads the BPF objects.
    ui::heading("BPF programs");
    if let Err(error) = ebpf::run(&ebpf::Args::default()) {
        ui::failure(&error);
        ui::say(Tally::FAILURE);
        return ExitCode::FAILURE;
    }
    let outcomes = all_tiers(&tiers, &options);

    ui::heading("tests");
    let mut total = Tally::default();
    for (tier, tally, took) in outcomes {
        ui::say(format_args!("{:>10}: {tally} ({took})", tier.name()));
        total += tally;
    }
    ui::say(total);
    if total.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the tiers one after the other, but those that only compute beside those that mostly wait.
fn all_tiers(tiers: &[Tier], options: &Options) -> Vec<(Tier, Tally, Took)> {
    let (beside, rest): (Vec<Tier>, Vec<Tier>) =
        tiers.iter().partition(|tier| tier.only_computes() && tiers.iter().any(|other| other.mostly_waits()));
    let mut outcomes = std::thread::scope(|scope| {
        let mut beside = beside.into_iter();
        let mut running = Vec::new();
        let mut outcomes = Vec::new();
        for tier in rest {
            if tier.mostly_waits() {
                running.extend(beside.by_ref().map(|tier| (tier, scope.spawn(move || one_tier(tier, options)))));
            }
            outcomes.push(one_tier(tier, options));
        }
        let ended = running.into_iter().map(|(tier, thread)| {
            // A panic of the tool itself: no test is known to have passed.
            thread.join().unwrap_or_else(|_panic| (tier, Tally::FAILURE, Watch::start().stop()))
        });
        outcomes.extend(ended);
        outcomes
    });
    outcomes.sort_by_key(|(tier, ..)| *tier);
    outcomes
}

fn one_tier(tier: Tier, options: &Options) -> (Tier, Tally, Took) {
    ui::heading(format_args!("{} tests", tier.name()));
    let watch = Watch::start();
    let tally = judged(tier, run::tier(tier, options));
    let took = watch.stop();
    ui::say(format_args!("   {}: {tally} ({took})", tier.name()));
    (tier, tally, took)
}

/// Turns "could not run" and "ran nothing" into failures.
fn judged(tier: Tier, outcome: Result<Tally>) -> Tally {
    match outcome {
        Ok(tally) if tally == Tally::default() => {
            ui::warn(format_args!("the {} tier ran no test; that counts as a failure", tier.name()));
            Tally::FAILURE
        }
        Ok(tally) => tally,
        Err(error) => {
            ui::failure(&error.context(format!("the {} tier could not run", tier.name())));
            Tally::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_that_ran_nothing_or_could_not_run_fails() {
        assert_eq!(judged(Tier::Unit, Ok(Tally::default())), Tally::FAILURE);
        assert_eq!(judged(Tier::Netns, Err(anyhow::anyhow!("no root"))), Tally::FAILURE);
        let good = Tally { passed: 3, failed: 0 };
        assert_eq!(judged(Tier::Unit, Ok(good)), good);
    }

    #[test]
    fn all_means_every_tier() {
        assert_eq!(Choice::All.tiers(), Tier::ALL);
        for tier in Tier::ALL {
            assert_eq!(Choice::from_str(tier.name(), false).map(Choice::tiers), Ok(&[tier][..]));
        }
    }
}
