//! Reads the cluster for one subcommand, and prints its report.

use std::{io::Write as _, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use arpeggio_common::{api::names, model::NodeName};
use arpeggio_controller::app::install_cryptography;
use clap::CommandFactory as _;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    args::{Args, Command, Global, Step},
    diagnose,
    evacuate::{self, Evacuation, Owned},
    explain::{self, Explanation, Subject},
    files,
    foresee::{self, Foresight, Scenario},
    migrate::{self, Migration},
    output::{self, Style},
    read,
    status::{self, Status},
};

/// Between two questions while an evacuation goes on.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs a subcommand. Whether all is well.
///
/// # Errors
/// The cluster cannot be asked, or nobody reads the report.
pub async fn run(args: Args) -> Result<bool> {
    install_cryptography();
    // Boxed: the futures of many lists are large.
    let Args { global, command } = args;
    match command {
        Command::Status => Box::pin(status(&global)).await,
        Command::Explain { subject, namespace } => Box::pin(explain(&global, &subject, namespace)).await,
        Command::Plan { filename, prune, node_down, evacuate } => {
            let documents = files::documents(&filename)?;
            Box::pin(plan(&global, &Scenario { documents, prune, down: node_down, evacuate })).await
        }
        Command::Evacuate { node, undo, wait, timeout } => {
            Box::pin(evacuate(&global, &node, undo, wait.then_some(timeout))).await
        }
        Command::Migrate { step: Step::Check } => Box::pin(migrate(&global)).await,
        Command::Diagnose { directory } => Box::pin(diagnose(&global, &directory)).await,
        Command::Completion { shell } => completion(shell),
    }
}

async fn status(global: &Global) -> Result<bool> {
    let (client, _) = read::client(global).await?;
    let objects = read::objects(&client, &global.system_namespace).await?;
    let (snapshot, _) = objects.index().take();
    let report = Status::new(&objects, &snapshot);
    output::print(global.output, &report, |style| status::render(&report, style))?;
    Ok(report.is_well())
}

async fn explain(global: &Global, subject: &str, namespace: Option<String>) -> Result<bool> {
    let (client, current) = read::client(global).await?;
    let subject = Subject::read(subject, &namespace.unwrap_or(current));
    let mut objects = read::objects(&client, &global.system_namespace).await?;
    let (snapshot, _) = objects.index().take();
    let first = Explanation::new(&objects, &snapshot, &subject);
    for service in &first.services {
        let namespace = service.service.split_once('/').map_or("default", |(namespace, _)| namespace);
        // Whoever may not list events gets a report without them.
        objects.events.extend(read::events(&client, namespace).await.unwrap_or_default());
    }
    let report = Explanation::new(&objects, &snapshot, &subject);
    output::print(global.output, &report, |style| explain::render(&report, style))?;
    Ok(report.is_well())
}

async fn plan(global: &Global, scenario: &Scenario) -> Result<bool> {
    let (client, _) = read::client(global).await?;
    let objects = read::objects(&client, &global.system_namespace).await?;
    let report = Foresight::new(&objects, scenario);
    output::print(global.output, &report, |style| foresee::render(&report, style))?;
    Ok(report.is_well())
}

/// `wait`: for how long at most.
async fn evacuate(global: &Global, node: &str, undo: bool, wait: Option<Duration>) -> Result<bool> {
    let (client, _) = read::client(global).await?;
    let name = NodeName::try_from(node).with_context(|| format!("{node:?} is no name of a node"))?;
    let owned = async || -> Result<Owned> {
        let (snapshot, _) = read::objects(&client, &global.system_namespace).await?.index().take();
        Ok(Owned::by(&snapshot, &name))
    };
    let before = owned().await?;
    let value = if undo { Value::Null } else { "true".into() };
    let patch = json!({"metadata": {"annotations": {names::EVACUATE: value}}});
    let api: Api<Node> = Api::all(client.clone());
    api.patch(node, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .with_context(|| format!("annotate node {node}"))?;
    let after = match wait {
        None => None,
        Some(limit) => Some(until_moved(owned, limit).await?),
    };
    let report = Evacuation { node: node.to_owned(), undo, before, after };
    output::print(global.output, &report, |style| evacuate::render(&report, style))?;
    Ok(report.is_well())
}

/// Asks until nothing is left that another node may take, or the time is over. What is owned then.
async fn until_moved(owned: impl AsyncFn() -> Result<Owned>, limit: Duration) -> Result<Owned> {
    let mut left = owned().await?;
    for _ in 0..limit.as_millis() / PAUSE.as_millis() {
        if left.movable.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        left = owned().await?;
    }
    Ok(left)
}

async fn migrate(global: &Global) -> Result<bool> {
    let (client, _) = read::client(global).await?;
    let objects = read::objects(&client, &global.system_namespace).await?;
    let report = Migration::new(&objects);
    output::print(global.output, &report, |style| migrate::render(&report, style))?;
    Ok(report.is_well())
}

async fn diagnose(global: &Global, directory: &Path) -> Result<bool> {
    let (client, _) = read::client(global).await?;
    let mut missing = diagnose::collect(&client, &global.system_namespace, directory).await?;
    let objects = read::objects(&client, &global.system_namespace).await?;
    let (snapshot, _) = objects.index().take();
    let report = Status::new(&objects, &snapshot);
    let style = Style { wide: true, colour: false };
    diagnose::write(directory, "status.txt", &status::render(&report, style))?;
    let unwell = snapshot.services.values().filter(|one| one.refusal.is_some() || one.silence.is_some());
    let explained = unwell.map(|service| {
        let subject = Subject::Service(service.key.clone());
        explain::render(&Explanation::new(&objects, &snapshot, &subject), style)
    });
    diagnose::write(directory, "explain.txt", &explained.collect::<Vec<_>>().join("\n\n"))?;
    missing.extend(objects.unlisted);
    diagnose::write(directory, "missing.txt", &missing.join("\n"))?;
    let summary =
        format!("written to {}; {} parts could not be read (missing.txt)\n", directory.display(), missing.len());
    std::io::stdout().write_all(summary.as_bytes()).context("write the summary")?;
    Ok(true)
}

/// kubectl completes a plugin's words by a program `kubectl_complete-arpeggio`; shells complete `kubectl-arpeggio` by this.
fn completion(shell: clap_complete::Shell) -> Result<bool> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "kubectl-arpeggio", &mut script);
    std::io::stdout().write_all(&script).context("write the script")?;
    Ok(true)
}
