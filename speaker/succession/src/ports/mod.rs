//! Which port of a node answers on a segment: one for each segment, and not a deaf one.

mod ears;
mod segments;

pub use ears::{Ears, Hearing};
pub use segments::Segments;
