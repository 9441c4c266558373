//! How another node takes over: how fast, who vouches for this node's hearing, and whether it is to give everything away.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf, str::FromStr};

use arpeggio_common::model::Keys;
use arpeggio_succession::Pace;

/// What the configuration says about the succession.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuccessionConfig {
    /// How fast an owner's end is noticed.
    pub pace: Pace,
    /// Addresses on the segment, beside the default gateways, that answer when this node has to find out whether it hears
    /// anything.
    pub witnesses: BTreeSet<IpAddr>,
    /// Whether other nodes are to take over everything that this one owns.
    pub evacuate: bool,
    /// Where the keys are by which nodes know each other's frames; `None`: where the command line says, if it does.
    pub key_file: Option<PathBuf>,
    /// What that file holds. Not part of the text of the configuration.
    pub keys: Keys,
    /// What becomes of an address for which only a device answers that answers for every one.
    pub proxy_arp: ProxyArp,
}

/// What becomes of an address for which only a device answers that answers for every address of the segment (proxy ARP).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyArp {
    /// It is announced: nobody has it.
    #[default]
    Announce,
    /// It is left to that device, as every address is that a stranger answers for.
    Respect,
}

impl ProxyArp {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Respect => "respect",
        }
    }
}

/// A named pace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// Heartbeats every 50 ms, a takeover after three missed ones: within 160 ms.
    #[default]
    Default,
    /// Every 10 ms, three: within 33 ms.
    Fastest,
    /// Every 20 ms, three: within 65 ms.
    Fast,
    /// Every 200 ms, four: within 810 ms, for segments that lose frames.
    Calm,
    /// Every second, three: within 3.01 s, for switches that let a port send 15 ARP frames a second.
    Quiet,
}

impl Preset {
    const ALL: [(&'static str, Self); 5] = [
        ("default", Self::Default),
        ("fastest", Self::Fastest),
        ("fast", Self::Fast),
        ("calm", Self::Calm),
        ("quiet", Self::Quiet),
    ];

    /// What it stands for.
    pub const fn pace(self) -> Pace {
        match self {
            Self::Default => Pace::DEFAULT,
            Self::Fastest => Pace::FASTEST,
            Self::Fast => Pace::FAST,
            Self::Calm => Pace::CALM,
            Self::Quiet => Pace::QUIET,
        }
    }
}

/// A word that names no preset.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no preset; write default, fastest, fast, calm or quiet")]
pub struct UnknownPreset(String);

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(name, _)| *name == word);
        found.map(|(_, preset)| *preset).ok_or_else(|| UnknownPreset(word.to_owned()))
    }
}
