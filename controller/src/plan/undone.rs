//! What is told of a status that somebody else writes too.

use super::{Matter, ServiceStatus};
use crate::decide::{Notice, NoticeKind, OVERWRITTEN, Others, Overwritten};

/// Once may be a mistake. A status that was undone so often is fought over.
const CONFLICT: u32 = 2;

/// What a status that was written once more means, if it means anything. `times`: how often it had been undone. Who takes away the
/// condition alone that tells of it is not told of: that would be a fight about the fight.
pub fn overwritten(status: &ServiceStatus, times: u32) -> Option<Overwritten<'_>> {
    (times >= CONFLICT && status.matter != Matter::Conflict).then_some(Overwritten {
        key: &status.key,
        uid: &status.uid,
        rival: status.rival.as_deref(),
        harm: status.matter == Matter::Traffic,
    })
}

/// The event on a Service of which we wrote the same status once more, because somebody had undone it.
pub fn undone(status: &ServiceStatus) -> Notice {
    let message = Others::from(status.rival.as_deref()).sentence(status.matter == Matter::Traffic);
    Notice { kind: NoticeKind::Warning, reason: OVERWRITTEN, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::{Rival, ServiceKey},
        plan::ConditionChange,
    };

    #[test]
    fn the_other_writer_is_named() {
        let status = ServiceStatus {
            key: ServiceKey::default(),
            uid: String::new(),
            resource_version: String::new(),
            ingress: Vec::new(),
            allocated_from: None,
            allocated: ConditionChange::Keep,
            announced: ConditionChange::Keep,
            conflict: ConditionChange::Keep,
            matter: Matter::Traffic,
            rival: Some(Box::new(Rival::Writer("kube-vip".to_owned()))),
        };
        assert!(overwritten(&status, 1).is_none() && overwritten(&status, 2).is_some_and(|what| what.harm));
        let alone = ServiceStatus { matter: Matter::Conflict, ..status.clone() };
        assert!(overwritten(&alone, 9).is_none());
        let Notice { kind, reason, message } = undone(&status);
        assert_eq!((kind, reason), (NoticeKind::Warning, "StatusOverwritten"));
        assert!(message.starts_with("kube-vip writes status.loadBalancer of this Service"), "{message}");
        assert!(message.contains("within 2 seconds"), "{message}");
    }
}
