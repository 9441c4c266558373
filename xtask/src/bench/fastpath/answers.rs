//! Answers over veth pairs and a bridge: every contender in turn, several rounds.

use std::time::Duration;

use anyhow::Result;

use super::{
    asking::{self, Account},
    beds::Bed,
    plan::Plan,
    report::{Answers, Family, Flood, Latency},
};
use crate::{
    bench::{busy::Busy, cpu},
    ui,
};

/// How long the processes are watched without requests.
const QUIET: Duration = Duration::from_secs(2);

/// One contender asked in one family, and what came of it so far.
struct Course<'a> {
    bed: &'a Bed,
    family: Family,
    /// Processor time the answering process uses without requests: its share of one processor.
    quiet: Option<f64>,
    idle: Vec<Account>,
    loaded: Vec<Account>,
    floods: Vec<(Account, Cpu)>,
}

/// Processor time during a flood, microseconds for each answer.
#[derive(Clone, Copy)]
struct Cpu {
    agent_us: Option<f64>,
    softirq_us: f64,
}

/// Measures all beds.
pub(super) fn measure(plan: &Plan, beds: &[Bed]) -> Result<Vec<Answers>> {
    let mut courses = Vec::new();
    for bed in beds {
        for &family in bed.contender.families() {
            asking::warm_up(plan, bed, family)?;
            let (idle, loaded, floods) = (Vec::new(), Vec::new(), Vec::new());
            courses.push(Course { bed, family, quiet: None, idle, loaded, floods });
        }
    }
    watch_quiet(&mut courses)?;
    let step = ui::Step::begin(format!("asking, {} rounds", plan.rounds));
    for round in 1..=plan.rounds {
        for course in &mut courses {
            step.note(format_args!("round {round}, idle: {}", course.name()));
            course.idle.push(asking::singly(plan, course.bed, course.family)?);
        }
        let busy = beds.first().map(|bed| Busy::start(&bed.segment.lab)).transpose()?;
        for course in &mut courses {
            step.note(format_args!("round {round}, loaded: {}", course.name()));
            course.loaded.push(asking::singly(plan, course.bed, course.family)?);
        }
        drop(busy);
        for course in &mut courses {
            step.note(format_args!("round {round}, flood: {}", course.name()));
            course.flood(plan)?;
        }
    }
    step.done("asked");
    Ok(courses.iter().map(Course::result).collect())
}

/// What the answering processes use anyway, to renew leases and the like.
fn watch_quiet(courses: &mut [Course<'_>]) -> Result<()> {
    let used = |courses: &[Course<'_>]| -> Result<Vec<Option<u64>>> {
        courses.iter().map(|course| course.bed.agent().map(cpu::process_ns).transpose()).collect()
    };
    let before = used(courses)?;
    std::thread::sleep(QUIET);
    let after = used(courses)?;
    for (course, (before, after)) in courses.iter_mut().zip(before.into_iter().zip(after)) {
        course.quiet = before.zip(after).map(|(before, after)| (after - before) as f64 / QUIET.as_nanos() as f64);
    }
    Ok(())
}

impl Course<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.bed.contender.name(), self.family)
    }

    #[expect(clippy::disallowed_methods, reason = "measures how long the flood took")]
    fn flood(&mut self, plan: &Plan) -> Result<()> {
        let agent = || self.bed.agent().map(cpu::process_ns).transpose();
        let (began, agent_before, softirq_before) = (std::time::Instant::now(), agent()?, cpu::softirq_ns()?);
        let account = asking::flood(plan, self.bed, self.family)?;
        let (took, agent_after, softirq_after) = (began.elapsed(), agent()?, cpu::softirq_ns()?);
        let per_answer = |ns: f64| ns / 1000.0 / account.answered.max(1) as f64;
        let quiet_ns = self.quiet.unwrap_or(0.0) * took.as_nanos() as f64;
        let agent_us =
            agent_before.zip(agent_after).map(|(before, after)| per_answer((after - before) as f64 - quiet_ns));
        let softirq_us = per_answer((softirq_after - softirq_before) as f64);
        self.floods.push((account, Cpu { agent_us, softirq_us }));
        Ok(())
    }

    fn result(&self) -> Answers {
        let (accounts, cpu): (Vec<_>, Vec<_>) = self.floods.iter().cloned().unzip();
        let agent: Option<Vec<f64>> = cpu.iter().map(|cpu| cpu.agent_us).collect();
        Answers {
            contender: self.bed.contender.name(),
            family: self.family,
            idle: latency(&self.idle),
            loaded: latency(&self.loaded),
            flood: Flood {
                answers_per_second: median(accounts.iter().map(|account| account.answers_per_second as f64)),
                agent_us: agent.map(median),
                softirq_us: median(cpu.iter().map(|cpu| cpu.softirq_us)),
                lost: accounts.iter().map(|account| account.lost).sum(),
            },
        }
    }
}

fn latency(accounts: &[Account]) -> Latency {
    let column = |index: usize| median(accounts.iter().filter_map(|account| Some(account.latency_us()?[index])));
    Latency {
        p50_us: column(0),
        p99_us: column(1),
        sent: accounts.iter().map(|account| account.sent).sum(),
        lost: accounts.iter().map(|account| account.lost).sum(),
    }
}

/// The middle one; of an even number the lower of the two, of none 0.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.0);
        assert_eq!((median([7.0]), median([])), (7.0, 0.0));
    }
}
