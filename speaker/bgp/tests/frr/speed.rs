//! How long it takes from a changed wish to the peer's table.

use crate::{
    lab::Release,
    scenarios::{Pair, many, router, tor},
};

crate::lab::with_both_releases! {
    thousands_of_prefixes
}

#[expect(clippy::disallowed_methods, reason = "it is about real time")]
fn thousands_of_prefixes(release: Release) {
    let pair = Pair::new(release, &router(64_513, 1, ""));
    pair.want(&[tor(|_| {})], &[]);
    pair.until_up();
    for count in [1, 100, 1_000, 10_000] {
        for (change, wanted) in [("come", count), ("go", 0)] {
            let start = std::time::Instant::now();
            pair.want(&[tor(|_| {})], &many(wanted));
            let reconciled = start.elapsed();
            pair.until_routes("10.77.", wanted as usize);
            println!(
                "{release:?}: {count} prefixes {change}: reconciled after {reconciled:?}, at the peer after {:?}",
                start.elapsed()
            );
        }
    }
    assert_eq!(pair.counts(), (1, 0));
}
