//! Raw frames: what the agent sends by itself, the groups it joins, and the responder of last resort.
//!
//! Decisions ([`Gratuitous`]) are values in, values out; sockets live in thin drivers ([`FrameSocket`]).

mod capture;
mod enquiry;
mod filter;
mod frame;
mod gratuitous;
mod groups;
pub mod messages;
mod responder;
mod socket;

pub use capture::{Arrival, Capture, CaptureError};
pub use enquiry::{Answers, Asking, Enquiry, EnquiryError};
pub use filter::Heard;
pub use frame::Frame;
pub use gratuitous::{Gratuitous, GratuitousStep, Pace};
pub use groups::{CHANGES_PER_CALL, GROUPS_PER_SOCKET, GroupError, GroupReport, Groups, Membership};
pub use responder::{Responder, ResponderApplied, ResponderError, ResponderLive, ResponderLosses, USER_MODE_REASON};
pub(crate) use socket::link_address;
pub use socket::{FrameSocket, SendError, SendReport};

pub use crate::clock::monotonic_ns;
