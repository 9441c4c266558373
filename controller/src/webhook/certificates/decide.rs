//! What has to be done about the certificates: pure, from what the Secret holds and the time.

use std::time::Duration;

/// Certificates are valid from this long before they are made on: clocks differ (MetalLB behaviour 3.4).
pub const BACKDATED: i64 = 3600;
/// How long a state must have been in place before the next step of a replacement: within it every replica has read the Secret and
/// every API server the bundles.
pub const OVERLAP: Duration = Duration::from_secs(60);

/// How long certificates last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// That of the server.
    pub leaf: Duration,
    /// That of the authority.
    pub authority: Duration,
}

impl Lifetimes {
    /// A year and ten, as in MetalLB (behaviour 3.4).
    pub const DEFAULT: Self =
        Self { leaf: Duration::from_secs(365 * 86_400), authority: Duration::from_secs(3650 * 86_400) };

    /// See [`OVERLAP`]; shorter only where certificates themselves hardly last longer.
    pub fn overlap(self) -> Duration {
        OVERLAP.min(self.leaf / 4)
    }

    /// Mean time between two looks at the Secret. Six of them and their jitter fit into the overlap.
    pub fn look(self) -> Duration {
        Duration::from_secs(7).min(self.overlap() / 6)
    }
}

/// From when to when something is valid, seconds since 1970. The beginning is that of its life: [`BACKDATED`] after the date that
/// the certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it was made.
    pub begins: i64,
    /// From then on it is not valid.
    pub ends: i64,
}

impl Life {
    fn holds(self, now: i64) -> bool {
        now >= self.begins - BACKDATED && now < self.ends
    }

    /// Two thirds of it are over.
    fn is_due(self, now: i64) -> bool {
        now >= self.begins + (self.ends - self.begins) / 3 * 2
    }
}

/// An authority that is in the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    /// See there.
    pub life: Life,
    /// Its key is there, and of a kind that we can sign with.
    pub signs: bool,
}

/// The certificate of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// See there.
    pub life: Life,
    /// Signed by the authority, in the right name, with its key beside it.
    pub fits: bool,
}

/// What the Secret holds; what cannot be read is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The authority that signed the certificate.
    pub ca: Option<Authority>,
    /// The one that will replace it.
    pub next: Option<Authority>,
    /// The one that it has replaced is still trusted.
    pub previous: bool,
    /// The certificate.
    pub leaf: Option<Leaf>,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Nothing can be used: a new authority and a new certificate at once.
    Begin,
    /// A new certificate by the present authority.
    Issue,
    /// A new authority, trusted beside the present one.
    Introduce,
    /// The new authority signs the certificate from now on; the one before stays trusted.
    Switch,
    /// Nothing that the authority before has signed is served any more: it need not be trusted.
    Retire,
}

/// The next step. `settled` is how long this content of the Secret and the bundles that belong to it have been in place.
pub fn step(facts: &Facts, now: i64, settled: Duration, overlap: Duration) -> Step {
    let usable = |one: Option<Authority>| one.is_some_and(|one| one.signs && one.life.holds(now));
    let trusted = facts.ca.is_some_and(|ca| ca.life.holds(now));
    let served = facts.leaf.is_some_and(|leaf| leaf.fits && leaf.life.holds(now));
    if !trusted || !served {
        return if usable(facts.ca) {
            Step::Issue
        } else if usable(facts.next) {
            Step::Switch
        } else {
            Step::Begin
        };
    }
    let settled = settled >= overlap;
    let leaf_due = facts.leaf.is_some_and(|leaf| leaf.life.is_due(now));
    if facts.next.is_some() && !usable(facts.next) {
        return Step::Introduce;
    }
    if facts.next.is_some() && settled {
        return Step::Switch;
    }
    if facts.next.is_none() && facts.previous && settled {
        return Step::Retire;
    }
    if leaf_due && usable(facts.ca) {
        return Step::Issue;
    }
    // One replacement at a time.
    let ca_due = facts.ca.is_some_and(|ca| ca.life.is_due(now));
    if facts.next.is_none() && !facts.previous && (ca_due || !usable(facts.ca)) {
        return Step::Introduce;
    }
    Step::Keep
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
