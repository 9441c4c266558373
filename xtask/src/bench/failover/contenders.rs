//! Pure: who is compared.

use std::{path::PathBuf, time::Duration};

/// How long ours answers after its agent was killed: shorter than in life, where nobody waits for it twenty times.
pub(super) const LEASE: Duration = Duration::from_secs(3);

/// A way of keeping an address alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    /// As it stands in tables.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Between two signs of life; zero when it is not known.
    pub(super) interval: Duration,
    /// From the end of an owner to the end of the gap, about, at most.
    pub(super) detection: Duration,
    /// How long the address is answered for without its agent, where that is bounded.
    pub(super) lease: Option<Duration>,
}

/// What it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Our agent with these flags.
    Ours {
        /// Of `speaker run`.
        flags: Vec<String>,
    },
    /// Debian's keepalived.
    Keepalived,
    /// Whatever the script does.
    Peer(PathBuf),
}

/// Everybody, as far as our agent knows the flags and the name contains one of `only` (all when there is none).
pub(super) fn all(agent_help: &str, peer: Option<PathBuf>, only: &[String], quick: bool) -> Vec<Contender> {
    let mut contenders = Vec::new();
    for (name, flag, interval_ms, misses) in [
        ("default", None, 50, 3),
        ("fast", Some(["--failover", "fast"]), 20, 3),
        ("fastest", Some(["--failover", "fastest"]), 10, 3),
        ("calm", Some(["--failover", "calm"]), 200, 4),
        ("100 ms", Some(["--heartbeat", "100ms"]), 100, 3),
    ] {
        if flag.is_none_or(|[flag, _]| agent_help.contains(flag)) {
            contenders.push(ours(name, flag, Duration::from_millis(interval_ms), misses));
        }
    }
    contenders.extend([("1 s", 1000), ("100 ms", 100), ("20 ms", 20), ("10 ms", 10)].map(|(name, ms)| {
        let interval = Duration::from_millis(ms);
        // Three advertisements and a part of one that depends on the priority (RFC 5798 section 6.1).
        let (name, detection) = (format!("keepalived, {name}"), interval * 4);
        Contender { name, kind: Kind::Keepalived, interval, detection, lease: None }
    }));
    contenders.extend(peer.map(|script| Contender {
        name: "--peer".to_owned(),
        kind: Kind::Peer(script),
        interval: Duration::ZERO,
        // Nothing is known of it; the slowest that is known takes seven seconds.
        detection: Duration::from_secs(if quick { 1 } else { 8 }),
        lease: None,
    }));
    contenders.retain(|contender| only.is_empty() || only.iter().any(|part| contender.name.contains(part)));
    contenders
}

fn ours(name: &str, flag: Option<[&str; 2]>, interval: Duration, misses: u32) -> Contender {
    Contender {
        name: format!("ours, {name}"),
        kind: Kind::Ours { flags: flag.iter().flatten().map(|&flag| flag.to_owned()).collect() },
        interval,
        // The second standby waits as long again, if the first one is gone too.
        detection: interval * misses * 2,
        lease: Some(LEASE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(help: &str, only: &[&str]) -> Vec<String> {
        let only: Vec<String> = only.iter().map(|&part| part.to_owned()).collect();
        all(help, Some("peer.sh".into()), &only, true).into_iter().map(|contender| contender.name).collect()
    }

    #[test]
    fn the_agent_is_asked_only_for_what_it_knows() {
        let without = names("--config", &[]);
        assert_eq!(without.iter().filter(|name| name.starts_with("ours")).count(), 1);
        assert_eq!(names("--failover <PRESET> --heartbeat <TIME>", &[]).len(), without.len() + 4);
    }

    #[test]
    fn parts_of_names_choose() {
        let help = "--failover --heartbeat";
        assert_eq!(names(help, &["fastest", "peer"]), ["ours, fastest", "--peer"]);
        assert_eq!(names(help, &["100 ms"]), ["ours, 100 ms", "keepalived, 100 ms"]);
        assert_eq!(names(help, &["nobody"]), Vec::<String>::new());
    }

    #[test]
    fn flags_are_those_of_the_agent() {
        let ours = &all("--failover", None, &["fast".to_owned()], true)[0];
        assert_eq!(ours.kind, Kind::Ours { flags: vec!["--failover".to_owned(), "fast".to_owned()] });
    }
}
