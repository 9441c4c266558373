//! What can be typed, and the configuration that comes out of it. MetalLB's flags keep their names and meaning; those that
//! belong to parts which do not exist here are accepted, so that its Deployment starts us unchanged.

mod webhook;

use std::{path::PathBuf, time::Duration};

use arpeggio_common::{
    api::names,
    program::{LogFormat, duration},
    serve::{MetricsArgs, TlsArgs, TlsArgsError, tls},
};
use clap::Parser;

pub use self::webhook::{Mode, WebhookArgs};
use crate::{cluster::Settings, keys::decide::Pace, leader::Times, webhook as served};

/// Where a pod finds the namespace that it runs in.
const SERVICE_ACCOUNT_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// The controller of Arpeggio: gives Services their addresses and decides which nodes answer for them.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "controller", version, max_term_width = 100)]
pub struct Args {
    /// Kubernetes configuration to use [default: that of the pod, else $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of pools, advertisements and leases [default: that of the pod, else metallb-system]
    #[arg(long, env = "ARPEGGIO_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// Serve only Services of this loadBalancerClass [default: Services without a class]
    #[arg(long, env = "ARPEGGIO_LB_CLASS", value_name = "CLASS", default_value = "")]
    pub lb_class: String,
    /// Ignore the label node.kubernetes.io/exclude-from-external-load-balancers of nodes.
    #[arg(long, env = "ARPEGGIO_IGNORE_EXCLUDE_LB", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true")]
    pub ignore_exclude_lb: bool,
    /// Port of /healthz, /livez and /readyz; 0 for none.
    #[arg(long, env = "ARPEGGIO_HEALTH_PROBE_PORT", value_name = "PORT", default_value_t = 17472)]
    pub health_probe_port: u16,
    /// Time after the leader's last renewal at which another replica may lead.
    #[arg(long, env = "ARPEGGIO_LEADER_ELECT_LEASE_DURATION", value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub leader_elect_lease_duration: Duration,
    /// Time after its last renewal at which the leader stops to lead.
    #[arg(long, env = "ARPEGGIO_LEADER_ELECT_RENEW_DEADLINE", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub leader_elect_renew_deadline: Duration,
    /// Time between two renewals of the leader's lease.
    #[arg(long, env = "ARPEGGIO_LEADER_ELECT_RETRY_PERIOD", value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub leader_elect_retry_period: Duration,
    /// Most writing requests at the same time.
    #[arg(long, env = "ARPEGGIO_WRITE_CONNECTIONS", value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..=512))]
    pub write_connections: u16,
    /// Secret with the shared key of the speakers, which the controller creates and rotates; empty: none.
    #[arg(long, env = "ARPEGGIO_SUCCESSION_SECRET", value_name = "NAME", default_value = names::KEY_SECRET)]
    pub succession_secret: String,
    /// Shortest time of each step of a rotation, for tests.
    #[arg(long, hide = true, value_name = "TIME", value_parser = duration)]
    pub succession_key_dwell: Option<Duration>,
    /// all, error, warn, info, debug, trace, none, or a filter such as `info,arpeggio_controller::leader=debug`.
    #[arg(long, env = "ARPEGGIO_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    pub log_level: String,
    /// Format of log lines.
    #[arg(long, env = "ARPEGGIO_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// Name of this pod, for the lease and for events [default: the host name]
    #[arg(long, env = "ARPEGGIO_POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub webhook: WebhookArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub tls: TlsArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub ignored: Ignored,
}

/// Flags of MetalLB's controller for what there is not (a memberlist).
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[expect(missing_docs, reason = "they are MetalLB's and do nothing")]
pub struct Ignored {
    #[arg(long, hide = true, env = "METALLB_ML_SECRET_NAME")]
    pub ml_secret_name: Option<String>,
    #[arg(long, hide = true, env = "METALLB_DEPLOYMENT")]
    pub deployment: Option<String>,
    #[arg(long, hide = true)]
    pub pprof_bind_address: Option<String>,
    #[arg(long, hide = true)]
    pub tls_curve_preferences: Option<String>,
}

impl Ignored {
    /// Names of those that were given.
    fn given(&self) -> Vec<&'static str> {
        let Self { ml_secret_name, deployment, pprof_bind_address, tls_curve_preferences } = self;
        [
            ("--ml-secret-name", ml_secret_name),
            ("--deployment", deployment),
            ("--pprof-bind-address", pprof_bind_address),
            ("--tls-curve-preferences", tls_curve_preferences),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.is_some().then_some(name))
        .collect()
    }
}

/// What to run with: checked, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `None`: that of the pod, else the usual places.
    pub kubeconfig: Option<PathBuf>,
    /// Of pools, advertisements and leases.
    pub namespace: String,
    /// What decisions depend on.
    pub settings: Settings,
    /// Where metrics are served.
    pub metrics: MetricsArgs,
    /// Versions and cipher suites of everything that is served with TLS.
    pub tls: tls::Parameters,
    /// `None`: not served.
    pub probe_port: Option<u16>,
    /// Of the leader election.
    pub times: Times,
    /// Requests at the same time.
    pub connections: usize,
    /// The Secret with the key of the speakers; `None`: there is none.
    pub key_secret: Option<String>,
    /// How fast that key is rolled out and replaced.
    pub key_pace: Pace,
    /// A word of MetalLB's, or a filter of tracing.
    pub log_level: String,
    /// Format of log lines.
    pub log_format: LogFormat,
    /// Name of this pod or machine; a process adds something of its own to it.
    pub instance: String,
    /// `None`: no webhooks.
    pub webhooks: Option<served::Settings>,
    /// Serve them and do nothing else.
    pub only_webhooks: bool,
    /// Flags that were given and do nothing.
    pub ignored: Vec<&'static str>,
}

/// A value that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Of the leader election.
    #[error("--leader-elect-*: {0}")]
    Times(#[from] crate::leader::TimesFault),
    /// Of TLS.
    #[error(transparent)]
    Tls(#[from] TlsArgsError),
}

impl Args {
    /// Completes and checks: the only place that looks at files and the machine.
    ///
    /// # Errors
    /// If values do not fit together.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let read = |path| std::fs::read_to_string(path).ok();
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        self.resolve_with(
            || variable("METALLB_NAMESPACE").or_else(|| read(SERVICE_ACCOUNT_NAMESPACE)),
            || variable("METALLB_POD_NAME").or_else(|| read(HOST_NAME)),
        )
    }

    fn resolve_with(
        self,
        pod_namespace: impl Fn() -> Option<String>,
        host_name: impl Fn() -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let Self {
            kubeconfig,
            namespace,
            lb_class,
            ignore_exclude_lb,
            health_probe_port,
            leader_elect_lease_duration,
            leader_elect_renew_deadline,
            leader_elect_retry_period,
            write_connections,
            succession_secret,
            succession_key_dwell,
            log_level,
            log_format,
            pod_name,
            webhook,
            metrics,
            tls,
            ignored,
        } = self;
        let tls = tls.parameters()?;
        let only_webhooks = webhook.webhook_mode == Mode::OnlyWebhook;
        let word = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Config {
            kubeconfig,
            namespace: word(namespace).or_else(|| word(pod_namespace())).unwrap_or_else(|| names::NAMESPACE.to_owned()),
            settings: Settings { class: word(Some(lb_class)), ignore_exclude_label: ignore_exclude_lb },
            metrics,
            probe_port: Some(health_probe_port).filter(|port| *port != 0),
            times: Times::new(leader_elect_lease_duration, leader_elect_renew_deadline, leader_elect_retry_period)?,
            connections: usize::from(write_connections),
            key_secret: word(Some(succession_secret)),
            key_pace: Pace { dwell: succession_key_dwell.unwrap_or(Pace::DEFAULT.dwell), ..Pace::DEFAULT },
            log_level,
            log_format,
            instance: word(pod_name).or_else(|| word(host_name())).unwrap_or_else(|| "controller".to_owned()),
            webhooks: webhook.resolve(&tls),
            tls,
            only_webhooks,
            ignored: ignored.given(),
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
