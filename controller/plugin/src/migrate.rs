//! What changes for a cluster with MetalLB: what is refused, which flags go where, what BGP needs.

mod flags;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodSpec;
use serde::Serialize;

use crate::{
    foresee::{self, Effect},
    objects::Objects,
    output::{Finding, Severity, Style},
};

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Images of MetalLB that run; none: it is not installed in this namespace.
    pub images: Vec<String>,
    /// What to know, the worst first.
    pub findings: Vec<Finding>,
}

impl Migration {
    /// What the objects say.
    pub fn new(objects: &Objects) -> Self {
        let images = images(objects);
        let mut findings = installation(objects, &images);
        findings.extend(flags::find(objects));
        findings.extend(bgp(objects));
        findings.extend(configuration(objects));
        findings.extend(services(objects));
        findings.extend(always());
        findings.sort_by_key(|finding| finding.severity);
        Self { images, findings }
    }

    /// Whether nothing has to be done first.
    pub fn is_well(&self) -> bool {
        !Finding::any_problem(&self.findings)
    }
}

/// The report as text for people.
pub fn render(migration: &Migration, style: Style) -> String {
    let found = if migration.images.is_empty() { "not found".to_owned() } else { migration.images.join(", ") };
    format!("MetalLB: {found}\n\n{}", style.findings(&migration.findings))
}

fn note(subject: &str, message: impl Into<String>, next: &str) -> Finding {
    Finding { severity: Severity::Ok, ..Finding::problem(subject, message, next) }
}

/// Specifications of the pods of controller and speaker.
fn workloads(objects: &Objects) -> impl Iterator<Item = &PodSpec> {
    objects.controllers().map(|(_, spec)| spec).chain(objects.speaker_sets().map(|(_, spec)| spec))
}

fn images(objects: &Objects) -> Vec<String> {
    let all = workloads(objects).flat_map(|spec| &spec.containers).filter_map(|container| container.image.clone());
    let metallb: BTreeSet<String> = all.filter(|image| image.contains("metallb")).collect();
    metallb.into_iter().collect()
}

fn installation(objects: &Objects, images: &[String]) -> Vec<Finding> {
    let namespace = &objects.namespace;
    let mut all = Vec::new();
    if images.is_empty() {
        let next = "name its namespace: kubectl arpeggio migrate check --system-namespace NAME";
        all.push(Finding::warning("MetalLB", format!("no workload of it is in namespace {namespace}"), next));
    }
    let is_helm = |labels: Option<&std::collections::BTreeMap<String, String>>| {
        labels.is_some_and(|labels| {
            labels.contains_key("helm.sh/chart")
                || labels.get("app.kubernetes.io/managed-by").is_some_and(|by| by == "Helm")
        })
    };
    if !images.is_empty() && objects.deployments.iter().any(|one| is_helm(one.metadata.labels.as_ref())) {
        let next = "follow \"From MetalLB\" of the README; never `helm uninstall`, which deletes the definitions and every pool";
        all.push(Finding::problem("Helm", "MetalLB was installed by its chart: remove its workloads first", next));
    }
    let has_old = objects.config_maps.iter().any(|map| {
        map.metadata.name.as_deref() == Some("config")
            && map.data.as_ref().is_some_and(|data| data.contains_key("config"))
    });
    if has_old && objects.pools.is_empty() {
        let next = "convert it with MetalLB's configmaptocrs, then apply the objects";
        all.push(Finding::problem(
            "ConfigMap config",
            "holds a configuration of MetalLB 0.12, which is not read",
            next,
        ));
    }
    let exclude = objects.config_maps.iter().find(|map| map.metadata.name.as_deref() == Some("metallb-excludel2"));
    if let Some(exclude) = exclude {
        let next = format!(
            "kubectl -n {namespace} get configmap metallb-excludel2 -o yaml > excludel2.yaml; apply it again afterwards"
        );
        let lines: usize = exclude.data.iter().flat_map(|data| data.values()).map(|text| text.lines().count()).sum();
        let message = format!("is read as before ({lines} lines); ours replaces it when the manifests are applied");
        all.push(Finding::warning("ConfigMap metallb-excludel2", message, next));
    }
    all
}

/// Whether BGP is used, and what it needs.
fn bgp(objects: &Objects) -> Vec<Finding> {
    let mut all = Vec::new();
    let (peers, advertisements) = (objects.peers.len(), objects.bgp_advertisements.len());
    if peers + advertisements == 0 {
        all.push(note("BGP", "is not used: no BGPPeer and no BGPAdvertisement is there", ""));
        return all;
    }
    let message =
        format!("is used: {peers} BGPPeers, {advertisements} BGPAdvertisements; speakers need FRR beside them");
    all.push(Finding::problem(
        "BGP",
        message,
        "add the kustomize component manifests/frr (chart: speaker.frr) and apply both together",
    ));
    if objects.daemon_sets.iter().any(|set| set.metadata.name.as_ref().is_some_and(|name| name.contains("frr-k8s"))) {
        let message = "frr-k8s runs: FRRConfigurations of MetalLB stay there, and nobody writes them any more";
        let next =
            format!("kubectl -n {} get frrconfigurations; delete those of MetalLB after the move", objects.namespace);
        all.push(Finding::problem("frr-k8s", message, next));
    }
    all
}

/// What of the configuration is refused here, or left out.
fn configuration(objects: &Objects) -> Vec<Finding> {
    let (snapshot, _) = objects.index().take();
    let configuration = &snapshot.configuration;
    let text = |fault: &arpeggio_common::model::Fault| format!("{} {:?} {}", fault.field, fault.value, fault.rule);
    let problem = configuration.faults.iter().map(|fault| {
        Finding::problem(fault.object.to_string(), format!("is refused: {}", text(fault)), fault.remedy.clone())
    });
    let rest = configuration.pending.iter().chain(&configuration.remarks);
    let warning = rest.map(|fault| Finding::warning(fault.object.to_string(), text(fault), fault.remedy.clone()));
    problem.chain(warning).collect()
}

/// Services that would not keep what they have, and old annotations.
fn services(objects: &Objects) -> Vec<Finding> {
    let mut all: Vec<Finding> = foresee::takeover(objects)
        .into_iter()
        .map(|change| {
            let verb = if change.effect == Effect::Loses { "would lose" } else { "would move from" };
            let after = if change.after.is_empty() { String::new() } else { format!(" to {}", change.after) };
            let message = format!("{verb} {}{after}; {}", change.before, change.why);
            Finding::problem(format!("Service {}", change.service), message, "correct the Service or its pool first")
        })
        .collect();
    let (snapshot, _) = objects.index().take();
    let old = snapshot.services.values().filter(|service| !service.requests.deprecated.is_empty()).count();
    if old > 0 {
        let message = format!("{old} Services carry annotations metallb.universe.tf/…, which are still read");
        all.push(Finding::warning("annotations", message, "write metallb.io/… instead when you touch them"));
    }
    let stray = snapshot.services.values().filter_map(|service| Some((service, service.requests.strays.first()?)));
    all.extend(
        stray.map(|(service, stray)| Finding::warning(format!("Service {}", service.key), stray.to_string(), "")),
    );
    all
}

/// What is different for everybody.
fn always() -> Vec<Finding> {
    vec![
        note("allocation", "pools of the same priority are tried by name; MetalLB tries them at random", ""),
        note(
            "owners",
            "are written by the controller, and stay until their node fails; MetalLB computes them anew",
            "kubectl get announcements",
        ),
        note("memberlist", "is not used: port 7946 and the Secret memberlist are not needed", ""),
        note("metrics", "are on port 9120 over HTTPS with a token, as in MetalLB 0.16", "docs/metrics.md"),
        note(
            "configuration",
            "one object at fault stays as it was, and the rest is in force; MetalLB keeps all of it as it was",
            "",
        ),
    ]
}

#[cfg(test)]
#[path = "migrate/tests.rs"]
mod tests;
