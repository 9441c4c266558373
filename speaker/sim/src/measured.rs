//! What a schedule cost.

/// What was measured on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Times that an address, or a share of one, got another answerer.
    pub changes: u64,
    /// Longest time without an answerer where one could have been, by all faults together.
    pub nobody_ns: u64,
    /// Longest time with two.
    pub two_ns: u64,
    /// Longest time with two where nothing had healed.
    pub two_clean_ns: u64,
    /// Most heartbeats from one node to another within a second.
    pub heartbeats: u64,
    /// Most questions to everybody from one node within a second.
    pub probes: u64,
    /// Most claims of one address by one port to everybody within a second, where nothing happened for a while.
    pub claims: u64,
    /// Times that a standby went from one port of a node to the other.
    pub flips: u64,
    /// Times that a switch shut a port.
    pub shut: u64,
    /// Longest time that a port which hears nothing kept the addresses of its node.
    pub deaf_ns: u64,
}

impl Measured {
    /// The worst of both.
    pub fn merge(&mut self, other: &Self) {
        self.changes += other.changes;
        self.nobody_ns = self.nobody_ns.max(other.nobody_ns);
        self.two_ns = self.two_ns.max(other.two_ns);
        self.two_clean_ns = self.two_clean_ns.max(other.two_clean_ns);
        self.heartbeats = self.heartbeats.max(other.heartbeats);
        self.probes = self.probes.max(other.probes);
        self.claims = self.claims.max(other.claims);
        self.flips += other.flips;
        self.shut += other.shut;
        self.deaf_ns = self.deaf_ns.max(other.deaf_ns);
    }
}
