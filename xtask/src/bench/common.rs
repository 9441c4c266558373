//! What the report of every benchmark has: where and when, and what came of what was promised.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::tables;
use crate::{paths, ui};

/// Where and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// RFC 3339.
    pub began: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Model of the processor.
    pub processor: String,
    /// How many there are.
    pub processors: usize,
    /// Load average of the last minute before the run.
    pub load: f64,
    /// A run that is too short to say anything about speed.
    pub quick: bool,
}

/// Something that was promised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goal {
    /// The promise, in words.
    pub what: String,
    /// What was measured.
    pub value: f64,
    /// What it may be at most.
    pub limit: f64,
    /// Whether it is.
    pub met: bool,
}

/// The files of one run.
#[derive(Clone, Debug)]
pub struct Files {
    /// Every figure.
    pub json: PathBuf,
    /// The figures as a picture.
    pub svg: PathBuf,
}

/// Writes the figures of the benchmark `name` as JSON and lets `draw` make the picture.
///
/// # Errors
/// If a file cannot be written or the picture not be drawn.
fn write<R: Serialize>(
    (name, machine): (&str, &Machine),
    report: &R,
    folder: &Path,
    draw: impl FnOnce(&R, &Path) -> Result<()>,
) -> Result<Files> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let name = format!("{name}-{}", machine.began.replace(':', ""));
    let files = Files { json: folder.join(format!("{name}.json")), svg: folder.join(format!("{name}.svg")) };
    let text = serde_json::to_string_pretty(report).context("write the report as JSON")?;
    fs::write(&files.json, text).with_context(|| format!("write {}", files.json.display()))?;
    draw(report, &files.svg)?;
    Ok(files)
}

/// Says what came of what was promised, and writes the report of the benchmark `name` to `out` or where results go by default.
///
/// # Errors
/// As [`write`].
pub(super) fn conclude<R: Serialize>(
    (name, machine): (&str, &Machine),
    goals: &[Goal],
    report: &R,
    out: Option<&Path>,
    draw: impl FnOnce(&R, &Path) -> Result<()>,
) -> Result<Files> {
    ui::heading("goals");
    ui::say(tables::goals(goals));
    let folder = out.map_or_else(|| paths::target().join("bench"), Path::to_owned);
    let files = write((name, machine), report, &folder, draw)?;
    ui::say(format_args!("{}\n{}", files.json.display(), files.svg.display()));
    Ok(files)
}

impl Machine {
    /// One for tests.
    #[cfg(test)]
    pub(super) fn example() -> Self {
        Self {
            began: "2026-01-01T00:00:00Z".to_owned(),
            kernel: "6.12".to_owned(),
            processor: "one".to_owned(),
            processors: 2,
            load: 0.0,
            quick: true,
        }
    }

    /// Looks at this one, and says what the reader of the figures should know.
    ///
    /// # Errors
    /// As [`Machine::look`].
    pub(super) fn introduce(quick: bool) -> Result<Self> {
        let machine = Self::look(quick)?;
        machine.remarks().into_iter().for_each(ui::warn);
        Ok(machine)
    }

    /// Looks at this one.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    fn look(quick: bool) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("read {path}"));
        let cpus = read("/proc/cpuinfo")?;
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let loads = read("/proc/loadavg")?;
        Ok(Self {
            began: jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, model)| model.to_owned()),
            processors: std::thread::available_parallelism()?.get(),
            load: loads.split(' ').next().unwrap_or_default().parse().context("read the load average")?,
            quick,
        })
    }

    /// What the reader of the figures should know.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.quick {
            remarks.push("a quick run: the figures say nothing about speed".to_owned());
        }
        // The builds that came just before count with up to one process for each processor.
        if self.load > 1.5 * self.processors as f64 {
            remarks.push(format!(
                "the load average was {} on {} processors: other work disturbs the figures, above all p99",
                self.load, self.processors
            ));
        }
        remarks
    }
}
