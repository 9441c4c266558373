//! Pure: settings of this node and wishes of the API, as one configuration: the same that a file gives.

use std::sync::Arc;

use arpeggio_common::model::NodeName;

use super::project::Wish;
use crate::world::Config;

/// What the API says of this node.
pub(super) struct Own<'a> {
    pub(super) node: &'a NodeName,
    /// Which cluster it belongs to.
    pub(super) cluster: &'a Arc<str>,
    /// It is to be evacuated, as it is when the settings say so.
    pub(super) evacuate: bool,
}

/// The configuration of this node.
pub(super) fn merge<'w>(settings: &Config, wishes: impl Iterator<Item = &'w Wish>, own: Own<'_>) -> Config {
    let mut config = settings.clone();
    let Own { node, cluster, evacuate } = own;
    config.node = node.clone();
    config.cluster = Arc::clone(cluster);
    config.succession.evacuate |= evacuate;
    // As a whole: what is put into a map in order, one by one, leaves its nodes half empty.
    let (mut announcements, mut pools) = (Vec::new(), Vec::new());
    for Wish { address, announcement, pool } in wishes {
        announcements.extend(announcement.clone().map(|announcement| (*address, announcement)));
        if !pool.is_empty() {
            pools.push((*address, Arc::clone(pool)));
        }
    }
    config.announcements.append(&mut announcements.into_iter().collect());
    config.pools.append(&mut pools.into_iter().collect());
    config
}

/// Whether two configurations announce the same, in the same cluster.
pub(super) fn same_wishes(a: &Config, b: &Config) -> bool {
    a.cluster == b.cluster && a.announcements == b.announcements && a.pools == b.pools
}
