//! Reads the Secrets with passwords that peers name: by their names, now and then; nothing lists or watches Secrets. What is in them
//! is forgotten at once: what is kept is whether it can be a password.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arpeggio_common::{api::PasswordSecret, program::with_causes};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::warn;

/// Between two looks, at least.
const LOOK: Duration = Duration::from_secs(5);
/// For each Secret that is read, at least.
const EACH: Duration = Duration::from_millis(250);
/// How long one may take to be read.
const BOUND: Duration = Duration::from_secs(10);

/// What is known, by name.
pub(crate) type Secrets = Option<Arc<BTreeMap<String, PasswordSecret>>>;

/// Why one is not known.
#[derive(Debug, thiserror::Error)]
enum SecretError {
    #[error("get secret {0}; see whether the service account may get secrets (manifests/rbac/controller.yaml)")]
    Read(String, #[source] kube::Error),
    #[error("get secret {0}: no answer within {BOUND:?}")]
    Slow(String),
}

/// For ever. `names`: which ones peers name; `tell`: where it is told what they are good for, once all of them were looked for.
/// One that cannot be read stays as it was known last.
pub(crate) async fn follow(
    client: Client,
    namespace: String,
    mut names: watch::Receiver<BTreeSet<String>>,
    tell: watch::Sender<Secrets>,
) {
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    let (mut known, mut told) = (BTreeMap::new(), String::new());
    loop {
        let wanted = names.borrow_and_update().clone();
        let (now, failed) = look(&secrets, &wanted, &known).await;
        tell_failure(failed, &mut told);
        if now != known || tell.borrow().is_none() {
            known = now;
            tell.send_replace(Some(Arc::new(known.clone())));
        }
        let count = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let pause = LOOK.max(EACH.saturating_mul(count)).mul_f64(fastrand::f64().mul_add(0.2, 0.9));
        tokio::select! {
            () = sleep(pause), if !wanted.is_empty() => {}
            changed = names.changed() => if changed.is_err() { return },
        }
    }
}

async fn look(
    secrets: &Api<Secret>,
    wanted: &BTreeSet<String>,
    known: &BTreeMap<String, PasswordSecret>,
) -> (BTreeMap<String, PasswordSecret>, Option<SecretError>) {
    let (mut now, mut failed) = (BTreeMap::new(), None);
    for name in wanted {
        let read = match timeout(BOUND, secrets.get_opt(name)).await {
            Ok(Ok(secret)) => Ok(PasswordSecret::of(secret.as_ref())),
            Ok(Err(error)) => Err(SecretError::Read(name.clone(), error)),
            Err(_) => Err(SecretError::Slow(name.clone())),
        };
        match read {
            Ok(secret) => _ = now.insert(name.clone(), secret),
            Err(error) => {
                now.extend(known.get(name).map(|secret| (name.clone(), secret.clone())));
                failed = Some(error);
            }
        }
    }
    (now, failed)
}

/// Once for each cause.
fn tell_failure(failed: Option<SecretError>, told: &mut String) {
    let text = failed.map(|error| with_causes(&error)).unwrap_or_default();
    if text != *told && !text.is_empty() {
        warn!("the Secrets of BGP peers cannot be read, their last state counts: {text}");
    }
    *told = text;
}
