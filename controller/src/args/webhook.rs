//! The flags of the webhooks: MetalLB's, with its defaults (behaviour 6.1).

use std::{path::PathBuf, time::Duration};

use arpeggio_common::serve::tls;
use clap::ValueEnum;

use super::duration;
use crate::webhook::{Own, Settings, Source, certificates::decide::Lifetimes};

/// What they say.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Webhooks")]
pub struct WebhookArgs {
    /// Which part of the controller runs.
    #[arg(long, env = "ARPEGGIO_WEBHOOK_MODE", value_enum, value_name = "MODE", default_value_t = Mode::Enabled)]
    pub webhook_mode: Mode,
    /// Port of the webhooks (HTTPS).
    #[arg(long, env = "ARPEGGIO_WEBHOOK_PORT", value_name = "PORT", default_value_t = 9443,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub webhook_port: u16,
    /// Secret with the certificate of the webhooks. It must exist, but may be empty.
    #[arg(long, env = "ARPEGGIO_WEBHOOK_SECRET", value_name = "NAME", default_value = "metallb-webhook-cert")]
    pub webhook_secret: String,
    /// Service of the webhooks. Its name is in the certificate.
    #[arg(long, env = "ARPEGGIO_CERT_SERVICE_NAME", value_name = "NAME", default_value = "metallb-webhook-service")]
    pub cert_service_name: String,
    /// ValidatingWebhookConfiguration that gets the authority of the certificate.
    #[arg(
        long,
        env = "ARPEGGIO_WEBHOOK_CONFIGURATION",
        value_name = "NAME",
        default_value = "metallb-webhook-configuration"
    )]
    pub webhook_configuration: String,
    /// Make no certificate and read one from --cert-dir. Another program then writes its authority into the caBundles.
    #[arg(long, env = "ARPEGGIO_DISABLE_CERT_ROTATION", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true")]
    pub disable_cert_rotation: bool,
    /// Folder with tls.crt and tls.key for --disable-cert-rotation, read again when they change.
    #[arg(
        long,
        env = "ARPEGGIO_CERT_DIR",
        value_name = "FOLDER",
        default_value = "/tmp/k8s-webhook-server/serving-certs"
    )]
    pub cert_dir: PathBuf,
    /// Offer HTTP/2 beside HTTP/1.1 to the API server.
    #[arg(long, env = "ARPEGGIO_WEBHOOK_HTTP2", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true")]
    pub webhook_http2: bool,
    /// Lifetime of the certificate of the webhooks, for tests.
    #[arg(long, hide = true, value_name = "TIME", value_parser = lifetime)]
    pub webhook_cert_lifetime: Option<Duration>,
    /// Lifetime of its authority, for tests.
    #[arg(long, hide = true, value_name = "TIME", value_parser = lifetime)]
    pub webhook_ca_lifetime: Option<Duration>,
}

/// Which part of the controller runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Everything, webhooks included.
    Enabled,
    /// Everything but the webhooks.
    Disabled,
    /// Only the webhooks.
    #[value(name = "onlywebhook")]
    OnlyWebhook,
}

impl WebhookArgs {
    /// What to serve; `None`: nothing.
    pub(super) fn resolve(self, tls: &tls::Parameters) -> Option<Settings> {
        if self.webhook_mode == Mode::Disabled {
            return None;
        }
        let leaf = self.webhook_cert_lifetime.unwrap_or(Lifetimes::DEFAULT.leaf);
        let authority = self.webhook_ca_lifetime.unwrap_or(Lifetimes::DEFAULT.authority);
        let own = Own {
            secret: self.webhook_secret,
            service: self.cert_service_name,
            configuration: self.webhook_configuration,
            lifetimes: Lifetimes { leaf, authority },
        };
        Some(Settings {
            port: self.webhook_port,
            tls: tls::Parameters { http2: self.webhook_http2, ..tls.clone() },
            source: if self.disable_cert_rotation { Source::Files(self.cert_dir) } else { Source::Secret(own) },
        })
    }
}

/// At least so long that a renewal fits into it.
fn lifetime(text: &str) -> Result<Duration, String> {
    duration(text)
        .and_then(|time| if time < Duration::from_secs(20) { Err("must be at least 20s".to_owned()) } else { Ok(time) })
}
