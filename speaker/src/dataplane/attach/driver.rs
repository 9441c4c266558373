//! The links of this agent: which interface has one, whether it is still there, and when to let go.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use aya::programs::{ProgramError, SchedClassifier, TcAttachType, links::FdLink};
use nix::errno::Errno;

use super::{
    Attachment, Attachments, Foreign, KernelFacts,
    adopt::Leftovers,
    climb::Climb,
    observe::{self, LinkFacts, Links},
    order,
};
use crate::{
    dataplane::{load::Programs, pins::PinDir},
    decide::{AttachMode, DesiredInterface},
    world::{AttachPolicy, LinkKind},
};

/// A program that is attached. Dropping it detaches the program unless it is pinned.
pub(super) struct Held {
    pub(super) mode: AttachMode,
    pub(super) link_id: u32,
    pub(super) pin: Option<PathBuf>,
    /// What the kernel said about the link last.
    pub(super) seen: Option<LinkFacts>,
    /// Keeps the link alive where it is not pinned, and visible in fdinfo where it is.
    pub(super) link: FdLink,
}

/// What the ladder is planned from.
#[derive(PartialEq, Eq)]
pub(super) struct Wish {
    policy: AttachPolicy,
    kind: LinkKind,
    carries_vlans: bool,
}

/// What was settled for one interface.
#[derive(Default)]
pub(super) struct Settled {
    /// For which wish; `None` where nothing was decided yet, or something will work the next time.
    pub(super) wish: Option<Wish>,
    pub(super) mode: Option<AttachMode>,
    pub(super) steps_down: Vec<(AttachMode, String)>,
    pub(super) held: Option<Held>,
    /// Who stood before our program when that was known last.
    pub(super) behind: Vec<Foreign>,
}

/// All links of this agent.
pub(in crate::dataplane) struct Carrier {
    pub(super) pins: Option<PinDir>,
    facts: KernelFacts,
    pub(super) interfaces: BTreeMap<u32, Settled>,
    pub(super) leftovers: Leftovers,
    pub(super) has_adopted: bool,
}

impl Carrier {
    pub(in crate::dataplane) fn new(pins: Option<PinDir>, facts: KernelFacts) -> Self {
        let has_adopted = pins.is_none();
        Self { pins, facts, interfaces: BTreeMap::new(), leftovers: Leftovers::default(), has_adopted }
    }

    /// Gives every wanted interface the program in the best way that works, and takes it from all others.
    pub(in crate::dataplane) fn reconcile(
        &mut self,
        programs: &mut Programs,
        wanted: &BTreeMap<u32, DesiredInterface>,
    ) -> Attachments {
        let links = look();
        self.forget_unwanted(wanted);
        for (ifindex, interface) in wanted {
            let settled = self.interfaces.entry(*ifindex).or_default();
            if let Some(held) = settled.held.take_if(|held| !is_attached(links.as_ref(), held.link_id, *ifindex)) {
                tracing::info!(ifindex, interface = interface.name, "the program was detached by other hands");
                let_go(held);
                settled.wish = None;
            }
            if settled.needs_work(interface) {
                let pins = self.pins.as_ref();
                let leftovers = &mut self.leftovers;
                Climb { programs, pins, leftovers, ifindex: *ifindex, interface, again: false }
                    .run(settled, self.facts);
            }
        }
        let still_needed = |ifindex| {
            let settled = self.interfaces.get(&ifindex);
            wanted.contains_key(&ifindex) && settled.is_none_or(|settled| settled.held.is_none())
        };
        if self.leftovers.let_go_unless(still_needed)
            && let Some(pins) = &self.pins
        {
            pins.tidy_aside();
        }
        self.report(wanted)
    }

    /// Interfaces that vanished or are no longer wanted.
    fn forget_unwanted(&mut self, wanted: &BTreeMap<u32, DesiredInterface>) {
        let gone: Vec<u32> = self.interfaces.keys().filter(|ifindex| !wanted.contains_key(ifindex)).copied().collect();
        for ifindex in gone {
            if let Some(held) = self.interfaces.remove(&ifindex).and_then(|settled| settled.held) {
                let_go(held);
            }
        }
    }

    /// How things are; what cannot be told is as it was.
    fn report(&mut self, wanted: &BTreeMap<u32, DesiredInterface>) -> Attachments {
        let links = look();
        let mut attachments = Attachments::new();
        for (ifindex, interface) in wanted {
            let Some(settled) = self.interfaces.get_mut(ifindex) else { continue };
            settled.look_closer(links.as_ref(), *ifindex, &interface.name);
            let facts = settled.held.as_ref().and_then(|held| held.seen.as_ref());
            let attachment = Attachment {
                mode: settled.mode,
                steps_down: settled.steps_down.clone(),
                program_id: facts.map(|facts| facts.program_id),
                program_tag: facts.map(|facts| facts.program_tag.clone()),
                behind: settled.behind.clone(),
            };
            attachments.insert(*ifindex, attachment);
        }
        attachments
    }
}

impl Settled {
    /// Whether the ladder has to be climbed: for a new wish, and again and again where the last climb ended without BPF.
    fn needs_work(&self, interface: &DesiredInterface) -> bool {
        let content = self.held.is_some() || interface.policy == AttachPolicy::User;
        self.wish != Some(Wish::of(interface)) || !content
    }

    fn look_closer(&mut self, links: Option<&Links>, ifindex: u32, interface: &str) {
        let Some(held) = &mut self.held else {
            self.behind.clear();
            return;
        };
        if let Some(facts) = links.and_then(|links| links.get(&held.link_id)) {
            held.seen = Some(facts.clone());
        }
        let behind = if held.mode == AttachMode::Tcx {
            order::before(ifindex, interface, held.link_id)
        } else {
            Some(Vec::new())
        };
        self.behind = behind.unwrap_or_else(|| std::mem::take(&mut self.behind));
    }
}

impl Wish {
    pub(super) fn of(interface: &DesiredInterface) -> Self {
        let DesiredInterface { policy, kind, carries_vlans, .. } = interface;
        Self { policy: *policy, kind: kind.clone(), carries_vlans: *carries_vlans }
    }
}

/// The links of this process; `None`: cannot tell.
fn look() -> Option<Links> {
    observe::links()
        .inspect_err(|error| {
            tracing::warn!(%error, "cannot look at the links of this process; what is attached is taken to be so still");
        })
        .ok()
}

/// Whether a link is where it was put. Where that cannot be told it is: to attach again would take the program away first.
fn is_attached(links: Option<&Links>, link_id: u32, ifindex: u32) -> bool {
    links.is_none_or(|links| links.get(&link_id).is_some_and(|facts| facts.ifindex == ifindex))
}

/// Detaches: the kernel lets go of a link with its last reference, the pin or our descriptor.
pub(super) fn let_go(held: Held) {
    if let Some(path) = &held.pin {
        remove_pin(path);
    }
    drop(held.link);
}

pub(super) fn remove_pin(path: &std::path::Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "cannot remove the pin of a link"),
    }
}

/// Asks the kernel for its tcx hook instead of guessing from the version: distributions carry it back.
pub(in crate::dataplane) fn kernel_facts() -> KernelFacts {
    let tcx = match SchedClassifier::query_tcx("lo", TcAttachType::Ingress) {
        Ok(_) => true,
        // Everything but "no such attach type", for example "you may not look at the programs that are there".
        Err(ProgramError::SyscallError(error)) => error.io_error.raw_os_error() != Some(Errno::EINVAL as i32),
        Err(_) => true,
    };
    KernelFacts { tcx }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_look_takes_nothing_away() {
        let facts = |ifindex| LinkFacts { kind: "tcx".into(), ifindex, program_id: 7, program_tag: "d1".into() };
        let links = Links::from([(70, facts(3)), (80, facts(0))]);
        assert!(is_attached(Some(&links), 70, 3));
        assert!(!is_attached(Some(&links), 80, 3), "the kernel says that it was detached");
        assert!(!is_attached(Some(&links), 90, 3), "the kernel does not have it");
        assert!(is_attached(None, 70, 3) && is_attached(None, 90, 3), "the kernel says nothing");
    }
}
