//! The kernel side of the agent: loads the program, feeds its maps, attaches it to interfaces, reads its counters.
//!
//! Everything follows one pattern: observe what the kernel has, plan the difference (pure), apply it, report. What the
//! agent puts into the kernel is pinned, so it goes on working without the agent and the next one takes it over.

mod attach;
mod batch;
mod counters;
mod events;
mod healer;
mod inspect;
mod lease;
mod live;
mod load;
mod logs;
mod maps;
mod object;
mod pins;
mod readable;
mod roles;
mod syscall;
mod tables;

use std::{io, path::PathBuf};

use arpeggio_common::abi::{Action, Lease};
use aya::{EbpfError, maps::MapError};

pub use attach::{Attachment, Attachments, Foreign, KernelFacts, Steps, VETH_REASON, explain, plan_steps};
pub use counters::{CountersError, Sighted};
pub(crate) use counters::{newest, wide_key};
pub use events::{Events, EventsError};
pub use healer::{HealError, Healer, StrayPlace, stray_source};
pub use inspect::{InspectError, Inspection, PinnedProgram, inspect};
pub use lease::LeaseError;
pub use live::{EventQueue, Live};
pub use load::ProgramLoadError;
pub use logs::{LogsError, ProgramLog};
pub use maps::{Maps, MapsError};
pub use object::{OBJECT, ObjectError};
pub use pins::{CleanupReport, Fit, MapShape, PinDir, PinsError, Remains, Sweep, cleanup, compare, is_bpffs};
pub(crate) use roles::ENTRIES_AT_ONCE;
pub use roles::{HeldRoles, Roles};
pub use tables::{Entries, Place, Plan, TableError, Write, plan, taken};

pub use crate::clock::monotonic_ns;
use crate::decide::Desired;

/// How to load the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The parent of `v1`, on a bpffs. `None`: nothing is pinned and everything ends with the agent.
    pub pin_dir: Option<PathBuf>,
    /// Entries that the address maps hold together, each counted once per interface.
    pub capacity: u32,
    /// What the program logs, as `aya_log::Level` counts: 0 nothing, 1 errors … 5 everything. At 0 the verifier removes
    /// the calls.
    pub log_level: u8,
}

/// The program cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The process lacks capabilities, or the machine forbids BPF.
    #[error(
        "this process may not load BPF programs; give it CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON or run it as root to answer in \
         the kernel"
    )]
    NotPermitted {
        #[expect(missing_docs, reason = "the cause")]
        source: io::Error,
    },
    /// The kernel was built without BPF.
    #[error("this kernel was built without bpf(2) (CONFIG_BPF_SYSCALL)")]
    NotSupported {
        #[expect(missing_docs, reason = "the cause")]
        source: io::Error,
    },
    /// A map of four bytes could not be made.
    #[error("cannot make a BPF map")]
    Probe {
        #[expect(missing_docs, reason = "the cause")]
        source: MapError,
    },
    /// Something is wrong with the pin directory or with what is pinned there.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// The embedded object is broken.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The loader failed.
    #[error("cannot load the BPF object")]
    Load {
        #[expect(missing_docs, reason = "the cause")]
        source: EbpfError,
    },
    /// A map of the object cannot be used.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// A program of the object cannot be loaded.
    #[error(transparent)]
    Program(#[from] ProgramLoadError),
}

impl OpenError {
    /// Whether there is no BPF to be had here, or no BPF file system on which it could outlive the agent: then every interface
    /// has to be served by a raw socket. Any other error is something that the operator has to put right.
    pub const fn bpf_is_unavailable(&self) -> bool {
        matches!(self, Self::NotPermitted { .. } | Self::NotSupported { .. } | Self::Pins(PinsError::NotBpffs { .. }))
    }
}

/// What a round did.
#[derive(Debug, Default)]
pub struct Applied {
    /// How every wanted interface is served.
    pub attachments: Attachments,
    /// Entries written.
    pub written: usize,
    /// Entries removed.
    pub removed: usize,
    /// Addresses that this node answers for now and did not before, or with another MAC: announce them.
    pub taken: Vec<Place>,
    /// The address maps as they are now.
    pub entries: Entries,
    /// What did not work out; the rest was done, and the next round tries again.
    pub errors: Vec<TableError>,
}

/// The loaded program and its maps. Dropping it leaves what is pinned in the kernel.
pub struct Dataplane {
    // Before the programs: a link that is not pinned goes first.
    carrier: attach::Carrier,
    programs: load::Programs,
    maps: Maps,
    roles: Roles,
    /// What the address maps held when they were last read or written.
    known: Entries,
    /// They may hold something else: they are to be read.
    doubted: bool,
}

impl Dataplane {
    /// Makes the maps, and loads the programs that are needed now. Pinned maps are reused or, when only their capacity differs, replaced with their entries kept;
    /// pinned links run the new program when this returns. Entries and lease stay as they were.
    ///
    /// # Errors
    /// See [`OpenError`]. Nothing that ran before stops because of an error here.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        load::probe()?;
        let wanted = object::shapes(OBJECT, options.capacity)?;
        let pins = options.pin_dir.as_deref().map(PinDir::new);
        let survey = match &pins {
            Some(pins) => {
                pins.prepare()?;
                pins::survey(pins, &wanted)?
            }
            None => pins::Survey::default(),
        };
        let opened = Self::load_and_adopt(options, pins.as_ref(), &survey);
        match (&opened, &pins) {
            (Err(_), Some(pins)) => survey.abandon(pins),
            (Ok(_), Some(pins)) => pins.name_remains(),
            (_, None) => {}
        }
        opened
    }

    fn load_and_adopt(options: &Options, pins: Option<&PinDir>, survey: &pins::Survey) -> Result<Self, OpenError> {
        let (mut programs, mut maps) = load::load(options, pins, &survey.staged)?;
        let mut carrier = attach::Carrier::new(pins.cloned(), attach::kernel_facts());
        if let Some(pins) = pins {
            pins::copy_entries(pins, survey, &mut maps)?;
            // Else what answers now goes on, with the maps that it has, until there are entries for the new program.
            if survey.is_continuous() {
                carrier.adopt(&mut programs)?;
            }
            survey.commit(pins)?;
            programs.remove_others();
        }
        Ok(Self { carrier, programs, maps, roles: Roles::default(), known: Entries::new(), doubted: true })
    }

    /// From now on entries say what these roles say, where there is one.
    pub fn follow_roles(&mut self, roles: Roles) {
        self.roles = roles;
    }

    /// The next [`Self::apply`] reads what the address maps hold: somebody may have changed them by hand.
    pub fn distrust(&mut self) {
        self.doubted = true;
    }

    /// Makes the kernel be as wanted: entries first, so that an interface answers from its first frame on, then the
    /// program on every interface. The address maps are only read where they are not known (see [`Self::distrust`]).
    pub fn apply(&mut self, desired: &Desired) -> Applied {
        let mut applied = Applied::default();
        let (before, failure) = self.present();
        applied.errors.extend(failure);
        let vips = self.roles.applied_to(desired).vips;
        let plan = plan(&before, &vips, self.maps.capacity());
        let mut after = before.clone();
        let report = tables::apply(&mut self.maps, &plan, &mut after, &self.roles);
        applied.written = report.written;
        applied.removed = report.removed;
        applied.taken = taken(&before, &after);
        // What could not be written may be there in another form.
        self.doubted |= !report.errors.is_empty();
        self.known = after.clone();
        applied.errors.extend(report.errors);
        applied.entries = after;
        if !self.carrier.has_adopted()
            && let Err(error) = self.carrier.adopt(&mut self.programs)
        {
            tracing::warn!(%error, "the links of an earlier agent cannot be taken over; the next round tries again");
        }
        applied.attachments = self.carrier.reconcile(&mut self.programs, &desired.interfaces);
        applied
    }

    /// What the address maps hold. They are read where they are doubted; when that fails, what was known stays known: to take
    /// a map that cannot be read for an empty one would drop every address at once.
    fn present(&mut self) -> (Entries, Option<TableError>) {
        let failure = match self.doubted.then(|| tables::observe(&self.maps)) {
            Some(Ok(entries)) => {
                self.doubted = false;
                return (entries, None);
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        // What the succession wrote since is in the roles.
        let mut known = self.known.clone();
        self.roles.written_to(&mut known);
        (known, failure)
    }

    /// Handles of its own to the maps, for whoever works beside this one and shares its roles.
    ///
    /// # Errors
    /// A descriptor cannot be duplicated.
    pub fn live(&self) -> Result<Live, MapsError> {
        Live::new(&self.maps)
    }

    /// The events, for a thread that waits itself.
    ///
    /// # Errors
    /// The ring buffer cannot be mapped.
    pub fn event_queue(&self) -> Result<EventQueue, MapsError> {
        EventQueue::new(&self.maps)
    }

    /// Allows the program to answer until the end of the lease (see [`monotonic_ns`]), in the name of its node.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn renew(&mut self, lease: Lease) -> Result<(), LeaseError> {
        lease::set(&mut self.maps, lease)
    }

    /// Stops answering at once: ends the lease, then removes every entry that answers. Program and maps stay.
    ///
    /// # Errors
    /// The lease cannot be ended. Entries that could not be removed are in the result.
    pub fn withdraw(&mut self) -> Result<Applied, LeaseError> {
        lease::clear(&mut self.maps)?;
        let mut applied = Applied::default();
        self.doubted = true;
        let (mut entries, failure) = self.present();
        applied.errors.extend(failure);
        let answers = entries.iter().filter(|(_, vip)| vip.action() == Some(Action::Answer));
        let plan = Plan { remove: answers.map(|(place, _)| *place).collect(), ..Plan::default() };
        let report = tables::apply(&mut self.maps, &plan, &mut entries, &self.roles);
        applied.removed = report.removed;
        applied.errors.extend(report.errors);
        self.known = entries;
        self.doubted = true;
        Ok(applied)
    }

    /// The maps: what they say now.
    pub const fn maps(&self) -> &Maps {
        &self.maps
    }

    /// The healing program, loaded at the first call, watching nothing yet.
    ///
    /// # Errors
    /// The kernel refuses the program, or the process has no descriptors left.
    pub fn healer(&mut self) -> Result<Healer, HealError> {
        Ok(Healer::new(self.programs.heal()?, self.maps.duplicate()?.strays))
    }

    /// A reader of the events; needs a tokio runtime. There is one queue for all readers.
    ///
    /// # Errors
    /// The ring buffer cannot be mapped or waited for.
    pub fn events(&self) -> Result<Events, EventsError> {
        Events::new(self.maps.events().map_err(EventsError::Map)?)
    }

    /// The reader of the program's log; needs a tokio runtime, and a log level above 0 at [`Self::open`] to say anything.
    ///
    /// # Errors
    /// It was taken already, or cannot be waited for.
    pub fn program_log(&mut self) -> Result<ProgramLog, LogsError> {
        ProgramLog::new(&mut self.programs)
    }
}
