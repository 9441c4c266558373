//! What can be typed: subcommands and flags, as plain data. Nothing is looked up or decided here.
//!
//! Every flag has an environment variable `ARPEGGIO_<FLAG>`; the flag wins. Exit codes: 0 success, 1 the answer is "no" or
//! something failed, 2 the command line is wrong.

mod bgp;
mod cluster;
mod metallb;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use arpeggio_common::{
    abi::DEFAULT_CAPACITY,
    model::{InterfaceName, NodeName},
    program::{LogFormat, duration},
    serve::{MetricsArgs, TlsArgs},
};
use clap::{Parser, Subcommand, ValueEnum};

pub use self::{
    bgp::{BgpArgs, Target},
    cluster::ClusterArgs,
    metallb::{MetallbArgs, with_command},
};

use crate::world::{AttachPolicy, Preset};

/// The node agent of Arpeggio: answers ARP requests and IPv6 neighbour solicitations for service addresses in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "speaker", version, max_term_width = 100, arg_required_else_help = true, subcommand_required = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the agent in the foreground until SIGTERM or SIGINT; SIGHUP reads its files again.
    ///
    /// With --config, the agent follows that file. Without it, the agent reads Announcements from the Kubernetes API and writes
    /// the status of this node there.
    Run(Box<RunArgs>),
    /// Show what this node announces: agent, lease, interfaces, addresses and their counters.
    ///
    /// Asks the running agent. Without an agent, shows the pinned maps and says so. Exit code 0 when there is no problem,
    /// 1 otherwise.
    Status(StatusArgs),
    /// Explain why a node announces an address, or why no node does: the whole chain, and a verdict.
    ///
    /// Asks the running agent, which asks the segment as a client would. Without an agent, shows the pinned maps. Exit code 0
    /// when exactly the right node answers, 1 otherwise.
    Explain(ExplainArgs),
    /// Check whether this machine can run the agent, and how well. Changes nothing.
    ///
    /// Exit code 0 when the agent can run (with or without warnings), 1 otherwise.
    Check(CheckArgs),
    /// Let other nodes take over every address of this node, without a gap.
    ///
    /// The node answers clients until a successor claims an address. Evacuation lasts until --undo or the next start of the
    /// agent. To make it last longer, write `succession: {evacuate: true}` into the configuration. Exit code 1 when no other
    /// node took over an address.
    Evacuate(EvacuateArgs),
    /// Remove every program, link and map that the agent pinned, and nothing else.
    ///
    /// Refuses while an agent is running. Without --yes, only lists what it would remove.
    Cleanup(CleanupArgs),
    /// Print the version, the layout version of the maps and the build target.
    Version,
}

/// Where the agent keeps what outlives it.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Places {
    /// Directory on a bpffs below which programs, links and maps are pinned.
    #[arg(long, env = "ARPEGGIO_PIN_DIR", value_name = "DIR", default_value = "/sys/fs/bpf/arpeggio")]
    pub pin_dir: PathBuf,
    /// Directory of the control socket.
    #[arg(long, env = "ARPEGGIO_RUN_DIR", value_name = "DIR", default_value = RUN_DIR)]
    pub run_dir: PathBuf,
}

/// Where `--run-dir` is by itself.
const RUN_DIR: &str = "/run/arpeggio";
/// Where `--state-dir` is by itself. Unlike the other, it outlives a reboot of the node.
const STATE_DIR: &str = "/var/lib/arpeggio";

/// Which interfaces take part and how the program is attached to them.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Attachment {
    /// How to attach the program to interfaces that the configuration does not name.
    #[arg(long, env = "ARPEGGIO_ATTACH", value_enum, default_value_t = Attach::Auto)]
    pub attach: Attach,
    /// MetalLB's list of excluded interfaces (`announcedInterfacesToExclude`). Without the file, none is excluded.
    #[arg(
        long,
        env = "ARPEGGIO_EXCLUDE_INTERFACES",
        value_name = "FILE",
        default_value = "/etc/metallb/excludel2.yaml"
    )]
    pub exclude_interfaces: PathBuf,
}

/// `speaker run`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct RunArgs {
    /// YAML file with addresses, candidates and interfaces, read again when it changes [default: the Kubernetes API]
    #[arg(long, env = "ARPEGGIO_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name of this node among the candidates [default: $METALLB_NODE_NAME, else that in the file, else the host name]
    #[arg(long, env = "ARPEGGIO_NODE_NAME", value_name = "NAME", value_parser = node_name)]
    pub node_name: Option<NodeName>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub places: Places,
    /// Directory of the last good configuration and of the snapshot of the API. It should outlive a reboot [default:
    /// /var/lib/arpeggio; --run-dir if that is not /run/arpeggio]
    #[arg(long, env = "ARPEGGIO_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub attachment: Attachment,
    /// Addresses that fit into the maps: both families together, each counted once per interface.
    #[arg(long, env = "ARPEGGIO_CAPACITY", value_name = "N", default_value_t = DEFAULT_CAPACITY,
          value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub capacity: u32,
    /// Time after the last renewal of its lease until which the kernel answers.
    #[arg(long, env = "ARPEGGIO_LEASE", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub lease: Duration,
    /// Time between two renewals of that lease by the agent.
    #[arg(long, env = "ARPEGGIO_LEASE_RENEW", value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub lease_renew: Duration,
    /// Pace of a takeover by another node, unless the configuration sets it.
    #[arg(long, env = "ARPEGGIO_FAILOVER", value_enum, default_value_t = Preset::Default)]
    pub failover: Preset,
    /// Time between two heartbeats to an owner [default: that of --failover]
    #[arg(long, env = "ARPEGGIO_HEARTBEAT", value_name = "TIME", value_parser = duration)]
    pub heartbeat: Option<Duration>,
    /// Unanswered heartbeats in a row before another node takes over [default: that of --failover]
    #[arg(long, env = "ARPEGGIO_HEARTBEAT_MISSES", value_name = "N")]
    pub heartbeat_misses: Option<u32>,
    /// File with the shared keys of the nodes, unless the configuration names one. It need not exist.
    #[arg(long, env = "ARPEGGIO_SUCCESSION_KEYS", value_name = "FILE")]
    pub succession_keys: Option<PathBuf>,
    /// What stays in the kernel when the agent is stopped.
    #[arg(long, env = "ARPEGGIO_ON_EXIT", value_enum, default_value_t = OnExit::Keep)]
    pub on_exit: OnExit,
    /// none, error, warn, info, debug, all, or a filter such as `info,arpeggio_speaker::world=debug`.
    #[arg(long, env = "ARPEGGIO_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    pub log_level: String,
    /// Format of log lines.
    #[arg(long, env = "ARPEGGIO_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Whether the kernel program logs rare verdicts. Takes effect when the program is loaded.
    #[arg(long, env = "ARPEGGIO_PROGRAM_LOG", value_enum, default_value_t = ProgramLog::Off)]
    pub program_log: ProgramLog,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub bgp: BgpArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub tls: TlsArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub metallb: MetallbArgs,
}

/// `speaker status`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct StatusArgs {
    /// Show these addresses only.
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<IpAddr>,
    /// Show these interfaces only; may be repeated.
    #[arg(long = "interface", short, value_name = "NAME", value_parser = interface_name)]
    pub interfaces: Vec<InterfaceName>,
    /// Format of the output.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub places: Places,
}

/// `speaker explain`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct ExplainArgs {
    /// IPv4 or IPv6 address, or a prefix that BGP peers get.
    #[arg(value_name = "ADDRESS|PREFIX")]
    pub target: Target,
    /// Check this interface only [default: every interface on which the address is announced]
    #[arg(long, short, value_name = "NAME", value_parser = interface_name)]
    pub interface: Option<InterfaceName>,
    /// Format of the output.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub places: Places,
}

/// `speaker check`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct CheckArgs {
    /// Look at these interfaces only; may be repeated [default: all]
    #[arg(long = "interface", short, value_name = "NAME", value_parser = interface_name)]
    pub interfaces: Vec<InterfaceName>,
    /// Format of the output.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub places: Places,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub attachment: Attachment,
}

/// `speaker evacuate`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct EvacuateArgs {
    /// Wait until this node owns no address.
    #[arg(long)]
    pub wait: bool,
    /// End the evacuation.
    #[arg(long, conflicts_with = "wait")]
    pub undo: bool,
    /// Let go of addresses that no other node can take over. No node answers for them then.
    #[arg(long, conflicts_with = "undo")]
    pub force: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub places: Places,
}

/// `speaker cleanup`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct CleanupArgs {
    /// Remove the files. Without this flag, only list them.
    #[arg(long, short)]
    pub yes: bool,
    /// Remove them while an agent is running. The agent restores them.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub places: Places,
}

/// How to attach to an interface; see [`AttachPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attach {
    /// The first mode that works: native, tcx, generic, user.
    Auto,
    /// XDP in the driver only.
    Native,
    /// tcx ingress only (Linux 6.6).
    Tcx,
    /// XDP after the driver only.
    Generic,
    /// A raw socket of the agent only, without BPF.
    User,
}

impl From<Attach> for AttachPolicy {
    fn from(attach: Attach) -> Self {
        match attach {
            Attach::Auto => Self::Auto,
            Attach::Native => Self::Native,
            Attach::Tcx => Self::Tcx,
            Attach::Generic => Self::Generic,
            Attach::User => Self::User,
        }
    }
}

/// What stays in the kernel when the agent is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnExit {
    /// Everything: the kernel answers until the lease ends, and the next agent continues without a gap.
    Keep,
    /// Nothing: the kernel stops to answer at once.
    Withdraw,
}

/// What the kernel program logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgramLog {
    /// Nothing, at no cost.
    Off,
    /// Rare verdicts, never an answered request.
    Debug,
}

/// Format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text for people.
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

fn node_name(text: &str) -> Result<NodeName, String> {
    NodeName::try_from(text).map_err(|error| error.to_string())
}

fn interface_name(text: &str) -> Result<InterfaceName, String> {
    InterfaceName::try_from(text).map_err(|error| error.to_string())
}

impl RunArgs {
    /// Where the state is kept: who chose a run directory has all files of this agent there unless told otherwise.
    pub fn state_dir(&self) -> &Path {
        let unsaid =
            if self.places.run_dir == Path::new(RUN_DIR) { Path::new(STATE_DIR) } else { &self.places.run_dir };
        self.state_dir.as_deref().unwrap_or(unsaid)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Args::try_parse_from(line.split_whitespace()).map(|args| args.command).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_daemonset_of_the_manifests_runs_the_agent() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/speaker/daemonset.yaml");
        let daemonset: serde_json::Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let container = &daemonset["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["command"][0], "/speaker");
        let words = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        let Ok(args) = Args::try_parse_from(std::iter::once("speaker").chain(words)) else { panic!("not understood") };
        let Command::Run(run) = args.command else { panic!("not run") };
        let mounted = |path: &Path| {
            let mounts = container["volumeMounts"].as_array().unwrap();
            mounts.iter().any(|mount| path.starts_with(mount["mountPath"].as_str().unwrap()))
        };
        assert_eq!(run.config, None);
        let settings = run.cluster.settings.as_deref().unwrap();
        let Places { pin_dir, run_dir } = &run.places;
        let keys = run.succession_keys.as_deref().unwrap();
        let exclude = run.attachment.exclude_interfaces.as_path();
        for path in [pin_dir, run_dir, run.state_dir(), exclude, settings, keys] {
            assert!(mounted(path), "{} is not mounted", path.display());
        }
        // Every variable is one that is read.
        let command = Args::command();
        let flags = command.find_subcommand("run").unwrap().get_arguments();
        let known: Vec<_> = flags.filter_map(|flag| flag.get_env()?.to_str()).collect();
        for variable in container["env"].as_array().unwrap() {
            assert!(known.contains(&variable["name"].as_str().unwrap()), "{variable} is not read");
        }
    }

    #[test]
    fn run_needs_nothing() {
        let Ok(Command::Run(run)) = parse("speaker run --config /etc/arpeggio.yaml") else { panic!("not run") };
        assert_eq!(run.config.as_deref(), Some(Path::new("/etc/arpeggio.yaml")));
        assert_eq!(run.places.pin_dir, Path::new("/sys/fs/bpf/arpeggio"));
        assert_eq!(run.places.run_dir, Path::new("/run/arpeggio"));
        assert_eq!(run.state_dir(), Path::new("/var/lib/arpeggio"));
        assert_eq!(run.attachment.exclude_interfaces, Path::new("/etc/metallb/excludel2.yaml"));
        assert_eq!((run.lease, run.lease_renew), (Duration::from_secs(10), Duration::from_secs(1)));
        assert_eq!((run.capacity, run.on_exit, run.node_name), (16_384, OnExit::Keep, None));
        assert_eq!(AttachPolicy::from(run.attachment.attach), AttachPolicy::Auto);
        assert_eq!(
            (run.log_level.as_str(), run.log_format, run.program_log),
            ("info", LogFormat::Text, ProgramLog::Off)
        );
        let Ok(Command::Run(run)) = parse("speaker run") else { panic!("not run") };
        let ClusterArgs { kubeconfig, namespace, settings, health_probe_port, .. } = run.cluster;
        assert_eq!((run.config, kubeconfig, namespace, settings, health_probe_port), (None, None, None, None, None));
        let lease = (run.cluster.speaker_lease_duration, run.cluster.speaker_lease_renew);
        assert_eq!(lease, (Duration::from_secs(10), Duration::from_secs(2)));
        assert_eq!(run.metallb.given(), [""; 0]);
        assert_eq!((run.bgp.frr_socket_dir.as_path(), run.bgp.ignore_exclude_lb), (Path::new("/run/frr"), false));
    }

    #[test]
    fn the_arguments_of_metallbs_daemonset_run_the_agent() {
        let line = "speaker --port=7472 --log-level=info --lb-class=x --ml-wan-config --ignore-exclude-lb=false --host 1.2.3.4";
        let line = with_command(line.split_whitespace().map(Into::into));
        let Ok(Command::Run(run)) = Args::try_parse_from(line).map(|args| args.command) else { panic!("not run") };
        assert_eq!(run.metallb.given(), ["--host", "--lb-class", "--ml-wan-config"]);
        assert!(!run.bgp.ignore_exclude_lb);
        assert_eq!(run.metrics.https(true), Some(7472));
        assert_eq!(run.log_level, "info");
        for line in ["speaker --version", "speaker --help", "speaker status", "speaker"] {
            let words: Vec<std::ffi::OsString> = line.split_whitespace().map(Into::into).collect();
            assert_eq!(with_command(words.clone()), words);
        }
    }

    #[test]
    fn everything_can_be_said() {
        let line = "speaker run --config c --node-name node-a --pin-dir /p --run-dir /r --attach tcx --exclude-interfaces /x \
                    --capacity 10 --lease 500ms --lease-renew 100ms --on-exit withdraw --log-level debug --log-format json \
                    --program-log debug --failover fast --heartbeat 15ms --heartbeat-misses 4";
        let Ok(Command::Run(run)) = parse(line) else { panic!("not run") };
        assert_eq!(run.node_name, Some(NodeName::try_from("node-a").unwrap()));
        assert_eq!((run.places.pin_dir.as_path(), run.places.run_dir.as_path()), (Path::new("/p"), Path::new("/r")));
        assert_eq!(run.state_dir(), Path::new("/r"), "everything of this agent is there");
        let Ok(Command::Run(apart)) = parse("speaker run --run-dir /r --state-dir /s") else { panic!("not run") };
        assert_eq!(apart.state_dir(), Path::new("/s"));
        assert_eq!((run.attachment.attach, run.capacity, run.on_exit), (Attach::Tcx, 10, OnExit::Withdraw));
        assert_eq!((run.lease, run.lease_renew), (Duration::from_millis(500), Duration::from_millis(100)));
        assert_eq!((run.log_format, run.program_log), (LogFormat::Json, ProgramLog::Debug));
        let pace = (run.failover, run.heartbeat, run.heartbeat_misses);
        assert_eq!(pace, (Preset::Fast, Some(Duration::from_millis(15)), Some(4)));

        let Ok(Command::Status(status)) = parse("speaker status 192.0.2.1 2001:db8::1 -i eth0 -i eth1 -o yaml") else {
            panic!("not status")
        };
        assert_eq!((status.addresses.len(), status.interfaces.len(), status.output), (2, 2, Output::Yaml));
        let Ok(Command::Explain(explain)) = parse("speaker explain 2001:db8::1 --interface eth0 -o json") else {
            panic!("not explain")
        };
        assert_eq!((explain.target, explain.output), ("2001:db8::1".parse().unwrap(), Output::Json));
        assert_eq!(explain.interface, Some(InterfaceName::try_from("eth0").unwrap()));
        let Ok(Command::Explain(explain)) = parse("speaker explain 192.0.2.7/24") else { panic!("not explain") };
        assert_eq!(explain.target, Target::Prefix("192.0.2.0/24".parse().unwrap()));
        let Ok(Command::Cleanup(cleanup)) = parse("speaker cleanup --yes --force") else { panic!("not cleanup") };
        assert!(cleanup.yes && cleanup.force);
        let Ok(Command::Evacuate(evacuate)) = parse("speaker evacuate --wait --force") else { panic!("not evacuate") };
        assert!(evacuate.wait && evacuate.force && !evacuate.undo);
        assert_eq!(parse("speaker version"), Ok(Command::Version));
    }

    #[test]
    fn wrong_values_are_refused_with_a_remedy() {
        for (line, remedy) in [
            ("speaker run --config c --lease 10", "like 500ms or 10s"),
            ("speaker run --config c --lease 0s", "at least 1ms"),
            ("speaker run --config c --capacity 0", "1..=1048576"),
            ("speaker run --config c --node-name A_b", "lower-case"),
            ("speaker run --config c --attach fast", "native"),
            ("speaker status -i a/b", "without '/'"),
            ("speaker run --config c --failover quick", "fastest"),
            ("speaker evacuate --wait --undo", "cannot be used with"),
            ("speaker evacuate --force --undo", "cannot be used with"),
            ("speaker run --config c --kubeconfig k", "cannot be used with"),
            ("speaker run --health-probe-port 70000", "70000"),
            ("speaker status 192.0.2.300", "ADDRESS"),
            ("speaker explain", "ADDRESS"),
            ("speaker explain 192.0.2.1/33", "192.0.2.0/24"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(remedy), "{line}: {error}");
        }
    }

    #[test]
    fn every_flag_of_run_has_its_variable() {
        let command = Args::command();
        let run = command.find_subcommand("run").unwrap();
        let shown = run.get_arguments().filter(|argument| !argument.is_hide_set());
        for argument in shown.filter(|argument| argument.get_long().is_some_and(|long| long != "help")) {
            let expected = format!("ARPEGGIO_{}", argument.get_long().unwrap().replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env(), Some(std::ffi::OsStr::new(&expected)));
        }
    }
}
