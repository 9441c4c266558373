//! How writes are named in logs and metrics.

use tracing::{debug, info};

use crate::{plan::Write, writer::Verdict};

/// As logs and metrics name it.
pub(super) const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Conflict => "conflict",
        Verdict::Failed => "failed",
        Verdict::Refused => "refused",
    }
}

/// One line for what changed for clients.
pub(super) fn log_done(write: &Write) {
    match write {
        Write::ServiceStatus(status) => {
            let addresses: Vec<String> = status.ingress.iter().map(ToString::to_string).collect();
            info!(service = %status.key, addresses = addresses.join(","), pool = status.allocated_from, "status written");
        }
        Write::Announcement { content, .. } => {
            let first = content.candidates.as_ref().and_then(|candidates| candidates.first());
            debug!(address = %content.address, first = first.map(ToString::to_string), "announcement written");
        }
        Write::DeleteAnnouncement { address, .. } => debug!(%address, "announcement deleted"),
        Write::Silence { address, silence, .. } => {
            debug!(%address, reason = silence.reason, "wrote why no node answers")
        }
        Write::Configured(_) | Write::L2Status { .. } | Write::DeleteL2Status { .. } | Write::Event { .. } => {}
        Write::DeleteBgpStatus { .. } | Write::State { .. } | Write::DeleteState { .. } => {}
    }
}
