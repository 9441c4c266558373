//! What can be typed, as plain data.
//!
//! Exit codes: 0 all is well, 1 the report names a problem, 2 the cluster cannot be asked or the command line is wrong.

use std::{path::PathBuf, time::Duration};

use arpeggio_common::{api::names, program::duration};
use clap::{Parser, Subcommand, ValueEnum};

/// Shows what Arpeggio does in a cluster, why, and what a change would do.
///
/// Talks to the API server only. Exit code 0: all is well; 1: the report names a problem; 2: the cluster cannot be asked.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubectl-arpeggio", bin_name = "kubectl arpeggio", version, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap shows the text above a flattened field as the text of the whole command")]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every subcommand.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Kubernetes configuration to use [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of that configuration
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of Arpeggio, its pools and advertisements
    #[arg(long, global = true, env = "ARPEGGIO_NAMESPACE", value_name = "NAME", default_value = names::NAMESPACE)]
    pub system_namespace: String,
    /// Form of the report
    #[arg(short, long, global = true, value_enum, default_value_t = Form::Table)]
    pub output: Form,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Tables for people.
    #[default]
    Table,
    /// Tables with more columns.
    Wide,
    /// JSON for programs.
    Json,
    /// YAML.
    Yaml,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show controllers, speakers, pools and addresses; problems first
    Status,
    /// Explain who answers for a Service or an address, or why nobody does
    Explain {
        /// NAMESPACE/NAME or NAME of a Service, or an address
        subject: String,
        /// Namespace of the Service [default: that of the context]
        #[arg(short, long, value_name = "NAME")]
        namespace: Option<String>,
    },
    /// Show what a change would do to Services, before it is made; changes nothing
    ///
    /// Decides as the controller does, on the cluster and the files together. Exit code 1: a Service would lose its address, get
    /// another one, or fall silent, or an object would be refused.
    Plan {
        /// File or directory with objects to be applied; `-` is the standard input
        #[arg(short, long, value_name = "FILE|DIR", required_unless_present_any = ["node_down", "evacuate"])]
        filename: Vec<PathBuf>,
        /// The files are the whole configuration: what is not in them is deleted
        #[arg(long, requires = "filename")]
        prune: bool,
        /// A node whose speaker dies
        #[arg(long, value_name = "NODE")]
        node_down: Vec<String>,
        /// A node that is evacuated
        #[arg(long, value_name = "NODE")]
        evacuate: Vec<String>,
    },
    /// Let other nodes take over everything that a node owns (annotation arpeggio.io/evacuate)
    Evacuate {
        /// The node
        node: String,
        /// End the evacuation
        #[arg(long)]
        undo: bool,
        /// Wait until the node owns nothing that another node may take
        #[arg(long, conflicts_with = "undo")]
        wait: bool,
        /// Longest time to wait
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
        timeout: Duration,
    },
    /// Move from MetalLB
    Migrate {
        /// What to do
        #[command(subcommand)]
        step: Step,
    },
    /// Write objects, logs and versions into a directory, without secrets
    Diagnose {
        /// The directory; it is created
        directory: PathBuf,
    },
    /// Print the completion script of a shell
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// A step of the move from MetalLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Step {
    /// Say what will be different, what is refused, and which flags go where; changes nothing
    Check,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
        let read = |line: &str| Args::try_parse_from(line.split(' '));
        assert!(read("kubectl-arpeggio plan").is_err(), "nothing is to be planned");
        assert!(read("kubectl-arpeggio plan --prune --evacuate a").is_err());
        assert!(read("kubectl-arpeggio evacuate a --undo --wait").is_err());
        let args = read("kubectl-arpeggio plan -f a -f b --node-down c -o json").unwrap();
        assert_eq!(args.global.output, Form::Json);
        let Command::Plan { filename, node_down, .. } = args.command else { panic!("{args:?}") };
        assert_eq!((filename.len(), node_down.len()), (2, 1));
    }
}
