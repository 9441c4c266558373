//! Which cluster this is: the UID of the namespace kube-system, which no two clusters share and which lasts as long as the
//! cluster. Nodes of two clusters on one segment may have the same names.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Resource as _};
use tokio::time::{sleep, timeout};

use super::{said::request_fault, seen::Seen};
use crate::clock::monotonic_ns;

/// The name under which the request is told of among the watches.
const WATCH: &str = "cluster";
const NAMESPACE: &str = "kube-system";
/// A request that is not answered for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two requests: the first pause and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Asks until the API server says it. What it says lasts, so it is asked once for each start.
pub(super) async fn identity(client: Client, seen: Arc<Seen>) -> Arc<str> {
    let api: Api<Namespace> = Api::all(client);
    let [mut pause, longest] = PAUSES;
    loop {
        let answer = timeout(PATIENCE, api.get_metadata(NAMESPACE)).await;
        let fault = match answer {
            Ok(Ok(namespace)) => match namespace.meta().uid.as_deref() {
                Some(uid) if !uid.is_empty() => {
                    seen.hold().state.watches.remove(WATCH);
                    return uid.into();
                }
                Some(_) | None => format!("the namespace {NAMESPACE} has no UID"),
            },
            Ok(Err(error)) => request_fault(&error),
            Err(_elapsed) => format!("no answer within {PATIENCE:?}"),
        };
        let before = seen.hold().state.watches.insert(WATCH, (fault.clone(), monotonic_ns()));
        if before.is_none_or(|(before, _)| before != fault) {
            tracing::warn!("which cluster this is cannot be read from the namespace {NAMESPACE}: {fault}");
        }
        sleep(pause).await;
        pause = longest.min(pause * 2);
    }
}
