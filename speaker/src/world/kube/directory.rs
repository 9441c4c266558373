//! The names of all nodes with an agent, for people: frames carry numbers, and a node that is in no order any more has no other name
//! here. Listed once for each start, metadata alone; who comes later is learnt from the orders.

use std::time::Duration;

use arpeggio_common::{api::Speaker, model::NodeName};
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use tokio::time::{sleep, timeout};

use super::said::request_fault;

/// A request that is not answered for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two requests: the first pause and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Asks until the API server tells. Nothing waits for it, so a failure is worth no warning.
pub(super) async fn directory(client: Client) -> Vec<NodeName> {
    let api: Api<Speaker> = Api::all(client);
    let [mut pause, longest] = PAUSES;
    loop {
        let fault = match timeout(PATIENCE, api.list_metadata(&ListParams::default().match_any())).await {
            Ok(Ok(list)) => {
                let names = list.items.iter().filter_map(|object| NodeName::try_from(object.name_any().as_str()).ok());
                return names.collect();
            }
            Ok(Err(error)) => request_fault(&error),
            Err(_elapsed) => format!("no answer within {PATIENCE:?}"),
        };
        tracing::debug!("the names of the other nodes are not known yet: {fault}");
        sleep(pause).await;
        pause = longest.min(pause * 2);
    }
}
