//! Flags of MetalLB's workloads, and where they go.

use arpeggio_controller::args::Args;
use clap::CommandFactory as _;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::{
    objects::{Objects, flag},
    output::Finding,
};

/// Flags that a speaker of MetalLB and ours have in common, without the dashes.
const SPEAKER: [&str; 12] = [
    "namespace",
    "node-name",
    "port",
    "log-level",
    "health-probe-port",
    "lb-class",
    "ignore-exclude-lb",
    "pod-name",
    "host",
    "tls-min-version",
    "tls-cipher-suites",
    "metrics-cert-dir",
];
/// Flags of MetalLB's speaker that are taken and have no effect.
const WITHOUT_EFFECT: [&str; 11] = [
    "ml-bindaddr",
    "ml-bindport",
    "ml-labels",
    "ml-secret-key-path",
    "ml-secret-name",
    "ml-wan-config",
    "bgp-debounce-timeout",
    "frrk8s-namespace",
    "frrk8s-secret-passthrough",
    "pprof-bind-address",
    "tls-curve-preferences",
];

/// What to do with the flags of the present workloads.
pub(super) fn find(objects: &Objects) -> Vec<Finding> {
    let containers = |spec: &PodSpec, name: &str| -> Vec<Container> {
        spec.containers.iter().filter(|one| one.name == name || spec.containers.len() == 1).cloned().collect()
    };
    let controllers: Vec<Container> =
        objects.controllers().flat_map(|(_, spec)| containers(spec, "controller")).collect();
    let speakers: Vec<Container> = objects.speaker_sets().flat_map(|(_, spec)| containers(spec, "speaker")).collect();
    let mut all = of_speakers(&speakers);
    all.extend(of_controllers(&controllers, &speakers));
    all
}

fn of_speakers(speakers: &[Container]) -> Vec<Finding> {
    let subject = "flags of the speaker";
    let mut all = Vec::new();
    for container in speakers {
        let ignores = flag(container, "--ignore-exclude-lb", "");
        if ignores.is_some_and(|value| value.is_empty() || value == "true") {
            let message = "--ignore-exclude-lb belongs to the controller, which decides who may announce at layer 2";
            all.push(Finding::problem(subject, message, "add --ignore-exclude-lb to the arguments of our controller"));
        }
        if flag(container, "--lb-class", "").is_some_and(|class| !class.is_empty()) {
            let next = "keep it on the controller only";
            all.push(Finding::warning(subject, "--lb-class has no effect on our speaker", next));
        }
        let given = names(container);
        let idle: Vec<&str> = given.iter().map(String::as_str).filter(|name| WITHOUT_EFFECT.contains(name)).collect();
        if !idle.is_empty() {
            let message = format!("without effect here: --{}", idle.join(", --"));
            all.push(Finding::warning(subject, message, "leave them out"));
        }
        let unknown =
            given.iter().filter(|name| !SPEAKER.contains(&name.as_str()) && !WITHOUT_EFFECT.contains(&name.as_str()));
        all.extend(unknown.map(|name| refused(subject, name)));
    }
    all
}

fn of_controllers(controllers: &[Container], speakers: &[Container]) -> Vec<Finding> {
    let subject = "flags of the controller";
    let command = Args::command();
    let is_known = |name: &str| command.get_arguments().any(|one| one.get_long() == Some(name));
    let mut all = Vec::new();
    for container in controllers {
        all.extend(names(container).iter().filter(|name| !is_known(name)).map(|name| refused(subject, name)));
        if let Some(class) = flag(container, "--lb-class", "").filter(|class| !class.is_empty()) {
            let next = format!("add --lb-class={class} to the arguments of our controller (chart: loadBalancerClass)");
            all.push(Finding::problem(
                subject,
                "--lb-class is set; without it our controller takes other Services",
                next,
            ));
        }
    }
    let classes =
        |all: &[Container]| -> Vec<String> { all.iter().filter_map(|one| flag(one, "--lb-class", "")).collect() };
    if !controllers.is_empty() && !speakers.is_empty() && classes(controllers) != classes(speakers) {
        let message =
            "--lb-class differs between controller and speaker: MetalLB gives addresses that it does not announce";
        all.push(Finding::warning(subject, message, "decide for one class"));
    }
    all
}

fn refused(subject: &str, name: &str) -> Finding {
    Finding::problem(subject, format!("--{name} is not known: the program would not start"), "leave it out")
}

/// Names of the flags, without dashes and values.
fn names(container: &Container) -> Vec<String> {
    let words = container.command.iter().chain(&container.args).flatten();
    words.filter_map(|word| Some(word.strip_prefix("--")?.split('=').next()?.to_owned())).collect()
}
