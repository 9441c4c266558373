//! Reads and writes what [`super::Definition`] says.

use std::{future::Future, time::Duration};

use arpeggio_common::program::with_causes;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{Account, DEFINITIONS, Definition, Next};
use crate::{FIELD_MANAGER, backoff::Backoff, clock, leader::Term};

/// Objects read at once.
const PAGE: u32 = 200;
/// How often a definition is looked at while everything is as it should be: somebody may install an older one.
const AGAIN: Duration = Duration::from_hours(1);
/// Conversion may be away for as long as pods take to start, or for ever.
const PATIENCE: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_mins(1) };

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
enum MigrationError {
    #[error("read definition {0}; see whether the service account may get it")]
    Definition(String, #[source] kube::Error),
    #[error("list every {kind} as {version}; see whether the conversion webhook works")]
    List { kind: String, version: String, source: kube::Error },
    #[error("write {object} back as {version}; write it yourself with kubectl, repaired if it has to be")]
    Write { object: String, version: String, source: kube::Error },
    #[error(
        "tell in the status of definition {0} which version is stored; see whether the service account may patch that"
    )]
    Tell(String, #[source] kube::Error),
    #[error("definition {0} was changed meanwhile")]
    Changed(String),
    #[error("definition {0} stores no version")]
    NoVersion(String),
    #[error("{0}: no answer within {1:?}")]
    Slow(String, Duration),
}

/// Brings the objects of every definition to its stored version: at the begin of a term, and now and then while it lasts. `bound`
/// is for how long a request may last. Returns when nobody tells of terms any more.
pub(crate) async fn run(client: Client, term: watch::Receiver<Term>, bound: Duration) {
    let mut worker = Worker { client, term, bound };
    let mut failures = 0;
    while worker.awaits_lead().await.is_ok() {
        let mut failed = false;
        for name in DEFINITIONS {
            if let Err(error) = worker.migrate(name).await {
                failed = true;
                tell(name, &error, failures);
            }
        }
        failures = if failed { failures + 1 } else { 0 };
        let pause = if failed { PATIENCE.delay(failures, fastrand::f64()) } else { AGAIN };
        if matches!(worker.leads_on(pause).await, Ok(false)) {
            failures = 0;
        }
    }
}

/// The first failure in a row is worth a line, the others are the same trouble.
fn tell(name: &str, error: &MigrationError, failures: u32) {
    let text = with_causes(error);
    if failures == 0 {
        warn!(definition = name, "objects stay in an old version, trying again until it works: {text}");
    } else {
        debug!(definition = name, failures, "objects still stay in an old version: {text}");
    }
}

struct Worker {
    client: Client,
    term: watch::Receiver<Term>,
    bound: Duration,
}

impl Worker {
    fn leads(&self) -> bool {
        self.term.borrow().leads(clock::now())
    }

    /// Until this process leads.
    async fn awaits_lead(&mut self) -> Result<(), watch::error::RecvError> {
        while !self.leads() {
            self.term.changed().await?;
        }
        Ok(())
    }

    /// Waits as long as this process leads; whether it still does in the end.
    async fn leads_on(&mut self, pause: Duration) -> Result<bool, watch::error::RecvError> {
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                changed = self.term.changed() => changed?,
                () = &mut over => return Ok(self.leads()),
            }
            if !self.leads() {
                return Ok(false);
            }
        }
    }

    async fn migrate(&self, name: &str) -> Result<(), MigrationError> {
        let (before, _) = self.definition(name).await?;
        if before.next() == Next::Nothing {
            debug!(definition = name, version = before.storage, "every object is stored in the present version");
            return Ok(());
        }
        let Account { written, overtaken } = self.rewrite(&before).await?;
        let (now, version) = self.definition(name).await?;
        if !self.leads() || !before.holds(&now) {
            return Err(MigrationError::Changed(name.to_owned()));
        }
        self.settle(&now, version.as_deref()).await?;
        let (kind, before, now) = (&before.kind, before.stored.join(", "), &now.storage);
        info!(kind, written, overtaken, "every object is stored as {now} now; before: {before}");
        Ok(())
    }

    /// The definition, and the version of the object.
    async fn definition(&self, name: &str) -> Result<(Definition, Option<String>), MigrationError> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let read = self.within(&format!("read definition {name}"), definitions.get(name)).await?;
        let read = read.map_err(|error| MigrationError::Definition(name.to_owned(), error))?;
        let definition = Definition::read(&read).ok_or_else(|| MigrationError::NoVersion(name.to_owned()))?;
        Ok((definition, read.metadata.resource_version))
    }

    /// Reads every object and writes it back. One that cannot be written keeps no other from it.
    async fn rewrite(&self, definition: &Definition) -> Result<Account, MigrationError> {
        let (resource, kind) = (definition.resource(), &definition.kind);
        let every: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let mut page = ListParams::default().limit(PAGE);
        let (mut account, mut refused) = (Account::default(), None);
        loop {
            let list = self.within(&format!("list every {kind}"), every.list(&page)).await?.map_err(|source| {
                MigrationError::List { kind: kind.clone(), version: definition.storage.clone(), source }
            })?;
            for object in &list.items {
                if !self.leads() {
                    return Err(MigrationError::Changed(definition.name.clone()));
                }
                match self.write_back(definition, object).await {
                    Ok(true) => account.written += 1,
                    Ok(false) => account.overtaken += 1,
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return refused.map_or(Ok(account), Err),
            }
        }
    }

    /// Whether it was written by us; `false`: somebody else was faster, who stored or deleted it.
    async fn write_back(&self, definition: &Definition, object: &DynamicObject) -> Result<bool, MigrationError> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let shown = format!("{} {namespace}/{name}", definition.kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &definition.resource());
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match self.within(&format!("write {shown} back"), api.replace(&name, &parameters, object)).await? {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(source) => Err(MigrationError::Write { object: shown, version: definition.storage.clone(), source }),
        }
    }

    /// Takes the old versions off the list, if nobody changed the definition since it was read.
    async fn settle(&self, definition: &Definition, version: Option<&str>) -> Result<(), MigrationError> {
        let patch = json!({
            "metadata": { "resourceVersion": version },
            "status": { "storedVersions": [definition.storage] },
        });
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let (parameters, name) = (PatchParams::apply(FIELD_MANAGER), &definition.name);
        let patch = Patch::Merge(&patch);
        let patched = definitions.patch_status(name, &parameters, &patch);
        match self.within(&format!("patch the status of definition {name}"), patched).await? {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Err(MigrationError::Changed(name.clone())),
            Err(error) => Err(MigrationError::Tell(name.clone(), error)),
        }
    }

    async fn within<T>(&self, what: &str, request: impl Future<Output = T>) -> Result<T, MigrationError> {
        timeout(self.bound, request).await.map_err(|_elapsed| MigrationError::Slow(what.to_owned(), self.bound))
    }
}
