//! Flags of MetalLB's speaker that mean nothing here. They are taken, so that the arguments of an existing DaemonSet still
//! start the agent, and told once (MetalLB behaviour 6.2).

use std::ffi::OsString;

/// Flags without an effect; all are hidden from the help.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[expect(missing_docs, reason = "what each was for is told by MetalLB's documentation; here none does anything")]
pub struct MetallbArgs {
    #[arg(long, hide = true)]
    pub bgp_debounce_timeout: Option<String>,
    #[arg(long, hide = true)]
    pub frrk8s_namespace: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub frrk8s_secret_passthrough: Option<String>,
    #[arg(long, hide = true)]
    pub host: Option<String>,
    #[arg(long, hide = true)]
    pub lb_class: Option<String>,
    #[arg(long, hide = true)]
    pub ml_bindaddr: Option<String>,
    #[arg(long, hide = true)]
    pub ml_bindport: Option<String>,
    #[arg(long, hide = true)]
    pub ml_labels: Option<String>,
    #[arg(long, hide = true)]
    pub ml_secret_key_path: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ml_wan_config: Option<String>,
    #[arg(long, hide = true)]
    pub pod_name: Option<String>,
    #[arg(long, hide = true)]
    pub pprof_bind_address: Option<String>,
    #[arg(long, hide = true)]
    pub tls_curve_preferences: Option<String>,
}

impl MetallbArgs {
    /// Those that were given, with their dashes.
    pub fn given(&self) -> Vec<&'static str> {
        let Self {
            bgp_debounce_timeout,
            frrk8s_namespace,
            frrk8s_secret_passthrough,
            host,
            lb_class,
            ml_bindaddr,
            ml_bindport,
            ml_labels,
            ml_secret_key_path,
            ml_wan_config,
            pod_name,
            pprof_bind_address,
            tls_curve_preferences,
        } = self;
        let flags = [
            ("--bgp-debounce-timeout", bgp_debounce_timeout),
            ("--frrk8s-namespace", frrk8s_namespace),
            ("--frrk8s-secret-passthrough", frrk8s_secret_passthrough),
            ("--host", host),
            ("--lb-class", lb_class),
            ("--ml-bindaddr", ml_bindaddr),
            ("--ml-bindport", ml_bindport),
            ("--ml-labels", ml_labels),
            ("--ml-secret-key-path", ml_secret_key_path),
            ("--ml-wan-config", ml_wan_config),
            ("--pod-name", pod_name),
            ("--pprof-bind-address", pprof_bind_address),
            ("--tls-curve-preferences", tls_curve_preferences),
        ];
        flags.into_iter().filter(|(_, value)| value.is_some()).map(|(flag, _)| flag).collect()
    }
}

/// A command line of MetalLB's speaker has flags and no subcommand: it runs the agent.
pub fn with_command(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut line: Vec<OsString> = line.into_iter().collect();
    let own = ["--help", "--version"];
    let flag = line
        .get(1)
        .and_then(|first| first.to_str())
        .is_some_and(|first| first.starts_with("--") && !own.contains(&first));
    if flag {
        line.insert(1, "run".into());
    }
    line
}
