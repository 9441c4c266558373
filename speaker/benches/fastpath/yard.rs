//! The two objects in the kernel, and one reading of one program.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use arpeggio_common::abi::{Key4, Key6, Lease, Vip, names};
use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData, ProgramArray},
    programs::{ProgramFd, SchedClassifier, TestRun as _, TestRunOptions, Xdp},
};
use serde::Serialize;

use crate::contenders::Contender;

/// Frames that `restore` puts back in turn.
pub(crate) const TEMPLATES: u8 = 64;
/// Bytes of a template.
const TEMPLATE: usize = 96;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hook {
    Xdp,
    Tc,
}

impl Hook {
    pub(crate) const ALL: [Self; 2] = [Self::Xdp, Self::Tc];

    fn named(self, program: &str) -> String {
        match self {
            Self::Xdp => program.to_owned(),
            Self::Tc => format!("{program}_tc"),
        }
    }
}

/// The yardstick and our object.
pub(crate) struct Yard {
    yardstick: Ebpf,
    ours: Ebpf,
    templates: Array<MapData, [u8; TEMPLATE]>,
    /// The program under test, by hook.
    targets: [ProgramArray<MapData>; 2],
}

impl Yard {
    pub(crate) fn new() -> Result<Self> {
        let (mut yardstick, ours) = (object("yardstick.o")?, object("arpeggio.o")?);
        let mut take =
            |name: &str| yardstick.take_map(name).with_context(|| format!("the yardstick has no map {name}"));
        let templates = Array::try_from(take("TEMPLATE")?)?;
        let targets = [ProgramArray::try_from(take("TARGET")?)?, ProgramArray::try_from(take("TARGET_TC")?)?];
        let mut yard = Self { yardstick, ours, templates, targets };
        for hook in Hook::ALL {
            yard.theirs("restore", hook)?;
        }
        Ok(yard)
    }

    /// A program of the yardstick.
    pub(crate) fn theirs(&mut self, name: &str, hook: Hook) -> Result<ProgramFd> {
        loaded(&mut self.yardstick, &hook.named(name), hook)
    }

    /// A program of our object.
    pub(crate) fn ours(&mut self, name: &str, hook: Hook) -> Result<ProgramFd> {
        loaded(&mut self.ours, name, hook)
    }

    /// Fills the maps of both objects alike; the lease never ends.
    pub(crate) fn load(&mut self, four: &[(Key4, Vip)], six: &[(Key6, Vip)]) -> Result<()> {
        for object in [&mut self.ours, &mut self.yardstick] {
            let mut map = HashMap::<_, Key4, Vip>::try_from(object.map_mut(names::VIPS4).context("no VIPS4")?)?;
            for (key, vip) in four {
                map.insert(key, vip, 0)?;
            }
            let mut map = HashMap::<_, Key6, Vip>::try_from(object.map_mut(names::VIPS6).context("no VIPS6")?)?;
            for (key, vip) in six {
                map.insert(key, vip, 0)?;
            }
            let mut lease = Array::<_, Lease>::try_from(object.map_mut(names::LEASE).context("no LEASE")?)?;
            lease.set(0, Lease { until_ns: u64::MAX, node: None }, 0)?;
        }
        Ok(())
    }

    /// Nanoseconds of one run of the program that does nothing, without `restore`.
    pub(crate) fn empty(&mut self, hook: Hook, repeat: u32) -> Result<u64> {
        let (_, ns) = self.run("empty", hook, &[0; 48], repeat)?;
        Ok(ns)
    }

    /// Nanoseconds of one run of `restore` and then the contender.
    pub(crate) fn measure(&mut self, contender: &Contender, repeat: u32) -> Result<u64> {
        for (index, frame) in (0..u32::from(TEMPLATES)).zip(contender.frames.iter().cycle()) {
            let mut template = [0; TEMPLATE];
            template.get_mut(..frame.len()).context("a frame longer than the template")?.copy_from_slice(frame);
            self.templates.set(index, template, 0)?;
        }
        let target = self.targets.get_mut(contender.hook as usize).context("no such hook")?;
        target.set(0, &contender.program, 0)?;
        let frame = contender.frames.first().context("no frame")?;
        let (verdict, ns) = self.run("restore", contender.hook, frame, repeat)?;
        let Contender { name, hook, verdict: expected, .. } = contender;
        ensure!(verdict == *expected, "{name} at {hook:?}: verdict {verdict} instead of {expected}");
        Ok(ns)
    }

    fn run(&mut self, name: &str, hook: Hook, frame: &[u8], repeat: u32) -> Result<(u32, u64)> {
        let name = hook.named(name);
        let program = self.yardstick.program(&name).with_context(|| format!("no program {name}"))?;
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
        let result = match hook {
            Hook::Xdp => <&Xdp>::try_from(program)?.test_run(options)?,
            Hook::Tc => <&SchedClassifier>::try_from(program)?.test_run(options)?,
        };
        Ok((result.return_value, u64::try_from(result.duration.as_nanos())?))
    }
}

fn object(name: &str) -> Result<Ebpf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")), PathBuf::from);
    let path = target.join("bpf").join(name);
    Ebpf::load_file(&path).with_context(|| format!("load {}; run cargo xtask build-ebpf", path.display()))
}

/// A program in the kernel; it is put there once.
fn loaded(object: &mut Ebpf, name: &str, hook: Hook) -> Result<ProgramFd> {
    let program = object.program_mut(name).with_context(|| format!("no program {name}"))?;
    if program.fd().is_err() {
        match hook {
            Hook::Xdp => <&mut Xdp>::try_from(&mut *program)?.load()?,
            Hook::Tc => <&mut SchedClassifier>::try_from(&mut *program)?.load()?,
        }
    }
    Ok(program.fd()?.try_clone()?)
}
