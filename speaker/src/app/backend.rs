//! Who answers: the kernel program where it can be had, raw sockets of this process elsewhere. The rest of the agent sees
//! one thing that is told what should be and says what is.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use arpeggio_common::{
    abi::{Action, Client, Event, NodeId, Outcome, Sighting, Vip},
    program::with_causes,
};
use arpeggio_succession::{Orders, Role};

use super::{succession::Parts, user::UserSide};
use crate::{
    clock::monotonic_ns,
    dataplane::{Applied, Attachment, Dataplane, Maps, Options, Place, ProgramLog, Roles},
    decide::{AttachMode, Desired},
    frames::{ResponderLive, USER_MODE_REASON},
    status::{AttachmentFacts, EntryFacts},
};

/// What a round came to.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// How every wanted interface is served.
    pub(super) attachments: BTreeMap<u32, AttachmentFacts>,
    /// Entries written and removed.
    pub(super) changes: usize,
    /// What did not work out, in sentences; the next round tries again.
    pub(super) errors: Vec<String>,
    /// Where entries are in force now.
    pub(super) installed: BTreeSet<Place>,
}

impl Round {
    /// Whether something answers on the interface.
    pub(super) fn serves(&self, ifindex: u32) -> bool {
        self.attachments.get(&ifindex).is_some_and(|attachment| attachment.mode.is_some())
    }

    /// The orders as far as they can be followed: with the interfaces that are served, and the places that have an entry.
    /// Anything else would call clients to a node that stays silent.
    pub(super) fn feasible(&self, orders: &Arc<Orders>) -> Arc<Orders> {
        let serves = |(index, usable): (&u32, &bool)| !usable || self.serves(*index);
        // Nearly always everything is: then there is one copy.
        if orders.usable.iter().all(serves) && orders.places.keys().all(|place| self.installed.contains(place)) {
            return Arc::clone(orders);
        }
        let mut orders = Orders::clone(orders);
        for (index, usable) in &mut orders.usable {
            *usable &= self.serves(*index);
        }
        orders.places.retain(|place, _| self.installed.contains(place));
        Arc::new(orders)
    }

    /// Not even a raw socket serves this interface.
    fn give_up(&mut self, index: u32, error: String) {
        if let Some(attachment) = self.attachments.get_mut(&index) {
            attachment.mode = None;
            attachment.steps_down.push((AttachMode::User, error.clone()));
        }
        self.errors.push(error);
    }

    /// Why wanted entries are not in force.
    pub(super) fn failures(&self, desired: &Desired) -> BTreeMap<(u32, IpAddr), String> {
        let reason = || self.errors.first().cloned().unwrap_or_else(|| "the entry is not in the map".to_owned());
        let missing = desired.vips.keys().filter(|place| !self.installed.contains(place));
        missing.map(|place| (*place, reason())).collect()
    }
}

/// The kernel program, or why there is none, and the raw sockets.
pub(super) struct Backend {
    kernel: Result<Dataplane, String>,
    user: UserSide,
    roles: Roles,
}

impl Backend {
    /// Loads the program. Where BPF is not to be had, raw sockets answer everywhere.
    ///
    /// # Errors
    /// When the program cannot be loaded for a reason that the operator can put right.
    pub(super) fn open(options: &Options) -> Result<Self> {
        let kernel = match Dataplane::open(options) {
            Ok(dataplane) => Ok(dataplane),
            Err(error) if error.bpf_is_unavailable() => Err(with_causes(&error)),
            Err(error) => return Err(error).context("the kernel program cannot be loaded"),
        };
        let roles = Roles::default();
        let kernel = kernel.map(|mut dataplane| {
            dataplane.follow_roles(roles.clone());
            dataplane
        });
        Ok(Self { kernel, user: UserSide::new(options.capacity, roles.clone()), roles })
    }

    /// What the succession works with. What an agent before this one left answering stays so until the succession says
    /// otherwise, if the lease never ended.
    ///
    /// # Errors
    /// The maps cannot be reached or read.
    pub(super) fn succession_parts(&mut self, node: NodeId) -> Result<Parts> {
        let roles = self.roles.clone();
        let Ok(dataplane) = &mut self.kernel else {
            return Ok(Parts { node, kernel: None, healer: None, roles, adopted: BTreeSet::new() });
        };
        let reach = "the maps of the kernel program cannot be reached";
        let live = || dataplane.live().context(reach);
        let kernel = Some((live()?, live()?, dataplane.event_queue().context(reach)?));
        let healer = dataplane.healer().map_err(|error| {
            tracing::warn!("senders with the MAC of an old owner are not found: {}", with_causes(&error));
        });
        let mut adopted = BTreeSet::new();
        if !dataplane.maps().lease()?.is_over(monotonic_ns()) {
            let mut held = roles.hold();
            for (place, vip) in dataplane.maps().entries()? {
                if let Some(role) = Role::of(&vip).filter(|role| role.action == Action::Answer) {
                    held.set(place, role);
                    adopted.insert(place);
                }
            }
        }
        Ok(Parts { node, kernel, healer: healer.ok(), roles, adopted })
    }

    /// Who answers.
    pub(super) const fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The tables of the raw sockets, where there are any.
    pub(super) fn user(&self) -> Option<ResponderLive> {
        self.user.live()
    }

    /// The next round reads what is in the maps: somebody may have changed them by hand.
    pub(super) fn distrust(&mut self) {
        if let Ok(dataplane) = &mut self.kernel {
            dataplane.distrust();
        }
    }

    /// Why there is no kernel program.
    pub(super) fn without_kernel(&self) -> Option<&str> {
        self.kernel.as_ref().err().map(String::as_str)
    }

    /// Makes things be as wanted.
    pub(super) fn apply(&mut self, desired: &Desired) -> Round {
        let mut round = match &mut self.kernel {
            Ok(dataplane) => Round::from(dataplane.apply(desired)),
            Err(reason) => Round { attachments: all_user(desired, reason), ..Round::default() },
        };
        let served: BTreeSet<u32> = round
            .attachments
            .iter()
            .filter(|(_, attachment)| attachment.mode == Some(AttachMode::User))
            .map(|(index, _)| *index)
            .collect();
        for attachment in round.attachments.values_mut().filter(|attachment| attachment.mode == Some(AttachMode::User))
        {
            attachment.steps_down.push((AttachMode::User, USER_MODE_REASON.to_owned()));
        }
        match self.user.follow(desired, &served) {
            Ok(applied) => {
                round.changes += applied.written + applied.removed;
                round.installed.extend(self.user.installed());
                for (index, error) in &applied.failed {
                    round.give_up(*index, with_causes(error));
                }
            }
            Err(error) => served.iter().for_each(|index| round.give_up(*index, error.clone())),
        }
        round
    }

    /// Until when answering is allowed, monotonic nanoseconds.
    pub(super) fn lease_until_ns(&self) -> Option<u64> {
        match &self.kernel {
            Ok(dataplane) => dataplane.maps().lease().ok().map(|lease| lease.until_ns),
            Err(_) => Some(self.user.lease().until_ns),
        }
    }

    /// Stops answering at once.
    ///
    /// # Errors
    /// The lease cannot be ended.
    pub(super) fn withdraw(&mut self) -> Result<()> {
        self.user.withdraw();
        if let Ok(dataplane) = &mut self.kernel {
            dataplane.withdraw().context("the answers cannot be withdrawn")?;
        }
        Ok(())
    }

    /// The next event of the raw sockets. Cancel safe.
    pub(super) async fn user_event(&mut self) -> Option<Event> {
        self.user.event().await
    }

    /// The log of the kernel program; `None` without one.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn program_log(&mut self) -> Result<Option<ProgramLog>> {
        let log = self.kernel.as_mut().ok().map(Dataplane::program_log).transpose();
        log.context("the program's log cannot be read")
    }

    /// Every entry with its counters.
    ///
    /// # Errors
    /// A map cannot be read.
    pub(super) fn entries(&self) -> Result<BTreeMap<(u32, IpAddr), EntryFacts>> {
        let facts = self.user.entries();
        match &self.kernel {
            Ok(dataplane) => with_entries(facts, dataplane.maps()),
            Err(_) => Ok(facts),
        }
    }

    /// What raw sockets answer: entries with their counters, and how often a frame ended in which way.
    pub(super) fn in_user_space(&self) -> (BTreeMap<(u32, IpAddr), EntryFacts>, BTreeMap<Outcome, u64>) {
        (self.user.entries(), self.user.outcomes())
    }

    /// The maps once more, to be read by another thread; `None` without a kernel program.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub(super) fn maps_again(&self) -> Result<Option<Maps>> {
        let maps = self.kernel.as_ref().ok().map(|dataplane| dataplane.maps().duplicate()).transpose();
        maps.context("the maps cannot be opened once more")
    }

    /// How many entries there is room for.
    pub(super) fn capacity(&self) -> u32 {
        self.kernel.as_ref().map_or_else(|_| self.user.capacity(), |dataplane| dataplane.maps().capacity())
    }

    /// Who else was seen with our addresses.
    ///
    /// # Errors
    /// The map cannot be read.
    pub(super) fn sightings(&self) -> Result<BTreeMap<(u32, IpAddr), Sighting>> {
        let mut sightings = self.user.sightings();
        if let Ok(dataplane) = &self.kernel {
            sightings.extend(dataplane.maps().sightings()?);
        }
        Ok(sightings)
    }

    /// Who asked for an address, by interface index and own address. Takes microseconds for each client of the node.
    ///
    /// # Errors
    /// The map cannot be read.
    pub(super) fn clients_of(&self, address: IpAddr) -> Result<BTreeMap<(u32, IpAddr), Client>> {
        let mut clients = self.user.clients();
        if let Ok(dataplane) = &self.kernel {
            clients.extend(dataplane.maps().clients()?);
        }
        let of_address = |(((ifindex, vip), client), found)| (vip == address).then_some(((ifindex, client), found));
        Ok(clients.into_iter().filter_map(of_address).collect())
    }

    /// How often a frame ended in which way.
    ///
    /// # Errors
    /// The map cannot be read.
    pub(super) fn outcomes(&self) -> Result<BTreeMap<Outcome, u64>> {
        let outcomes = self.user.outcomes();
        match &self.kernel {
            Ok(dataplane) => with_outcomes(outcomes, dataplane.maps()),
            Err(_) => Ok(outcomes),
        }
    }
}

/// What raw sockets answer and what stands in the maps. Where a raw socket serves, its counters are the true ones.
///
/// # Errors
/// A map cannot be read.
pub(super) fn with_entries(mut facts: BTreeMap<Place, EntryFacts>, maps: &Maps) -> Result<BTreeMap<Place, EntryFacts>> {
    let entries = maps.entries()?;
    let stats = maps.stats(&entries.values().map(Vip::slot).collect())?;
    for (place, vip) in entries {
        let stats = stats.get(&vip.slot()).copied().unwrap_or_default();
        facts.entry(place).or_insert(EntryFacts { vip, stats });
    }
    Ok(facts)
}

/// How often a frame ended in which way, at raw sockets and in the program.
///
/// # Errors
/// The map cannot be read.
pub(super) fn with_outcomes(mut outcomes: BTreeMap<Outcome, u64>, maps: &Maps) -> Result<BTreeMap<Outcome, u64>> {
    for (outcome, count) in maps.outcomes()? {
        *outcomes.entry(outcome).or_default() += count;
    }
    Ok(outcomes)
}

fn all_user(desired: &Desired, reason: &str) -> BTreeMap<u32, AttachmentFacts> {
    let kernel_modes = AttachMode::LADDER.into_iter().filter(|mode| *mode != AttachMode::User);
    let steps_down = kernel_modes.map(|mode| (mode, reason.to_owned())).collect();
    let facts = AttachmentFacts { mode: Some(AttachMode::User), steps_down, behind: Vec::new() };
    desired.interfaces.keys().map(|index| (*index, facts.clone())).collect()
}

impl From<Applied> for Round {
    fn from(applied: Applied) -> Self {
        let facts = |Attachment { mode, steps_down, behind, .. }: Attachment| {
            let behind = behind.iter().map(ToString::to_string).collect();
            AttachmentFacts { mode, steps_down, behind }
        };
        let mut round = Self {
            attachments: applied
                .attachments
                .into_iter()
                .map(|(index, attachment)| (index, facts(attachment)))
                .collect(),
            changes: applied.written + applied.removed,
            ..Self::default()
        };
        round.errors = applied.errors.iter().map(|error| with_causes(error)).collect();
        let in_force = applied.entries.into_iter().filter(|(_, vip)| vip.action().is_some());
        round.installed = in_force.map(|(place, _)| place).collect();
        round
    }
}
