//! Flags for running against the Kubernetes API.

use std::{path::PathBuf, time::Duration};

use super::duration;

/// How the Kubernetes API is reached and what the agent says there; without `--config`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct ClusterArgs {
    /// File with the address of the API server and credentials [default: $KUBECONFIG, else the ServiceAccount of the pod]
    #[arg(long, env = "ARPEGGIO_KUBECONFIG", value_name = "FILE", conflicts_with = "config")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of the leases of the speakers [default: $METALLB_NAMESPACE, else that of the pod, else metallb-system]
    #[arg(long, env = "ARPEGGIO_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// YAML file with settings of this node: the file of static mode without announcements. It need not exist.
    #[arg(long, env = "ARPEGGIO_SETTINGS", value_name = "FILE", conflicts_with = "config")]
    pub settings: Option<PathBuf>,
    /// Port of /healthz, /livez and /readyz on 127.0.0.1; 0 for none [default: 17472, none with --config]
    #[arg(long, env = "ARPEGGIO_HEALTH_PROBE_PORT", value_name = "PORT")]
    pub health_probe_port: Option<u16>,
    /// Time after the last lease renewal at which the controller treats the speaker as dead, with up to 50 nodes; longer with more.
    #[arg(long, env = "ARPEGGIO_SPEAKER_LEASE_DURATION", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub speaker_lease_duration: Duration,
    /// Time between two renewals of the speaker's lease, with up to 50 nodes; 18 ms longer for each further node.
    #[arg(long, env = "ARPEGGIO_SPEAKER_LEASE_RENEW", value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub speaker_lease_renew: Duration,
}
