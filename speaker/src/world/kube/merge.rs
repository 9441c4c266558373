//! Pure: settings of this node and wishes of the API, as one configuration: the same that a file gives.

use arpeggio_common::model::NodeName;

use super::project::Wish;
use crate::world::Config;

/// The configuration of `node`, which is to be evacuated when settings or API say so.
pub(super) fn merge<'w>(
    settings: &Config,
    wishes: impl Iterator<Item = &'w Wish>,
    (node, evacuate): (&NodeName, bool),
) -> Config {
    let mut config = settings.clone();
    config.node = node.clone();
    config.succession.evacuate |= evacuate;
    for Wish { address, announcement, pool } in wishes {
        if let Some(announcement) = announcement {
            config.announcements.insert(*address, announcement.clone());
        }
        if !pool.is_empty() {
            config.pools.insert(*address, pool.clone());
        }
    }
    config
}

/// Whether two configurations announce the same.
pub(super) fn same_wishes(a: &Config, b: &Config) -> bool {
    a.announcements == b.announcements && a.pools == b.pools
}
