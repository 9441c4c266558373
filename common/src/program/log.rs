//! The log, on standard error.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, filter};

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line, as MetalLB writes them.
    Json,
}

/// A level that is none.
#[derive(Debug, thiserror::Error)]
#[error("--log-level {0:?} is no filter; write error, warn, info, debug or trace, or module=level pairs")]
pub struct LogError(String, #[source] filter::ParseError);

/// Starts the log. `level` is a word of MetalLB's `--log-level` or a filter of tracing.
///
/// # Errors
/// The level cannot be understood.
pub fn start_log(level: &str, format: LogFormat) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(directives(level)).map_err(|error| LogError(level.to_owned(), error))?;
    let colour = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

fn directives(level: &str) -> String {
    match level {
        "all" => "trace".to_owned(),
        "none" => "off".to_owned(),
        // Every attempt that fails is an error to the API's client; what it means is told by whoever made it.
        "error" | "warn" | "info" => format!("{level},kube_client=off,kube_runtime=off"),
        _ => level.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_metallb_and_filters_of_tracing_are_levels() {
        for (level, expected) in [
            ("all", "trace"),
            ("none", "off"),
            ("info", "info,kube_client=off,kube_runtime=off"),
            ("debug", "debug"),
            ("info,arpeggio_speaker::world=debug", "info,arpeggio_speaker::world=debug"),
        ] {
            assert_eq!(directives(level), expected);
        }
    }

    #[test]
    fn what_is_no_level_is_refused_with_a_remedy() {
        let error = start_log("a=b=c", LogFormat::Text).unwrap_err();
        assert!(error.to_string().contains("\"a=b=c\" is no filter; write error, warn"), "{error}");
    }
}
