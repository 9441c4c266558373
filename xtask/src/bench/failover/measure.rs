//! Every contender under every fault, in turn and several rounds: what disturbs one disturbs all.

use anyhow::{Context as _, Result};

use super::{
    bed::Bed,
    contenders::{Contender, Kind},
    faults::Fault,
    plan::{Plan, ROUND},
    report::{Heading, Line, Trial},
    timeline::Curve,
};
use crate::ui;

/// One contender under one fault, and what came of it so far.
struct Course<'a> {
    contender: &'a Contender,
    trials: Vec<Trial>,
    curve: Curve,
}

/// Measures all contenders under one fault.
pub(super) fn measure(plan: &Plan, contenders: &[Contender], fault: Fault) -> Result<Vec<Line>> {
    let repetitions = if fault.is_quiet() { 1 } else { plan.repetitions };
    let concerned = contenders.iter().filter(|contender| fault.concerns(contender));
    let mut courses: Vec<Course<'_>> =
        concerned.map(|contender| Course { contender, trials: Vec::new(), curve: Curve::default() }).collect();
    if courses.is_empty() {
        return Ok(Vec::new());
    }
    let step = ui::Step::begin(format!("{fault}: {} contenders, {repetitions} repetitions", courses.len()));
    let mut left = repetitions;
    while left > 0 {
        let turn = left.min(ROUND);
        for course in &mut courses {
            step.note(format_args!("{}, {left} repetitions to go", course.contender.name));
            course.turn(plan, fault, turn).with_context(|| format!("{fault}, {}", course.contender.name))?;
        }
        left -= turn;
    }
    step.done("measured");
    Ok(courses.into_iter().map(|course| course.line(fault)).collect())
}

impl Course<'_> {
    /// Some repetitions on a segment of their own.
    fn turn(&mut self, plan: &Plan, fault: Fault, repetitions: u32) -> Result<()> {
        let mut bed = Bed::make(plan, self.contender, fault)?;
        for _ in 0..repetitions {
            let (trial, requests) = bed.repeat(fault, plan.quick)?;
            self.curve.add(&requests);
            self.trials.push(trial);
        }
        Ok(())
    }

    fn line(self, fault: Fault) -> Line {
        let heading = Heading {
            contender: self.contender.name.clone(),
            interval_ms: self.contender.interval.as_secs_f64() * 1e3,
            ours: matches!(self.contender.kind, Kind::Ours { .. }),
            fault,
        };
        Line::new(heading, self.trials, &self.curve)
    }
}
