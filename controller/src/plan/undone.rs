//! What is told of a status that somebody else writes too.

use super::ServiceStatus;
use crate::{
    cluster::Rival,
    decide::{Notice, NoticeKind},
};

/// The event on a Service of which we wrote the same status once more, because somebody had undone it.
pub fn undone(status: &ServiceStatus) -> Notice {
    let who = match status.rival.as_deref() {
        Some(Rival::Writer(name)) => format!("{name} writes"),
        Some(Rival::Among(names)) => format!("another program (managedFields names {names}) takes away from"),
        None => "another program, which managedFields does not name, writes".to_owned(),
    };
    let (what, pace) = if status.harm {
        (
            "status.loadBalancer of this Service, and traffic goes wrong meanwhile",
            "it is put right within 2 seconds each time",
        )
    } else {
        (
            "what is said beside the addresses of this Service (our annotation or conditions)",
            "it is put right more and more rarely, down to once a minute",
        )
    };
    let message = format!(
        "{who} {what}; {pace}. Let one program have the Service: switch the other one off, or divide them by \
         spec.loadBalancerClass"
    );
    Notice { kind: NoticeKind::Warning, reason: "StatusOverwritten", message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::ServiceKey, plan::ConditionChange};

    fn told(rival: Option<Rival>, harm: bool) -> String {
        let status = ServiceStatus {
            key: ServiceKey::default(),
            uid: String::new(),
            resource_version: String::new(),
            ingress: Vec::new(),
            allocated_from: None,
            allocated: ConditionChange::Keep,
            announced: ConditionChange::Keep,
            harm,
            rival: rival.map(Box::new),
        };
        let Notice { kind, reason, message } = undone(&status);
        assert_eq!((kind, reason), (NoticeKind::Warning, "StatusOverwritten"));
        message
    }

    #[test]
    fn the_other_writer_is_named() {
        let told_of_one = told(Some(Rival::Writer("kube-vip".to_owned())), true);
        assert!(told_of_one.starts_with("kube-vip writes status.loadBalancer of this Service"), "{told_of_one}");
        assert!(told_of_one.contains("within 2 seconds"), "{told_of_one}");
        let told_of_some = told(Some(Rival::Among("gitops, kubectl".to_owned())), false);
        assert!(told_of_some.contains("(managedFields names gitops, kubectl) takes away"), "{told_of_some}");
        assert!(told_of_some.contains("once a minute"), "{told_of_some}");
        assert!(told(None, true).starts_with("another program, which managedFields does not name, writes"));
    }
}
