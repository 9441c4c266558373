//! Loads the object into the kernel: maps by their pins where there are any, programs when they are needed.

use std::{collections::BTreeSet, error::Error, io, path::Path};

use arpeggio_common::abi::names;
use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, MapData, MapError},
    programs::{ProgramError, ProgramFd, SchedClassifier, SocketFilter, Xdp},
};
use nix::errno::Errno;

use super::{
    HealError, OpenError, Options,
    maps::Maps,
    object::{OBJECT, SIZED},
    pins::PinDir,
};

/// The programs. Dropping it lets go of every link that is not pinned.
pub(super) struct Programs {
    ebpf: Ebpf,
    xdp: &'static str,
    tc_loaded: bool,
    heal_loaded: bool,
}

/// A program could not be loaded or is not in the object.
#[derive(Debug, thiserror::Error)]
pub enum ProgramLoadError {
    /// The object has no program of this name and type.
    #[error("the embedded BPF object has no program {program}; build it again: cargo xtask build-ebpf")]
    Missing {
        /// Which program.
        program: &'static str,
    },
    /// The kernel refused it.
    #[error("the kernel refused to load the program {program}")]
    Refused {
        /// Which program.
        program: &'static str,
        #[expect(missing_docs, reason = "the cause")]
        source: ProgramError,
    },
}

/// Whether this process may use BPF at all. aya's own feature detection takes a refusal for a missing feature and then
/// fails with something misleading, so this is asked first.
pub(super) fn probe() -> Result<(), OpenError> {
    let made: Result<Array<MapData, u32>, MapError> = Array::create(1, 0);
    match made {
        Ok(_) => Ok(()),
        Err(error) => Err(unavailable(&error).unwrap_or_else(|| OpenError::Probe { source: error })),
    }
}

/// The typed form of a refusal to use BPF, if the error is one.
fn unavailable(error: &(dyn Error + 'static)) -> Option<OpenError> {
    let errno = errno_of(error)?;
    let source = io::Error::from(errno);
    if matches!(errno, Errno::EPERM | Errno::EACCES) {
        Some(OpenError::NotPermitted { source })
    } else {
        (errno == Errno::ENOSYS).then_some(OpenError::NotSupported { source })
    }
}

/// The error number at the bottom of a chain of errors.
pub(super) fn errno_of(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut next = Some(error);
    while let Some(current) = next {
        let number = if let Some(io) = current.downcast_ref::<io::Error>() {
            io.raw_os_error()
        } else if let Some(ProgramError::IOError(io)) = current.downcast_ref() {
            io.raw_os_error()
        } else if let Some(MapError::IoError(io)) = current.downcast_ref() {
            io.raw_os_error()
        } else if let Some(aya::programs::tc::TcError::IoError(io)) = current.downcast_ref() {
            io.raw_os_error()
        } else {
            None
        };
        if let Some(number) = number {
            return Some(Errno::from_raw(number));
        }
        next = current.source();
    }
    None
}

/// Whether a removal failed because the entry was gone already. aya knows that of look-ups only.
pub(super) fn is_gone(error: &MapError) -> bool {
    matches!(error, MapError::KeyNotFound) || errno_of(error) == Some(Errno::ENOENT)
}

/// Makes or finds the maps and loads the XDP program. `staged` maps are pinned under their temporary names.
///
/// # Errors
/// BPF is not available, or the object or a pin does not fit.
pub(super) fn load(
    options: &Options,
    pins: Option<&PinDir>,
    staged: &BTreeSet<&'static str>,
) -> Result<(Programs, Maps), OpenError> {
    let mut loader = EbpfLoader::new();
    // Nothing in the object is relocated against the kernel's own types.
    loader.btf(None);
    for map in SIZED {
        loader.map_max_entries(map, options.capacity);
    }
    if let Some(pins) = pins {
        for map in names::ALL {
            let path = if staged.contains(map) { pins.staged(map) } else { pins.map(map) };
            loader.map_pin_path(map, path);
        }
    }
    loader.override_global(aya_log::LEVEL, &options.log_level, false);
    let mut ebpf = loader.load(OBJECT).map_err(refused)?;
    let maps = Maps::gather(|name| ebpf.take_map(name))?;
    let xdp = load_xdp(&mut ebpf)?;
    let mut programs = Programs { ebpf, xdp, tc_loaded: false, heal_loaded: false };
    if options.log_level > 0 {
        // The reader of the log takes its map away, and with it the descriptor that a later load would need.
        programs.tc()?;
    }
    Ok((programs, maps))
}

fn refused(source: EbpfError) -> OpenError {
    unavailable(&source).unwrap_or(OpenError::Load { source })
}

/// Loads the entry for multi-buffer frames, or where the kernel does not know those (before 5.18) the plain one.
fn load_xdp(ebpf: &mut Ebpf) -> Result<&'static str, OpenError> {
    let frags = names::XDP_FRAGS_PROGRAM;
    let plain = names::XDP_PROGRAM;
    let Err(first) = xdp_of(ebpf, frags)?.load() else { return Ok(frags) };
    match xdp_of(ebpf, plain)?.load() {
        Ok(()) => {
            tracing::info!(error = %first, "this kernel loads no XDP program for multi-buffer frames; using the plain one");
            Ok(plain)
        }
        Err(source) => {
            Err(unavailable(&source).unwrap_or_else(|| ProgramLoadError::Refused { program: plain, source }.into()))
        }
    }
}

fn xdp_of<'a>(ebpf: &'a mut Ebpf, program: &'static str) -> Result<&'a mut Xdp, ProgramLoadError> {
    let missing = ProgramLoadError::Missing { program };
    ebpf.program_mut(program).and_then(|found| found.try_into().ok()).ok_or(missing)
}

impl Programs {
    /// The XDP entry, loaded.
    ///
    /// # Errors
    /// It is not in the object.
    pub(super) fn xdp(&mut self) -> Result<&mut Xdp, ProgramLoadError> {
        xdp_of(&mut self.ebpf, self.xdp)
    }

    /// The tc entry, loaded now if it was not yet.
    ///
    /// # Errors
    /// It is not in the object, or the kernel refuses it.
    pub(super) fn tc(&mut self) -> Result<&mut SchedClassifier, ProgramLoadError> {
        let program = names::TC_PROGRAM;
        let found: &mut SchedClassifier = self
            .ebpf
            .program_mut(program)
            .and_then(|found| found.try_into().ok())
            .ok_or(ProgramLoadError::Missing { program })?;
        if !self.tc_loaded {
            found.load().map_err(|source| ProgramLoadError::Refused { program, source })?;
            self.tc_loaded = true;
        }
        Ok(found)
    }

    /// The healing program, loaded now if it was not yet.
    ///
    /// # Errors
    /// It is not in the object, or the kernel refuses it.
    pub(super) fn heal(&mut self) -> Result<ProgramFd, HealError> {
        let program = names::HEAL_PROGRAM;
        let found: &mut SocketFilter = self
            .ebpf
            .program_mut(program)
            .and_then(|found| found.try_into().ok())
            .ok_or(ProgramLoadError::Missing { program })?;
        if !self.heal_loaded {
            found.load().map_err(|source| ProgramLoadError::Refused { program, source })?;
            self.heal_loaded = true;
        }
        let loaded = found.fd().map_err(|source| ProgramLoadError::Refused { program, source })?;
        loaded.try_clone().map_err(HealError::Share)
    }

    /// The whole object, for the reader of its log.
    pub(super) const fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// Name and tag of the XDP entry that runs.
    pub(super) fn identity(&mut self) -> (&'static str, Option<String>) {
        let tag = self.xdp().ok().and_then(|xdp| xdp.info().ok()).map(|info| format!("{:016x}", info.tag()));
        (self.xdp, tag)
    }
}

/// The kernel driver of a network device, where sysfs tells.
pub(super) fn driver_of(interface: &str) -> Option<String> {
    // A name with a separator would lead elsewhere; the kernel gives none.
    let target = std::fs::read_link(Path::new("/sys/class/net").join(interface).join("device/driver")).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}
