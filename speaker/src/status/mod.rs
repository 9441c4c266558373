//! What the agent tells about itself: a report made of plain facts, its text form, and the local socket it is asked over.

mod bgp;
mod build;
mod client;
mod cluster;
mod explain;
mod facts;
mod ownership;
mod parties;
mod paths;
mod problems;
mod protocol;
mod render;
mod report;
mod server;
mod text;
mod wording;

pub use bgp::{BgpSessionStatus, BgpStatus, EngineState};
pub use client::{ClientError, Silence, ask};
pub use cluster::{ApiSource, FaultReport, KubernetesReport};
pub use explain::{
    ClientFacts, ClientReport, EventReport, Evidence, Explanation, Level, Link, PlaceReport, Verdict, Wire, WireFacts,
    render_explanation,
};
pub use facts::{
    AgentFacts, ApiFacts, AttachmentFacts, ConfigFacts, EntryFacts, Facts, GratuitousFacts, PeerFacts, SuccessionFacts,
};
pub use ownership::{OwnershipReport, PeerReport, SuccessionReport};
pub use parties::{Names, Party};
pub use paths::{PathFault, path_faults};
pub use protocol::{Evacuate, EvacuationReport, Explain, Nothing, Request, Response, SOCKET_NAME};
pub use render::render;
pub use report::{
    AddressReport, AgentReport, ConfigReport, Counters, ErrorReport, Filter, GratuitousReport, GroupReport,
    InterfaceReport, LastRequest, LeaseReport, OtherSender, Role, SenderKind, StatusReport, StepDown,
};
pub use server::{Call, ControlError, ControlSocket};
pub use text::attach_mode_name;
pub use wording::change;

#[cfg(test)]
mod ownership_tests;
#[cfg(test)]
mod report_tests;
#[cfg(test)]
mod socket_tests;
