//! What Prometheus reads of the agent: MetalLB's names for what MetalLB has, and our own (`arpeggio_speaker_…`).
//!
//! What lasts is read when somebody asks ([`Scrape`]); what happens is counted when it happens ([`Counts`]).

mod bgp;
mod counts;
mod family;
mod scrape;

pub use counts::{Counts, CountsError};
pub use scrape::{Scrape, ScrapedInterface, families};
