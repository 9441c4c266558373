//! One contender with so many Services: those that are there before it, and those that come while it runs.

use anyhow::Result;

use super::{
    bed::{Bed, Outcome},
    contenders::Contender,
    report::{Line, Phase},
};
use crate::{bench::cpu, ui};

/// Requests at a time of the plain writer: as many as our controller makes unless told otherwise.
const CONNECTIONS: usize = 16;

/// Processor time and memory of the contender and of the speakers.
struct Processes {
    contender: Option<u32>,
    speakers: Vec<u32>,
    before: (u64, Vec<u64>),
}

impl Processes {
    fn look(bed: &Bed, contender: Option<u32>) -> Result<Self> {
        let speakers = bed.speakers()?;
        let mut processes = Self { contender: None, speakers, before: (0, Vec::new()) };
        processes.before = processes.used()?;
        // A contender that begins with the measurement has used nothing before.
        processes.contender = contender;
        Ok(processes)
    }

    fn used(&self) -> Result<(u64, Vec<u64>)> {
        let contender = self.contender.map(cpu::process_ns).transpose()?.unwrap_or_default();
        let speakers = self.speakers.iter().map(|pid| cpu::process_ns(*pid)).collect::<Result<_>>()?;
        Ok((contender, speakers))
    }

    /// Seconds of processor time since the first look, and MiB now: the contender's, and the most of any speaker.
    fn cost(&self) -> Result<([f64; 2], [f64; 2])> {
        let (contender, speakers) = self.used()?;
        let busiest = speakers.iter().zip(&self.before.1).map(|(after, before)| after.saturating_sub(*before)).max();
        let seconds = |ns: u64| std::time::Duration::from_nanos(ns).as_secs_f64();
        let largest = self.speakers.iter().map(|pid| cpu::resident_mib(*pid));
        let largest = largest.collect::<Result<Vec<_>>>()?.into_iter().fold(0.0, f64::max);
        let resident = self.contender.map(cpu::resident_mib).transpose()?.unwrap_or_default();
        Ok((
            [seconds(contender.saturating_sub(self.before.0)), seconds(busiest.unwrap_or_default())],
            [resident, largest],
        ))
    }
}

/// Measures both phases; of the plain writer only the first.
pub(super) fn measure(bed: &Bed, contender: &Contender, count: u32) -> Result<Vec<Line>> {
    let mut lines = vec![existing(bed, contender, count)?];
    bed.clear()?;
    if !matches!(contender, Contender::Plain) {
        lines.push(created(bed, contender, count)?);
        bed.clear()?;
    }
    Ok(lines)
}

fn existing(bed: &Bed, contender: &Contender, count: u32) -> Result<Line> {
    let step = ui::Step::begin(format!("{count} existing Services: {}", contender.name()));
    bed.create(count, false)?;
    let writes = bed.writes()?;
    let (outcome, processes, started) = if matches!(contender, Contender::Plain) {
        let processes = Processes::look(bed, None)?;
        (bed.write(count, CONNECTIONS)?, processes, None)
    } else {
        let watch = bed.watch(count, matches!(contender, Contender::Ours))?;
        let started = bed.start(contender)?;
        let processes = Processes::look(bed, started.as_ref().map(|started| started.pid()).transpose()?)?;
        (watch.end()?, processes, started)
    };
    let line = finish(bed, contender, Phase::Existing, (count, writes), (outcome, &processes))?;
    drop(started);
    step.done(format_args!("{:.0} addresses/s", line.rate()));
    Ok(line)
}

fn created(bed: &Bed, contender: &Contender, count: u32) -> Result<Line> {
    let step = ui::Step::begin(format!("{count} Services as they come: {}", contender.name()));
    let started = bed.start(contender)?;
    let pid = started.as_ref().map(|started| started.pid()).transpose()?;
    let processes = Processes::look(bed, pid)?;
    let writes = bed.writes()?;
    let outcome = bed.create(count, true)?;
    // The creations themselves are not the contender's.
    let line = finish(bed, contender, Phase::Created, (count, writes + f64::from(count)), (outcome, &processes))?;
    drop(started);
    step.done(format_args!("median lag {:.0} ms", line.lag_ms.map_or(0.0, |[median, ..]| median)));
    Ok(line)
}

fn finish(
    bed: &Bed,
    contender: &Contender,
    phase: Phase,
    (count, writes_before): (u32, f64),
    (outcome, processes): (Outcome, &Processes),
) -> Result<Line> {
    bed.settle()?;
    let (cpu_s, memory_mib) = processes.cost()?;
    Ok(Line {
        contender: contender.name(),
        ours: matches!(contender, Contender::Ours),
        phase,
        services: outcome.services.min(count),
        total_ms: outcome.total_ms,
        created_ms: if phase == Phase::Created { outcome.requests_ms } else { 0.0 },
        announced_ms: outcome.announced_ms,
        lag_ms: outcome.lag_ms,
        curve: outcome.curve,
        writes: (bed.writes()? - writes_before) / f64::from(count),
        cpu_s,
        memory_mib,
    })
}
