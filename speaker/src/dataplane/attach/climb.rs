//! One climb of the ladder for one interface: what is attached, in which way, and why not in a better one.

use aya::programs::{LinkOrder, SchedClassifier, TcAttachType, Xdp, XdpMode, links::FdLink, tc::TcAttachOptions};
use nix::errno::Errno;

use super::{
    AttachError, KernelFacts,
    adopt::Leftovers,
    driver::{Held, Settled, Wish, let_go},
    explain,
    observe::{self, LinkFacts},
    plan_steps,
};
use crate::{
    dataplane::{
        load::{Programs, driver_of, errno_of},
        pins::PinDir,
    },
    decide::{AttachMode, DesiredInterface},
    world::LinkKind,
};

/// One climb of the ladder.
pub(super) struct Climb<'a> {
    pub(super) programs: &'a mut Programs,
    pub(super) pins: Option<&'a PinDir>,
    pub(super) leftovers: &'a mut Leftovers,
    pub(super) ifindex: u32,
    pub(super) interface: &'a DesiredInterface,
    /// What was refused will work the next time.
    pub(super) again: bool,
}

impl Climb<'_> {
    pub(super) fn run(mut self, settled: &mut Settled, facts: KernelFacts) {
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
        let wish = (!self.again).then(|| Wish::of(self.interface));
        *settled = Settled { wish, mode, steps_down, held, behind: Vec::new() };
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
        let mut attached = self.attach(mode);
        if is_xdp(mode) && attached.as_ref().is_err_and(is_taken) && self.leftovers.make_room(self.ifindex) {
            attached = self.attach(mode);
            self.again = attached.as_ref().is_err_and(is_taken);
        }
        attached.map_err(|error| self.reason(mode, &error))
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
        let Some(pins) = self.pins else { return Ok(Held { mode, link_id, pin: None, seen: None, link }) };
        let path = pins.link(mode, self.ifindex);
        let link = link.pin(&path).map_err(|source| AttachError::Pin { path: path.clone(), source })?;
        Ok(Held { mode, link_id, pin: Some(path), seen: None, link: link.into() })
    }
}

/// Another program has the place.
fn is_taken(error: &AttachError) -> bool {
    matches!(errno_of(error), Some(Errno::EBUSY | Errno::EEXIST))
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
