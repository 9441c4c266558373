//! Loads the object into the kernel: maps by their pins where there are any, programs when they are needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io,
    path::{Path, PathBuf},
};

use arpeggio_common::abi::names;
use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, MapData, MapError},
    pin::PinError,
    programs::{Program, ProgramError, ProgramFd, SchedClassifier, SocketFilter, Xdp},
};
use aya_obj::programs::XdpAttachType;
use nix::errno::Errno;

use super::{
    HealError, OpenError, Options,
    maps::Maps,
    object::{OBJECT, SIZED},
    pins::{Identity, PinDir},
};

/// The programs, each loaded when it is needed first: the verifier follows a quarter of a million instructions of each entry, about
/// a second of a slow processor. Dropping it lets go of every link that is not pinned.
pub(super) struct Programs {
    ebpf: Ebpf,
    /// The XDP entry that this kernel loads.
    xdp: &'static str,
    tried: BTreeMap<&'static str, Tried>,
    /// Where they are pinned for the next agent; `None`: they are not.
    shelf: Option<Shelf>,
    /// Those that an earlier agent of the same build pinned, with the maps that are ours now.
    found_xdp: Option<Xdp>,
    found_tc: Option<SchedClassifier>,
}

/// Where programs are pinned, and what those of this agent are made of.
struct Shelf {
    pins: PinDir,
    identity: Identity,
}

/// What became of loading a program.
enum Tried {
    Loaded,
    /// Why not. It is not tried again: the kernel would follow every instruction once more, and say the same.
    Refused(String),
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
    #[error("the kernel refused to load the program {program}: {why}")]
    Refused {
        /// Which program.
        program: &'static str,
        /// What the kernel says.
        why: String,
    },
    /// It is loaded and cannot be shared.
    #[error("cannot use the loaded program {program}")]
    Unusable {
        /// Which program.
        program: &'static str,
        #[expect(missing_docs, reason = "the cause")]
        source: ProgramError,
    },
}

/// Capabilities that loading takes, for messages.
const CAPABILITIES: &str = "loading takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";

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

/// Makes or finds the maps; programs are loaded when they are needed. `staged` maps are pinned under their temporary names.
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
    // A program that logs does so into a map of its own agent.
    let shelf = pins.filter(|_| options.log_level == 0).and_then(|pins| Shelf::of(pins, staged));
    let xdp_of = |shelf: &Shelf, name| shelf.find(name, |path| Xdp::from_pin(path, XdpAttachType::Interface));
    let either_xdp = [names::XDP_FRAGS_PROGRAM, names::XDP_PROGRAM];
    let mut programs = Programs {
        ebpf,
        xdp: names::XDP_FRAGS_PROGRAM,
        tried: BTreeMap::new(),
        found_xdp: shelf.as_ref().and_then(|shelf| either_xdp.into_iter().find_map(|name| xdp_of(shelf, name))),
        found_tc: shelf.as_ref().and_then(|shelf| shelf.find(names::TC_PROGRAM, SchedClassifier::from_pin)),
        shelf,
    };
    if options.log_level > 0 {
        // The reader of the log takes its map away, and with it the descriptor that a later load would need.
        programs.xdp()?;
        programs.tc()?;
    }
    Ok((programs, maps))
}

fn refused(source: EbpfError) -> OpenError {
    unavailable(&source).unwrap_or(OpenError::Load { source })
}

/// The program of this name, as what it has to be.
fn part_of<'a, P>(ebpf: &'a mut Ebpf, program: &'static str) -> Result<&'a mut P, ProgramLoadError>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    let found = ebpf.program_mut(program).and_then(|found| found.try_into().ok());
    found.ok_or(ProgramLoadError::Missing { program })
}

/// What the kernel says about a program that it does not load, and for lack of permission what helps.
fn refusal(error: &ProgramError) -> String {
    match errno_of(error) {
        Some(errno @ (Errno::EPERM | Errno::EACCES)) => format!("{}; {CAPABILITIES}", errno.desc()),
        Some(errno) => errno.desc().to_owned(),
        None => error.to_string(),
    }
}

impl Programs {
    /// The XDP entry, loaded now if it was neither pinned nor loaded: that for multi-buffer frames, or where the kernel does not know those
    /// (before 5.18) the plain one.
    ///
    /// # Errors
    /// It is not in the object, or the kernel refuses it.
    pub(super) fn xdp(&mut self) -> Result<&mut Xdp, ProgramLoadError> {
        if self.found_xdp.is_none() {
            self.load_either_xdp()?;
        }
        match &mut self.found_xdp {
            Some(found) => Ok(found),
            None => part_of(&mut self.ebpf, self.xdp),
        }
    }

    fn load_either_xdp(&mut self) -> Result<(), ProgramLoadError> {
        let plain = names::XDP_PROGRAM;
        let Err(first) = self.load_xdp(self.xdp) else { return Ok(()) };
        if self.xdp != plain && self.load_xdp(plain).is_ok() {
            tracing::info!(error = %first, "this kernel loads no XDP program for multi-buffer frames; using the plain one");
            self.xdp = plain;
        }
        self.load_xdp(self.xdp)
    }

    fn load_xdp(&mut self, program: &'static str) -> Result<(), ProgramLoadError> {
        let found: &mut Xdp = part_of(&mut self.ebpf, program)?;
        once(&mut self.tried, program, || {
            found.load()?;
            keep(self.shelf.as_ref(), program, |path| found.pin(path));
            Ok(())
        })
    }

    /// The tc entry, loaded now if it was neither pinned nor loaded.
    ///
    /// # Errors
    /// It is not in the object, or the kernel refuses it.
    pub(super) fn tc(&mut self) -> Result<&mut SchedClassifier, ProgramLoadError> {
        let program = names::TC_PROGRAM;
        if let Some(found) = &mut self.found_tc {
            return Ok(found);
        }
        let found: &mut SchedClassifier = part_of(&mut self.ebpf, program)?;
        once(&mut self.tried, program, || {
            found.load()?;
            keep(self.shelf.as_ref(), program, |path| found.pin(path));
            Ok(())
        })?;
        Ok(found)
    }

    /// The healing program, loaded now if it was not yet.
    ///
    /// # Errors
    /// It is not in the object, or the kernel refuses it.
    pub(super) fn heal(&mut self) -> Result<ProgramFd, HealError> {
        let program = names::HEAL_PROGRAM;
        let found: &mut SocketFilter = part_of(&mut self.ebpf, program)?;
        once(&mut self.tried, program, || found.load())?;
        let loaded = found.fd().map_err(|source| ProgramLoadError::Unusable { program, source })?;
        loaded.try_clone().map_err(HealError::Share)
    }

    /// Removes the pins of programs that earlier agents left and this one has no use for.
    pub(super) fn remove_others(&self) {
        if let Some(Shelf { pins, identity }) = &self.shelf {
            pins.remove_other_programs(identity);
        }
    }

    /// The whole object, for the reader of its log.
    pub(super) const fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }
}

impl Shelf {
    fn of(pins: &PinDir, staged: &BTreeSet<&'static str>) -> Option<Self> {
        let pin = |map| if staged.contains(map) { pins.staged(map) } else { pins.map(map) };
        let maps = names::ALL.map(pin);
        match Identity::of(OBJECT, maps.iter().map(PathBuf::as_path)) {
            Ok(identity) => Some(Self { pins: pins.clone(), identity }),
            Err(error) => {
                tracing::warn!(%error, "programs are not pinned: the maps that they are for cannot be told");
                None
            }
        }
    }

    /// The program of an earlier agent that is the one that would be loaded now.
    fn find<P>(&self, program: &str, open: impl FnOnce(PathBuf) -> Result<P, ProgramError>) -> Option<P> {
        let path = self.pins.program(program, &self.identity);
        path.symlink_metadata().ok()?;
        open(path).inspect_err(|error| tracing::info!(program, %error, "a pinned program is loaded again")).ok()
    }
}

/// Pins a program that was loaded. Without its pin the next agent takes longer to start, that is all.
fn keep(shelf: Option<&Shelf>, program: &str, pin: impl FnOnce(&Path) -> Result<(), PinError>) {
    let Some(Shelf { pins, identity }) = shelf else { return };
    let path = pins.program(program, identity);
    // It could not be opened, else it would not have been loaded again.
    let _ = std::fs::remove_file(&path);
    if let Err(error) = pin(&path) {
        tracing::info!(program, path = %path.display(), %error, "a program cannot be pinned");
    }
}

/// Loads a program unless that was tried before.
fn once(
    tried: &mut BTreeMap<&'static str, Tried>,
    program: &'static str,
    load: impl FnOnce() -> Result<(), ProgramError>,
) -> Result<(), ProgramLoadError> {
    let outcome = tried.entry(program).or_insert_with(|| match load() {
        Ok(()) => Tried::Loaded,
        Err(error) => {
            let error = refusal(&error);
            tracing::warn!(program, error, "the kernel refuses a program");
            Tried::Refused(error)
        }
    });
    match outcome {
        Tried::Loaded => Ok(()),
        Tried::Refused(why) => Err(ProgramLoadError::Refused { program, why: why.clone() }),
    }
}

/// The kernel driver of a network device, where sysfs tells.
pub(super) fn driver_of(interface: &str) -> Option<String> {
    // A name with a separator would lead elsewhere; the kernel gives none.
    let target = std::fs::read_link(Path::new("/sys/class/net").join(interface).join("device/driver")).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}
