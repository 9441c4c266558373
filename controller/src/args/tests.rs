//! Flags: defaults, MetalLB's own command lines, and values that cannot be.

use clap::CommandFactory as _;

use super::*;
use crate::webhook::{Own, Source, certificates::decide::Lifetimes};

fn config(line: &str) -> Result<Config, String> {
    let args = Args::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
    let in_pod = || Some("lb\n".to_owned());
    args.resolve_with(in_pod, || Some("host-1\n".to_owned())).map_err(|error| error.to_string())
}

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn nothing_has_to_be_said() {
    let config = config("controller").unwrap();
    assert_eq!((config.namespace.as_str(), config.instance.as_str()), ("lb", "host-1"));
    assert_eq!((config.metrics.https(true), config.probe_port, config.connections), (Some(9120), Some(17472), 16));
    assert_eq!((config.times, config.settings), (Times::DEFAULT, Settings::default()));
    assert_eq!((config.log_level.as_str(), config.log_format), ("info", LogFormat::Json));
    let webhooks = config.webhooks.unwrap();
    let own = Own {
        secret: "metallb-webhook-cert".to_owned(),
        service: "metallb-webhook-service".to_owned(),
        configuration: "metallb-webhook-configuration".to_owned(),
        lifetimes: Lifetimes::DEFAULT,
    };
    assert_eq!((webhooks.tls, webhooks.source), (tls::Parameters::default(), Source::Secret(own)));
    let args = Args::try_parse_from(["controller"]).unwrap();
    assert_eq!(args.resolve_with(|| None, || None).unwrap().namespace, "metallb-system");
}

#[test]
fn the_deployment_of_metallb_starts_it() {
    let config = config(
        "controller --port=9120 --log-level=all --tls-min-version=VersionTLS12 --webhook-mode=enabled \
         --disable-cert-rotation --webhook-http2=false --ml-secret-name memberlist --deployment=controller \
         --lb-class=example.org/lb --namespace=metallb-system --pod-name=controller-1",
    )
    .unwrap();
    assert_eq!((config.metrics.https(true), config.log_level.as_str()), (Some(9120), "all"));
    assert_eq!(config.settings.class.as_deref(), Some("example.org/lb"));
    assert_eq!((config.namespace.as_str(), config.instance.as_str()), ("metallb-system", "controller-1"));
    assert!(config.ignored == ["--ml-secret-name", "--deployment"], "{:?}", config.ignored);
    let webhooks = config.webhooks.unwrap();
    assert!(webhooks.tls.tls12 && !webhooks.tls.http2 && !config.only_webhooks);
    assert_eq!((webhooks.port, webhooks.source), (9443, Source::Files("/tmp/k8s-webhook-server/serving-certs".into())));
}

#[test]
fn a_switch_may_be_written_with_its_value() {
    for (line, on) in [("", false), ("--ignore-exclude-lb", true), ("--ignore-exclude-lb=false", false)] {
        assert_eq!(config(&format!("controller {line}")).unwrap().settings.ignore_exclude_label, on, "{line}");
    }
    assert_eq!(config("controller --port 0 --health-probe-port 0").unwrap().probe_port, None);
}

#[test]
fn wrong_values_are_refused_with_a_remedy() {
    for (line, remedy) in [
        ("--leader-elect-lease-duration 10", "like 500ms or 10s"),
        ("--leader-elect-lease-duration 10s", "must be longer than the renew deadline"),
        ("--leader-elect-retry-period 9s", "must be longer than 1.2 times"),
        ("--write-connections 0", "1..=512"),
        ("--port 70000", "0..=65535"),
        ("--webhook-mode sometimes", "enabled, disabled, onlywebhook"),
        ("--tls-min-version VersionTLS11", "VersionTLS12, VersionTLS13"),
        ("--tls-cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "say --tls-min-version=VersionTLS12 too"),
        ("--tls-min-version VersionTLS12 --tls-cipher-suites TLS_RSA", "there are TLS_ECDHE_"),
        ("--webhook-cert-lifetime 5s", "at least 20s"),
        ("--nonsense", "unexpected argument"),
    ] {
        let error = config(&format!("controller {line}")).unwrap_err();
        assert!(error.contains(remedy), "{line}: {error}");
    }
}

#[test]
fn webhooks_can_be_all_or_nothing() {
    let disabled = config("controller --webhook-mode=disabled").unwrap();
    assert!(disabled.webhooks.is_none() && !disabled.only_webhooks);
    let only = config("controller --webhook-mode=onlywebhook --webhook-http2").unwrap();
    assert!(only.only_webhooks && only.webhooks.unwrap().tls.http2);
    let suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    let chosen = config(&format!("controller --tls-min-version VersionTLS12 --tls-cipher-suites {suite}")).unwrap();
    assert_eq!(chosen.webhooks.unwrap().tls.suites, [suite]);
}
