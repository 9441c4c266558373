//! The links of this agent: attach, pin, take over, replace, let go.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
    links::{FdLink, PinnedLink},
    tc::{SchedClassifierLink, TcAttachOptions},
    xdp::XdpLink,
};
use nix::errno::Errno;

use super::{
    AttachError, Attachment, Attachments, KernelFacts, explain,
    observe::{self, LinkFacts},
    plan_steps,
};
use crate::{
    dataplane::{
        load::{Programs, driver_of, errno_of},
        pins::{PinDir, PinsError},
    },
    decide::{AttachMode, DesiredInterface},
    world::{AttachPolicy, LinkKind},
};

/// A program that is attached. Dropping it detaches the program unless it is pinned.
struct Held {
    mode: AttachMode,
    link_id: u32,
    pin: Option<PathBuf>,
    /// Keeps the link alive where it is not pinned, and visible in fdinfo where it is.
    _link: FdLink,
}

/// What the ladder is planned from.
#[derive(PartialEq, Eq)]
struct Wish {
    policy: AttachPolicy,
    kind: LinkKind,
    carries_vlans: bool,
}

/// What was settled for one interface.
#[derive(Default)]
struct Settled {
    /// For which wish; `None` for a link of an earlier agent about which nothing was decided yet.
    wish: Option<Wish>,
    mode: Option<AttachMode>,
    steps_down: Vec<(AttachMode, String)>,
    held: Option<Held>,
}

/// All links of this agent.
pub(in crate::dataplane) struct Carrier {
    pins: Option<PinDir>,
    facts: KernelFacts,
    interfaces: BTreeMap<u32, Settled>,
}

impl Carrier {
    pub(in crate::dataplane) const fn new(pins: Option<PinDir>, facts: KernelFacts) -> Self {
        Self { pins, facts, interfaces: BTreeMap::new() }
    }

    /// Takes over the links that an earlier agent pinned: each one runs this agent's program afterwards, replaced
    /// atomically, and stays the same link. A link that cannot be taken over loses its pin, and with it its program.
    ///
    /// # Errors
    /// The directory of the links cannot be read.
    pub(in crate::dataplane) fn adopt(&mut self, programs: &mut Programs) -> Result<(), PinsError> {
        let Some(pins) = self.pins.clone() else { return Ok(()) };
        for (ifindex, mode) in pins.pinned_links()? {
            let path = pins.link(mode, ifindex);
            match take_over(programs, mode, ifindex, &path) {
                Ok(held) => {
                    let settled = self.interfaces.entry(ifindex).or_default();
                    // Two links of one interface: an earlier agent died between attaching the new and dropping the old.
                    // The better one was found first.
                    match settled.held {
                        None => settled.held = Some(held),
                        Some(_) => let_go(held),
                    }
                }
                Err(error) => {
                    tracing::info!(ifindex, ?mode, %error, "a pinned link is removed, it cannot be taken over");
                    remove_pin(&path);
                }
            }
        }
        Ok(())
    }

    /// Gives every wanted interface the program in the best way that works, and takes it from all others.
    pub(in crate::dataplane) fn reconcile(
        &mut self,
        programs: &mut Programs,
        wanted: &BTreeMap<u32, DesiredInterface>,
    ) -> Attachments {
        let links = observe::links().unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot look at the links of this process");
            BTreeMap::new()
        });
        self.forget_unwanted(wanted);
        for (ifindex, interface) in wanted {
            let settled = self.interfaces.entry(*ifindex).or_default();
            if let Some(held) = settled.held.take_if(|held| !alive(&links, held, *ifindex)) {
                tracing::info!(ifindex, interface = interface.name, "the program was detached by other hands");
                let_go(held);
                settled.wish = None;
            }
            if settled.needs_work(interface) {
                let mut climb = Climb { programs, pins: self.pins.as_ref(), ifindex: *ifindex, interface };
                climb.run(settled, self.facts);
            }
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

    fn report(&self, wanted: &BTreeMap<u32, DesiredInterface>) -> Attachments {
        let links = observe::links().unwrap_or_default();
        let describe = |settled: &Settled| {
            let facts = settled.held.as_ref().and_then(|held| links.get(&held.link_id));
            Attachment {
                mode: settled.mode,
                steps_down: settled.steps_down.clone(),
                program_id: facts.map(|facts| facts.program_id),
                program_tag: facts.map(|facts| facts.program_tag.clone()),
            }
        };
        let of_wanted = self.interfaces.iter().filter(|(ifindex, _)| wanted.contains_key(ifindex));
        of_wanted.map(|(ifindex, settled)| (*ifindex, describe(settled))).collect()
    }
}

impl Settled {
    /// Whether the ladder has to be climbed: for a new wish, and again and again where the last climb ended without BPF.
    fn needs_work(&self, interface: &DesiredInterface) -> bool {
        let content = self.held.is_some() || interface.policy == AttachPolicy::User;
        self.wish != Some(Wish::of(interface)) || !content
    }
}

impl Wish {
    fn of(interface: &DesiredInterface) -> Self {
        let DesiredInterface { policy, kind, carries_vlans, .. } = interface;
        Self { policy: *policy, kind: kind.clone(), carries_vlans: *carries_vlans }
    }
}

/// One climb of the ladder.
struct Climb<'a> {
    programs: &'a mut Programs,
    pins: Option<&'a PinDir>,
    ifindex: u32,
    interface: &'a DesiredInterface,
}

impl Climb<'_> {
    fn run(&mut self, settled: &mut Settled, facts: KernelFacts) {
        let DesiredInterface { name, policy, kind, carries_vlans, .. } = self.interface;
        let steps = plan_steps(*policy, kind, *carries_vlans, facts);
        let mut current = settled.held.take();
        // What answers now and is on the ladder is only replaced by something that can be attached beside it.
        let keep = current.as_ref().is_some_and(|held| steps.attempts.contains(&held.mode));
        let mut steps_down = steps.skipped;
        let mut chosen = None;
        for mode in steps.attempts {
            if mode == AttachMode::User {
                chosen = Some((mode, None));
                break;
            }
            if let Some(held) = current.take_if(|held| held.mode == mode) {
                chosen = Some((mode, Some(held)));
                break;
            }
            match self.step(mode, &mut current, keep) {
                Ok(held) => {
                    chosen = Some((mode, Some(held)));
                    break;
                }
                Err(reason) => steps_down.push((mode, reason)),
            }
        }
        // Only now: what was there answered while the new one was being attached.
        if let Some(held) = current {
            let_go(held);
        }
        // A way that is worse than the chosen one is no step down, whatever speaks against it.
        steps_down.retain(|(mode, _)| chosen.as_ref().is_none_or(|(chosen, _)| mode < chosen));
        steps_down.sort_unstable();
        if steps_down != settled.steps_down {
            for (mode, reason) in &steps_down {
                tracing::info!(interface = name, ?mode, reason, "not attached this way");
            }
        }
        let (mode, held) = chosen.map_or((None, None), |(mode, held)| (Some(mode), held));
        *settled = Settled { wish: Some(Wish::of(self.interface)), mode, steps_down, held };
    }

    /// Tries one way. Native and generic XDP exclude each other on a device: what is there stays if it may, since a working
    /// answer is worth more than a faster one, and goes first if it is not wanted.
    fn step(&mut self, mode: AttachMode, current: &mut Option<Held>, keep: bool) -> Result<Held, String> {
        let is_xdp = |mode| matches!(mode, AttachMode::Native | AttachMode::Generic);
        if is_xdp(mode)
            && let Some(held) = current.take_if(|held| is_xdp(held.mode))
        {
            if keep {
                let reason = format!("not tried while {:?} XDP from before answers; set attach to choose", held.mode);
                *current = Some(held);
                return Err(reason.to_lowercase());
            }
            let_go(held);
        }
        self.attach(mode).map_err(|error| self.reason(mode, &error))
    }

    fn reason(&self, mode: AttachMode, error: &AttachError) -> String {
        match (error, errno_of(error)) {
            (AttachError::Program(_), Some(errno)) => {
                let driver = driver_of(&self.interface.name)
                    .or_else(|| (self.interface.kind == LinkKind::Veth).then(|| "veth".to_owned()));
                explain(mode, errno, driver.as_deref())
            }
            (_, Some(errno)) => format!("{error}: {}", errno.desc()),
            (_, None) => error.to_string(),
        }
    }

    fn attach(&mut self, mode: AttachMode) -> Result<Held, AttachError> {
        let link = match mode {
            AttachMode::Native => attach_xdp(self.programs.xdp()?, self.ifindex, XdpMode::Driver)?,
            AttachMode::Generic => attach_xdp(self.programs.xdp()?, self.ifindex, XdpMode::Skb)?,
            AttachMode::Tcx | AttachMode::User => attach_tcx(self.programs.tc()?, self.ifindex)?,
        };
        let link_id = link.info()?.id();
        let Some(pins) = self.pins else { return Ok(Held { mode, link_id, pin: None, _link: link }) };
        let path = pins.link(mode, self.ifindex);
        let link = link.pin(&path).map_err(|source| AttachError::Pin { path: path.clone(), source })?;
        Ok(Held { mode, link_id, pin: Some(path), _link: link.into() })
    }
}

/// Attaches through a BPF link or not at all. Where the kernel answers EINVAL, aya attaches through netlink instead; such
/// an attachment is no link, and turning it into one makes aya forget it while it stays on the device. So the link is
/// looked for first, and without one aya is told to detach.
fn attach_xdp(xdp: &mut Xdp, ifindex: u32, mode: XdpMode) -> Result<FdLink, AttachError> {
    let id = xdp.attach_to_if_index(ifindex, mode)?;
    let program = xdp.info()?.id();
    let is_ours = |facts: &LinkFacts| facts.kind == "xdp" && facts.ifindex == ifindex && facts.program_id == program;
    match observe::links() {
        Ok(links) if links.values().any(is_ours) => Ok(FdLink::try_from(xdp.take_link(id)?)?),
        Ok(_) => {
            xdp.detach(id)?;
            Err(AttachError::NoLink)
        }
        Err(error) => {
            xdp.detach(id)?;
            Err(AttachError::Observe(error))
        }
    }
}

/// Attaches in front of every other tcx program, so that none of them can take the request away.
fn attach_tcx(tc: &mut SchedClassifier, ifindex: u32) -> Result<FdLink, AttachError> {
    // aya wants a name here; it is looked up now, since interfaces are renamed.
    let name = nix::net::if_::if_indextoname(ifindex).ok().and_then(|name| name.into_string().ok());
    let name = name.ok_or(AttachError::Gone)?;
    let order = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = tc.attach_with_options(&name, TcAttachType::Ingress, order)?;
    let link = FdLink::try_from(tc.take_link(id)?)?;
    let link_id = link.info()?.id();
    let links = observe::links().map_err(AttachError::Observe)?;
    match links.get(&link_id) {
        Some(facts) if facts.ifindex == ifindex => Ok(link),
        _ => Err(AttachError::Gone),
    }
}

/// Opens a pinned link, checks that it is what its name says, and makes it run this agent's program.
fn take_over(
    programs: &mut Programs,
    mode: AttachMode,
    ifindex: u32,
    path: &std::path::Path,
) -> Result<Held, AttachError> {
    let link = FdLink::from(PinnedLink::from_pin(path)?);
    let link_id = link.info()?.id();
    let links = observe::links().map_err(AttachError::Observe)?;
    if links.get(&link_id).is_none_or(|facts| facts.ifindex != ifindex) {
        return Err(AttachError::Gone);
    }
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
    Ok(Held { mode, link_id, pin: Some(path.to_owned()), _link: link })
}

fn alive(links: &BTreeMap<u32, LinkFacts>, held: &Held, ifindex: u32) -> bool {
    links.get(&held.link_id).is_some_and(|facts| facts.ifindex == ifindex)
}

/// Detaches: the kernel lets go of a link with its last reference, the pin or our descriptor.
fn let_go(held: Held) {
    if let Some(path) = &held.pin {
        remove_pin(path);
    }
    drop(held);
}

fn remove_pin(path: &std::path::Path) {
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
