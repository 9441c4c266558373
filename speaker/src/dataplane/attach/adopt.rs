//! Links that earlier agents pinned: taken over where that is possible, kept alive until ours is in their place where not.

use std::{fs, os::fd::AsFd as _, path::Path};

use aya::programs::{
    links::{FdLink, PinnedLink},
    tc::SchedClassifierLink,
    xdp::XdpLink,
};

use super::{
    AttachError,
    driver::{Carrier, Held, let_go, remove_pin},
    observe::{self, LinkFacts, Object},
};
use crate::{
    dataplane::{
        load::Programs,
        pins::{PinDir, PinnedLinkPath, PinsError, retire},
        syscall::open_pin,
    },
    decide::AttachMode,
};

/// Why a pin is not taken over.
enum Refusal {
    /// Its interface is gone.
    Gone,
    /// It is no link of an interface.
    Foreign,
    /// Its program may still run, on this interface.
    Stuck(u32, AttachError),
}

/// Links of earlier agents that could not be taken over. Their programs answer until ours is attached in their place.
#[derive(Default)]
pub(super) struct Leftovers(Vec<PinnedLinkPath>);

impl Leftovers {
    /// Detaches what keeps XDP of ours from an interface; whether there was something. The kernel may take a moment.
    pub(super) fn make_room(&mut self, ifindex: u32) -> bool {
        let is_in_the_way = |pin: &PinnedLinkPath| pin.ifindex == ifindex && pin.mode != AttachMode::Tcx;
        self.remove(is_in_the_way)
    }

    /// Detaches what nobody needs any more; whether there was something.
    pub(super) fn let_go_unless(&mut self, is_needed: impl Fn(u32) -> bool) -> bool {
        self.remove(|pin| !is_needed(pin.ifindex))
    }

    fn remove(&mut self, goes: impl Fn(&PinnedLinkPath) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|pin| {
            let goes = goes(pin);
            if goes {
                remove_pin(&pin.path);
            }
            !goes
        });
        before != self.0.len()
    }
}

impl Carrier {
    /// Whether [`Self::adopt`] has done its work.
    pub(in crate::dataplane) const fn has_adopted(&self) -> bool {
        self.has_adopted
    }

    /// Takes over the links that earlier agents pinned, in whatever layout: each one runs this agent's program afterwards,
    /// replaced atomically, and stays the same link. Then the directories of other layouts go.
    ///
    /// # Errors
    /// The directories of the links cannot be read.
    pub(in crate::dataplane) fn adopt(&mut self, programs: &mut Programs) -> Result<(), PinsError> {
        let Some(pins) = self.pins.clone() else { return Ok(()) };
        self.leftovers = Leftovers(pins.links_aside()?);
        let others = pins.other_layouts()?;
        for pin in pins.every_link(&others)? {
            match take_over(programs, &pin) {
                Ok(held) => self.keep(&pins, pin.ifindex, held),
                Err(refusal) => self.refuse(&pins, pin, refusal),
            }
        }
        for layout in others {
            tracing::info!(layout = %layout.display(), "the links of another layout were taken over");
            retire(&layout)?;
        }
        self.has_adopted = true;
        Ok(())
    }

    /// Two links of one interface: an earlier agent died between attaching the new and dropping the old, or two layouts have
    /// one each. The better one, and that of our own layout, was found first.
    fn keep(&mut self, pins: &PinDir, ifindex: u32, mut held: Held) {
        let settled = self.interfaces.entry(ifindex).or_default();
        if settled.held.is_some() {
            return let_go(held);
        }
        let home = pins.link(held.mode, ifindex);
        if let Some(pin) = held.pin.as_mut().filter(|pin| **pin != home) {
            match fs::rename(&*pin, &home) {
                Ok(()) => *pin = home,
                Err(error) => tracing::warn!(pin = %pin.display(), %error, "a link stays pinned in another layout"),
            }
        }
        settled.held = Some(held);
    }

    fn refuse(&mut self, pins: &PinDir, pin: PinnedLinkPath, refusal: Refusal) {
        let path = pin.path.display().to_string();
        match refusal {
            Refusal::Gone => {
                tracing::info!(path, "the interface of a pinned link is gone");
                remove_pin(&pin.path);
            }
            Refusal::Foreign => match pins.put_aside_foreign(&pin.path) {
                Ok(aside) => tracing::warn!(path, aside = %aside.display(), "something that is no link was put aside"),
                Err(error) => tracing::warn!(%error, "something that is no link has the name of one"),
            },
            Refusal::Stuck(ifindex, error) => {
                tracing::warn!(path, %error, "a pinned link cannot be taken over; it goes when another one is in its place");
                // Its name is needed.
                let aside = pins.put_aside(&pin.path).unwrap_or_else(|_| pin.path.clone());
                self.leftovers.0.push(PinnedLinkPath { ifindex, path: aside, ..pin });
            }
        }
    }
}

/// Opens a pinned link, checks that it is what its name says, and makes it run this agent's program.
fn take_over(programs: &mut Programs, pin: &PinnedLinkPath) -> Result<Held, Refusal> {
    let seen = match open_pin(&pin.path).and_then(|descriptor| observe::object(descriptor.as_fd())) {
        Ok(Object::Link(facts)) if facts.ifindex == 0 => return Err(Refusal::Gone),
        Ok(Object::Link(facts)) if facts.ifindex != pin.ifindex => {
            return Err(Refusal::Stuck(facts.ifindex, AttachError::Gone));
        }
        Ok(Object::Link(facts)) => Some(facts),
        Ok(Object::Map | Object::Other) => return Err(Refusal::Foreign),
        // Cannot tell; whoever tries will see.
        Err(_) => None,
    };
    run_ours(programs, pin.mode, &pin.path, seen).map_err(|error| Refusal::Stuck(pin.ifindex, error))
}

fn run_ours(
    programs: &mut Programs,
    mode: AttachMode,
    path: &Path,
    seen: Option<LinkFacts>,
) -> Result<Held, AttachError> {
    let link = FdLink::from(PinnedLink::from_pin(path)?);
    let link_id = link.info()?.id();
    let link = match mode {
        AttachMode::Native | AttachMode::Generic => {
            let link = XdpLink::try_from(link)?;
            let xdp = programs.xdp()?;
            let id = xdp.attach_to_link(link)?;
            FdLink::try_from(xdp.take_link(id)?)?
        }
        AttachMode::Tcx | AttachMode::User => {
            let link = SchedClassifierLink::try_from(link)?;
            let tc = programs.tc()?;
            let id = tc.attach_to_link(link)?;
            FdLink::try_from(tc.take_link(id)?)?
        }
    };
    // Not pinned again: the pin names the link, and the link stayed the same.
    Ok(Held { mode, link_id, pin: Some(path.to_owned()), seen, link })
}
