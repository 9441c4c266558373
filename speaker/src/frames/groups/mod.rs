//! Membership in the solicited-node groups of owned addresses.
//!
//! The kernel program answers solicitations, but a network card and a switch with MLD snooping only let through the groups
//! that somebody joined. So every group is joined on a socket; the kernel then programs the card and reports with MLD.
//!
//! A socket takes only so many groups (its option memory, `net.core.optmem_max`): about 360 by the default of older kernels.
//! They are spread over sockets with [`GROUPS_PER_SOCKET`] each, fewer where the kernel says that a socket is full.

mod observe;
mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv6Addr,
};

use nix::errno::Errno;
use socket2::{Domain, Socket, Type};

use self::plan::Plan;

/// A group on an interface: interface index and group address.
pub type Membership = (u32, Ipv6Addr);

/// Groups joined on one socket. An entry costs about 56 bytes of at least 20,480, and leaving searches the socket's list.
pub const GROUPS_PER_SOCKET: usize = 256;

/// Groups joined or left by one call of [`Groups::apply`]: joining the 5,000th takes the kernel some 0.2 ms, because it
/// searches lists, and the agent has other things to do meanwhile.
pub const CHANGES_PER_CALL: usize = 256;

/// Why a group is not joined, or not known to be.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// No socket for another set of groups.
    #[error("cannot open a socket for the groups of interface {ifindex}; raise the limit of open files (ulimit -n)")]
    Open {
        /// Index of the interface.
        ifindex: u32,
        /// What the kernel says.
        source: io::Error,
    },
    /// The kernel refuses.
    #[error(
        "cannot join group {group} on interface {ifindex}; IPv6 has to be enabled there (net.ipv6.conf.*.disable_ipv6) and \
         its MTU be at least 1280"
    )]
    Join {
        /// The group.
        group: Ipv6Addr,
        /// Index of the interface.
        ifindex: u32,
        /// What the kernel says.
        source: io::Error,
    },
    /// The kernel's own list is not there.
    #[error("cannot read the kernel's list of groups, {}; is /proc mounted?", observe::PATH)]
    Observe(#[source] io::Error),
}

/// What became of a set of groups.
#[derive(Debug, Default)]
pub struct GroupReport {
    /// Groups joined just now.
    pub joins: usize,
    /// Groups left just now.
    pub leaves: usize,
    /// Changes that are left for the next calls, which should follow soon; failed ones are not among them.
    pub remaining: usize,
    /// Groups that should be joined and are not, by interface index: how many, and the last reason.
    pub failed: BTreeMap<u32, (usize, GroupError)>,
}

#[derive(Debug)]
struct Shard {
    socket: Socket,
    used: usize,
    /// [`GROUPS_PER_SOCKET`], or less when the kernel said so.
    places: usize,
}

/// The sockets and what is joined on them, in the network namespace of the thread that calls [`Self::apply`].
#[derive(Debug, Default)]
pub struct Groups {
    /// By number; numbers are not used again, so a membership never points at another socket.
    shards: BTreeMap<u64, Shard>,
    /// Where each group is joined.
    joined: BTreeMap<Membership, u64>,
    next_shard: u64,
}

impl Groups {
    /// Makes the joined groups those of `desired`, as far as the kernel lets and [`CHANGES_PER_CALL`] at a time; what failed
    /// is tried again by the next call.
    ///
    /// The same group on the same interface is one membership, however many addresses share it (they have the same low 24
    /// bits); the set counts by itself.
    pub fn apply(&mut self, desired: &BTreeSet<Membership>) -> GroupReport {
        let Plan { leaves, joins } = plan::plan(desired, &self.joined);
        let mut report = GroupReport { remaining: leaves.len() + joins.len(), ..GroupReport::default() };
        for membership in leaves.into_iter().take(CHANGES_PER_CALL) {
            self.leave(membership);
            report.leaves += 1;
        }
        for membership in joins {
            // Failures do not count: those of an interface without IPv6 must not keep the others from their turn.
            if report.leaves + report.joins == CHANGES_PER_CALL {
                break;
            }
            match self.join(membership) {
                Ok(()) => report.joins += 1,
                Err(error) => {
                    let count = report.failed.get(&membership.0).map_or(0, |(count, _)| *count);
                    report.failed.insert(membership.0, (count + 1, error));
                }
            }
        }
        let failed: usize = report.failed.values().map(|(count, _)| count).sum();
        report.remaining -= report.leaves + report.joins + failed;
        report
    }

    /// Forgets every group of an interface that went away, so that the next [`Self::apply`] joins them again should an
    /// interface appear with the same index.
    pub fn forget(&mut self, ifindex: u32) {
        let gone: Vec<Membership> = self.joined.keys().filter(|(of, _)| *of == ifindex).copied().collect();
        gone.into_iter().for_each(|membership| self.leave(membership));
    }

    /// Compares with the kernel's own list, forgets what the kernel lost (IPv6 was disabled in between, the interface was
    /// away) and returns how many those were; the next [`Self::apply`] joins them again.
    ///
    /// # Errors
    /// [`GroupError::Observe`].
    pub fn verify(&mut self) -> Result<usize, GroupError> {
        let held = observe::observe().map_err(GroupError::Observe)?;
        let lost: Vec<Membership> =
            self.joined.keys().filter(|membership| !held.contains(*membership)).copied().collect();
        let count = lost.len();
        lost.into_iter().for_each(|membership| self.leave(membership));
        Ok(count)
    }

    /// The groups that are joined.
    pub fn joined(&self) -> BTreeSet<Membership> {
        self.joined.keys().copied().collect()
    }

    /// Groups joined.
    pub fn len(&self) -> usize {
        self.joined.len()
    }

    /// Whether no group is joined.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// Sockets in use.
    pub fn sockets(&self) -> usize {
        self.shards.len()
    }

    fn join(&mut self, membership @ (ifindex, group): Membership) -> Result<(), GroupError> {
        loop {
            let number = self.free_shard(ifindex)?;
            let Some(shard) = self.shards.get_mut(&number) else { continue };
            let error = match shard.socket.join_multicast_v6(&group, ifindex) {
                Ok(()) => {
                    shard.used += 1;
                    self.joined.insert(membership, number);
                    return Ok(());
                }
                Err(error) => error,
            };
            let full = matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOMEM | Errno::ENOBUFS));
            if full && shard.used > 0 {
                shard.places = shard.used;
                continue;
            }
            self.close_empty(number);
            return Err(GroupError::Join { group, ifindex, source: error });
        }
    }

    fn leave(&mut self, membership @ (ifindex, group): Membership) {
        let Some(number) = self.joined.remove(&membership) else { return };
        if let Some(shard) = self.shards.get_mut(&number) {
            // The only error is that the socket is not a member: what was wanted. For an interface that is gone the kernel
            // still frees the place.
            let _ = shard.socket.leave_multicast_v6(&group, ifindex);
            shard.used -= 1;
            self.close_empty(number);
        }
    }

    /// A socket with a free place, opened when there is none.
    fn free_shard(&mut self, ifindex: u32) -> Result<u64, GroupError> {
        if let Some((number, _)) = self.shards.iter().find(|(_, shard)| shard.used < shard.places) {
            return Ok(*number);
        }
        // Never bound: no datagram can reach it, so nothing has to be read.
        let socket =
            Socket::new(Domain::IPV6, Type::DGRAM, None).map_err(|source| GroupError::Open { ifindex, source })?;
        let number = self.next_shard;
        self.next_shard += 1;
        self.shards.insert(number, Shard { socket, used: 0, places: GROUPS_PER_SOCKET });
        Ok(number)
    }

    fn close_empty(&mut self, number: u64) {
        if self.shards.get(&number).is_some_and(|shard| shard.used == 0) {
            self.shards.remove(&number);
        }
    }
}
