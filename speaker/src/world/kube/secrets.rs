//! Reads the passwords of BGP sessions from Secrets: by the names that peers give, now and then; nothing lists or watches Secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arpeggio_common::api::PasswordSecret;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, Error};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::said::{fault, request_fault};
use crate::world::SecretValue;

/// Between two looks: every speaker looks.
const LOOK: Duration = Duration::from_secs(10);
/// For each Secret that is read, at least.
const EACH: Duration = Duration::from_millis(500);
/// Between two looks while one could not be read.
const AGAIN: Duration = Duration::from_secs(2);
/// How long one may take to be read.
const BOUND: Duration = Duration::from_secs(10);

/// What is known, by name.
pub(super) type Secrets = Arc<BTreeMap<String, SecretValue>>;

/// For ever. `names`: those that peers of this node name; `tell`: what they hold. One that cannot be asked for stays as it was known
/// last; one of which nothing is known is left out until there is an answer.
pub(super) async fn follow(
    (client, namespace): (Client, String),
    mut names: watch::Receiver<BTreeSet<String>>,
    tell: watch::Sender<Secrets>,
) {
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    let mut told = String::new();
    loop {
        let wanted = names.borrow_and_update().clone();
        let known = Arc::clone(&tell.borrow());
        let (mut now, mut failed) = (BTreeMap::new(), String::new());
        for name in &wanted {
            let read = match timeout(BOUND, secrets.get_opt(name)).await {
                Ok(read) => read,
                Err(_elapsed) => Err(Error::Service("no answer in time".into())),
            };
            match value(read, (name, &namespace), known.get(name)) {
                (Some(value), why) => {
                    now.insert(name.clone(), value);
                    failed = why.unwrap_or(failed);
                }
                (None, why) => failed = why.unwrap_or(failed),
            }
        }
        if failed != told && !failed.is_empty() {
            tracing::warn!("what is known of passwords of BGP peers stays as it is: {failed}");
        }
        let pause = if failed.is_empty() { LOOK } else { AGAIN };
        told = failed;
        tell.send_if_modified(|before| {
            let changed = **before != now;
            if changed {
                *before = Arc::new(now);
            }
            changed
        });
        let count = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let pause = pause.max(EACH.saturating_mul(count)).mul_f64(fastrand::f64().mul_add(0.2, 0.9));
        tokio::select! {
            () = sleep(pause), if !wanted.is_empty() => {}
            changed = names.changed() => if changed.is_err() { return },
        }
    }
}

/// What is known after an answer, and what is wrong with the answer.
fn value(
    read: Result<Option<Secret>, Error>,
    (name, namespace): (&str, &str),
    known: Option<&SecretValue>,
) -> (Option<SecretValue>, Option<String>) {
    match read {
        Ok(secret) => {
            let read = PasswordSecret::read(secret.as_ref(), name, namespace);
            (Some(read.map_or_else(SecretValue::Unusable, SecretValue::Password)), None)
        }
        Err(error) => {
            let why = format!("get secret {name}: {}", request_fault(&error));
            let refused =
                matches!(&error, Error::Api(status) if (400..500).contains(&status.code) && status.code != 429);
            let unusable = refused.then(|| SecretValue::Unusable(format!("get secret {name}: {}", fault(&error))));
            (known.cloned().or(unusable), Some(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_secret_that_cannot_be_asked_for_stays_as_it_was_known() {
        let known = SecretValue::Password("a".to_owned());
        let refused = || Err(Error::Api(Status::failure("no", "Forbidden").with_code(403).boxed()));
        let silent = || Err(Error::Service("gone".into()));
        let names = ("bgp", "m");
        assert_eq!(value(Ok(None), names, Some(&known)).0.map(|it| matches!(it, SecretValue::Unusable(_))), Some(true));
        assert_eq!(value(refused(), names, Some(&known)).0, Some(known.clone()));
        assert_eq!(value(silent(), names, Some(&known)).0, Some(known));
        assert!(matches!(value(refused(), names, None), (Some(SecretValue::Unusable(_)), Some(_))));
        // Whether there is a password is not known: nothing is decided without it.
        assert!(matches!(value(silent(), names, None), (None, Some(_))));
    }
}
