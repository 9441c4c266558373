//! Finds senders that still send traffic for an address to this node although another one owns it.
//!
//! The counting is done by a socket filter in the kernel ([`names::HEAL_PROGRAM`](arpeggio_common::abi::names)), on sockets
//! that exist only while an interface is watched. It lets no frame in, so nobody is woken and nothing is copied; while no
//! socket is open, traffic pays nothing at all.

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    os::fd::{AsFd as _, AsRawFd as _},
};

use arpeggio_common::{
    abi::{Stray, StrayKey, names},
    wire::{EtherType, Mac},
};
use aya::{
    maps::{HashMap, MapData},
    programs::ProgramFd,
};
use nix::sys::socket::{setsockopt, sockopt::SetStruct};
use socket2::{Domain, Socket, Type};

use super::{
    CountersError, MapsError, Place, ProgramLoadError,
    counters::{snapshot, wide_key},
    load::is_gone,
    tables::place_of_wide,
};
use crate::frames::link_address;

/// The option that gives a socket its BPF program.
#[derive(Clone, Copy, Debug)]
struct AttachBpf;
nix::setsockopt_impl!(AttachBpf, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, libc::c_int, SetStruct<'_, libc::c_int>);

/// Who sends traffic astray: the address that is meant, on its interface, and the MAC of the sender.
pub type StrayPlace = (Place, Mac);

/// Healing is not possible.
#[derive(Debug, thiserror::Error)]
pub enum HealError {
    /// The program or the map is not to be had.
    #[error(transparent)]
    Program(#[from] ProgramLoadError),
    /// The map cannot be used.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// A second descriptor of the program.
    #[error("cannot share the healing program; raise the limit of open files")]
    Share(#[source] io::Error),
    /// No socket for the interface.
    #[error(
        "cannot {operation} the packet socket that watches interface {ifindex}; it needs CAP_NET_RAW and an interface that exists"
    )]
    Socket {
        /// What was tried.
        operation: &'static str,
        /// The interface.
        ifindex: u32,
        /// What the kernel says.
        source: io::Error,
    },
}

/// The healing program with the interfaces that it watches. Dropping it closes all of them.
pub struct Healer {
    program: ProgramFd,
    strays: HashMap<MapData, StrayKey, Stray>,
    /// One socket for each EtherType: bound to all of them it would also see what this host sends.
    watched: BTreeMap<u32, [Socket; 2]>,
}

impl Healer {
    pub(super) const fn new(program: ProgramFd, strays: HashMap<MapData, StrayKey, Stray>) -> Self {
        Self { program, strays, watched: BTreeMap::new() }
    }

    /// Watches an interface, in the network namespace of the calling thread; nothing new when it is watched already.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or when the interface does not exist.
    pub fn open(&mut self, ifindex: u32) -> Result<(), HealError> {
        if !self.watched.contains_key(&ifindex) {
            let sockets = [self.socket(ifindex, EtherType::IPV4)?, self.socket(ifindex, EtherType::IPV6)?];
            self.watched.insert(ifindex, sockets);
        }
        Ok(())
    }

    /// No longer watches an interface.
    pub fn close(&mut self, ifindex: u32) {
        self.watched.remove(&ifindex);
    }

    /// The interfaces that are watched.
    pub fn watched(&self) -> impl Iterator<Item = u32> + '_ {
        self.watched.keys().copied()
    }

    /// Everybody who sent something astray since it was [forgotten](Self::forget), with the source of the last frame.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn strays(&self) -> Result<Vec<(StrayPlace, Stray)>, CountersError> {
        let found = snapshot(&self.strays).map_err(CountersError::of(names::STRAYS))?;
        Ok(found.into_iter().map(|(key, stray)| ((place_of_wide(key.vip()), Mac(key.mac())), stray)).collect())
    }

    /// Forgets those that were told, so that they are found again only if they go on.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn forget<'a>(&mut self, told: impl IntoIterator<Item = &'a StrayPlace>) -> Result<(), CountersError> {
        for (place, mac) in told {
            match self.strays.remove(&StrayKey::new(wide_key(place), mac.0)) {
                // Evicted is gone as well.
                Err(error) if !is_gone(&error) => return Err(CountersError::of(names::STRAYS)(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn socket(&self, ifindex: u32, kind: EtherType) -> Result<Socket, HealError> {
        let failed = |operation| move |source| HealError::Socket { operation, ifindex, source };
        // Protocol 0 until the program is in place: not one frame gets past it. The kind of socket that begins at the
        // network header is what the program was written for.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, None).map_err(failed("open"))?;
        setsockopt(&socket, AttachBpf, &self.program.as_fd().as_raw_fd())
            .map_err(|errno| failed("set the program of")(errno.into()))?;
        socket.bind(&link_address(ifindex, kind.get())).map_err(failed("bind"))?;
        Ok(socket)
    }
}

/// The source of a frame that went astray, as people write it.
pub fn stray_source(stray: &Stray) -> IpAddr {
    IpAddr::from(stray.source()).to_canonical()
}
