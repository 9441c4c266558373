//! Counters of one address on one interface.

/// Value of [`STATS`](super::names::STATS), one per CPU. 80 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests and solicitations of clients.
    pub requests: u64,
    /// Answers sent, to clients and to heartbeats.
    pub replies: u64,
    /// Requests dropped so that no kernel answers them.
    pub suppressed: u64,
    /// Heartbeats of other candidates received.
    pub heartbeats: u64,
    /// Claims and answers of others seen.
    pub claims: u64,
    /// When the last request came, coarse monotonic nanoseconds.
    pub last_request_ns: u64,
    /// When the last client was written to [`CLIENTS`](super::names::CLIENTS), coarse monotonic nanoseconds.
    remembered_ns: u64,
    last_client: [u8; 16],
    last_client_mac: [u8; 6],
    reserved: [u8; 2],
}

impl Stats {
    /// Whether this client was remembered on this CPU less than [`CLIENT_REFRESH_NS`](super::CLIENT_REFRESH_NS) ago.
    /// A client that asks again and again costs one comparison instead of a write to a hash map shared by all CPUs.
    #[inline(always)]
    pub fn remembers(&self, client: [u8; 16], mac: [u8; 6], now_ns: u64) -> bool {
        now_ns.wrapping_sub(self.remembered_ns) < super::CLIENT_REFRESH_NS
            && self.last_client == client
            && self.last_client_mac == mac
    }

    /// Notes that the client was remembered.
    #[inline(always)]
    pub fn remember(&mut self, client: [u8; 16], mac: [u8; 6], now_ns: u64) {
        self.remembered_ns = now_ns;
        self.last_client = client;
        self.last_client_mac = mac;
    }

    /// The client that asked last, as in [`Key6`](super::Key6); all zeros when nobody did.
    pub const fn last_client(&self) -> [u8; 16] {
        self.last_client
    }

    /// MAC of the client that asked last.
    pub const fn last_client_mac(&self) -> [u8; 6] {
        self.last_client_mac
    }

    /// Adds what another CPU counted; the last client is that of the CPU that was asked last.
    #[must_use]
    pub const fn merge(mut self, other: &Self) -> Self {
        if other.last_request_ns > self.last_request_ns {
            self.last_request_ns = other.last_request_ns;
            self.last_client = other.last_client;
            self.last_client_mac = other.last_client_mac;
            self.remembered_ns = other.remembered_ns;
        }
        self.requests += other.requests;
        self.replies += other.replies;
        self.suppressed += other.suppressed;
        self.heartbeats += other.heartbeats;
        self.claims += other.claims;
        self
    }
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn layout_is_pinned() {
        assert_eq!(size_of::<Stats>(), 80);
        assert_eq!(offset_of!(Stats, requests), 0);
        assert_eq!(offset_of!(Stats, last_request_ns), 40);
        assert_eq!(offset_of!(Stats, last_client), 56);
        assert_eq!(offset_of!(Stats, last_client_mac), 72);
    }

    #[test]
    fn a_client_is_remembered_for_a_second() {
        let mut stats = Stats::default();
        let start = 10 * super::super::CLIENT_REFRESH_NS;
        stats.remember([1; 16], [2; 6], start);
        assert!(stats.remembers([1; 16], [2; 6], start + 999_999_999));
        assert!(!stats.remembers([1; 16], [2; 6], start + 1_000_000_000));
        assert!(!stats.remembers([9; 16], [2; 6], start), "another client");
        assert!(!stats.remembers([1; 16], [9; 6], start), "the client changed its MAC");
    }

    #[test]
    fn merging_adds_and_keeps_the_latest_client() {
        let mut early = Stats { requests: 3, replies: 2, last_request_ns: 5, ..Stats::default() };
        early.remember([1; 16], [1; 6], 5);
        let mut late = Stats { requests: 4, suppressed: 1, last_request_ns: 9, ..Stats::default() };
        late.remember([2; 16], [2; 6], 9);
        for merged in [early.merge(&late), late.merge(&early)] {
            assert_eq!((merged.requests, merged.replies, merged.suppressed, merged.last_request_ns), (7, 2, 1, 9));
            assert_eq!(merged.last_client(), [2; 16]);
        }
    }
}
