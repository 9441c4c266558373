//! What the agent finds out about the network around the node, and what is decided with it.

use std::collections::{BTreeMap, BTreeSet};

use arpeggio_common::wire::Mac;
use tracing::{info, warn};

use super::agent::Agent;
use crate::{
    clock::monotonic_ns,
    decide::{DesiredInterface, decide},
    status::path_faults,
    world::{World, eligible},
};

impl Agent {
    /// Decides for a world. What is announced and left to the machine that holds it is told once.
    pub(super) fn decide(&mut self, world: World) {
        let decision = decide(&world, &self.surroundings, self.default_policy);
        let nothing = BTreeMap::new();
        let before = self.current.as_ref().map_or(&nothing, |(_, decision)| &decision.held);
        for (address, reason) in &decision.held {
            if before.get(address) != Some(reason) {
                warn!("{reason}");
            }
        }
        for address in before.keys().filter(|address| !decision.held.contains_key(address)) {
            if world.config.announcements.contains_key(address) {
                info!(%address, "no machine holds it as an interface address any more: it is announced");
            }
        }
        self.current = Some((world, decision));
    }

    /// Looks for the machines around the node; whether they are others now.
    pub(super) fn look_around(&mut self, world: &World) -> bool {
        let gateways =
            self.surroundings.found_gateways(self.gateways.found(), |index| world.links.0.contains_key(&index));
        self.look_at_segments(world) || gateways
    }

    /// Decides anew where the machines around the node are others now; puts everything right in any case.
    pub(super) fn refresh(&mut self) {
        if let Some(world) = self.current.as_ref().map(|(world, _)| world.clone())
            && self.look_around(&world)
        {
            self.decide(world);
        }
        self.reconcile();
    }

    /// Which interfaces stand by for others of their segment; whether that changed.
    pub(super) fn look_at_segments(&mut self, world: &World) -> bool {
        let link = |index| world.links.0.get(&index);
        self.segments.forget(|index| link(index).is_some_and(|link| link.up && link.carrier), monotonic_ns());
        // A port to which nothing could be attached stands in for nobody.
        let fails = |index| self.round.attachments.get(&index).is_some_and(|attachment| attachment.mode.is_none());
        let usable = |index| {
            link(index).is_some_and(|link| link.carrier && eligible(link, &world.exclude).is_ok()) && !fails(index)
        };
        let standing_by = self.segments.standing_by(usable);
        let before = std::mem::replace(&mut self.surroundings.standing_by, standing_by);
        let name = |index: &u32| link(*index).map_or("?", |link| link.name.as_str());
        for (port, other) in &self.surroundings.standing_by {
            if before.get(port) != Some(other) {
                info!("{} stands by for {}: both are on one segment", name(port), name(other));
            }
        }
        for port in before.keys().filter(|port| !self.surroundings.standing_by.contains_key(port)) {
            info!("{} no longer stands by", name(port));
        }
        before != self.surroundings.standing_by
    }

    /// Tells in the log what does not come through between this node and the others, once.
    pub(super) async fn tell_paths(&mut self) {
        let (views, names, now_ns) = (self.succession.snapshot().await.views, self.names(), monotonic_ns());
        let Some((_, decision)) = &self.current else { return };
        let of = |(index, interface): (&u32, &DesiredInterface)| {
            let faults = path_faults(&views, &names, now_ns, *index);
            faults.into_iter().map(|fault| format!("{}: {}", interface.name, fault.lasting())).collect::<Vec<_>>()
        };
        let found: BTreeSet<String> = decision.desired.interfaces.iter().flat_map(of).collect();
        let before = std::mem::replace(&mut self.path_faults, found);
        for text in self.path_faults.difference(&before) {
            warn!("{text}");
        }
        for text in before.difference(&self.path_faults) {
            info!("over: {text}");
        }
    }

    /// A frame in this node's name came in, sent by this MAC. Where that is one of its own, both interfaces are on one segment;
    /// else another machine has the same name, which the succession tells.
    pub(super) fn heard_itself(&mut self, heard_on: u32, mac: Mac) {
        let Some(world) = self.current.as_ref().map(|(world, _)| world.clone()) else { return };
        let mut own = world.links.0.values().filter(|link| link.mac == Some(mac));
        // A port of a bridge has the MAC of the bridge, and sends nothing of ours.
        let sender = own.find(|link| link.index != heard_on && eligible(link, &world.exclude).is_ok());
        let news = sender.is_some_and(|sender| self.segments.heard(heard_on, sender.index, monotonic_ns()));
        if news && self.look_at_segments(&world) {
            self.decide(world);
            self.reconcile();
        }
    }
}
