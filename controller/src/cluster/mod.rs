//! What the API server says, as plain values: slim objects and the snapshot of all of them.

mod configured;
pub mod index;
mod objects;
pub mod project;
mod snapshot;
mod state;
pub mod watch;
mod written;

pub use arpeggio_common::api::admission::ConfigurationKind;
pub use configured::{Acceptance, AcceptedCondition, Configured, ConfiguredName};
pub use objects::{
    API_SERVER, AnnouncementContent, Endpoints, Family, FamilyPolicy, L2StatusContent, Node, ObservedAnnouncement,
    ObservedL2Status, PoolUsage, Port, Protocol, Refusal, Requests, Rival, Service, ServiceKey, Speaker, Stray,
    Trouble,
};
pub use snapshot::{Changes, Settings, Snapshot};
pub use state::{BgpStatusContent, ObservedBgpStatus, ObservedState, Soundness, StateContent, StateOf};
pub use written::{Known, Objects, Those, Written};
