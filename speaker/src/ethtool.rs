//! The driver of a device, asked by ioctl: the one thing that netlink does not tell and that `/sys`, which may belong to
//! another network namespace, cannot be trusted with.

#![expect(unsafe_code, reason = "SIOCETHTOOL takes a pointer inside a union; no safe wrapper exists")]

use std::{
    ffi::CStr,
    io,
    mem::size_of,
    os::fd::{AsRawFd, OwnedFd},
};

use libc::{c_char, ifreq};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// `ETHTOOL_GDRVINFO` of `linux/ethtool.h`.
const GET_DRIVER: u32 = 3;

/// `struct ethtool_drvinfo` of `linux/ethtool.h`, 196 bytes since Linux 2.4.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    others: [u8; 160],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);

/// Asks for drivers in the network namespace it was made in.
pub(crate) struct Ethtool {
    socket: OwnedFd,
}

impl Ethtool {
    /// Any socket will do.
    ///
    /// # Errors
    /// Out of descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { socket: socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)? })
    }

    /// The name of the driver of an interface: `virtio_net`, `veth`, `bridge`.
    ///
    /// # Errors
    /// There is no such interface, or its driver has no ethtool operations (EOPNOTSUPP).
    pub(crate) fn driver(&self, interface: &str) -> io::Result<String> {
        let mut info = DriverInfo { command: GET_DRIVER, driver: [0; 32], others: [0; 160] };
        let mut request = ifreq {
            ifr_name: name(interface)?,
            ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut info).cast() },
        };
        // SAFETY: SIOCETHTOOL wants an ifreq whose name ends with a zero (`name` leaves the last byte 0) and whose data
        // points to a writable structure that belongs to the command in its first word (linux/sockios.h). `info` is a
        // DriverInfo with the command GET_DRIVER, as large as the kernel's (asserted above), and lives until after the call.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        let text = CStr::from_bytes_until_nul(&info.driver)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(text.to_string_lossy().into_owned())
    }
}

/// The name of an interface as the kernel wants it: at most 15 bytes and a zero.
fn name(interface: &str) -> io::Result<[c_char; libc::IFNAMSIZ]> {
    let mut name = [0; libc::IFNAMSIZ];
    if interface.len() >= name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in name.iter_mut().zip(interface.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_without_a_driver_are_told_from_those_that_are_not_there() {
        let ethtool = Ethtool::new().unwrap();
        // The loopback device of any namespace: it has ethtool operations, but none of them names a driver.
        match ethtool.driver("lo") {
            Ok(driver) => assert!(driver.is_empty() || driver == "loopback" || driver == "lo", "{driver}"),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP), "{error}"),
        }
        assert_eq!(ethtool.driver("no-such-device").unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert_eq!(ethtool.driver("a-name-of-16-byt").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
