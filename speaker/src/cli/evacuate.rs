//! `speaker evacuate`: other nodes take over everything that this one owns, without a gap.

use std::{io::Write, path::Path, time::Duration};

use tokio::time::sleep;

use super::{Answer, OutputError};
use crate::{
    args::EvacuateArgs,
    status::{ClientError, Evacuate, EvacuationReport, Nothing, Request, Response, ask},
};

/// How often is looked how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// Why nothing was evacuated.
#[derive(Debug, thiserror::Error)]
pub enum EvacuateError {
    /// The agent does not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The progress cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Asks the agent and, if wanted, waits until nothing is left. [`Answer::No`] when no other node is there to take over, so that
/// nothing was done, and when an address was let go of although no other node claimed it.
///
/// # Errors
/// See [`EvacuateError`].
pub async fn evacuate(args: &EvacuateArgs, out: &mut impl Write) -> Result<Answer, EvacuateError> {
    let directory = args.places.run_dir.as_path();
    let mut report = told(directory, &Request::Evacuate(Evacuate { on: !args.undo, force: args.force })).await?;
    if args.undo {
        let text = if report.evacuating {
            "the configuration has `evacuate: true`; change it there"
        } else {
            "the evacuation ended; this node takes over addresses that prefer it or lose their owner"
        };
        say(out, text)?;
        return Ok(Answer::when(!report.evacuating));
    }
    if let [first, rest @ ..] = report.alone.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        say(
            out,
            &format!(
                "refused: no other candidate can take over {first}{more}; this node answers on. With --force it lets go, and no \
                 node answers"
            ),
        )?;
        return Ok(Answer::No);
    }
    say(out, &progress(&report))?;
    while args.wait && (!report.owned.is_empty() || report.sessions.is_some()) {
        sleep(LOOK).await;
        let before = (report.owned.len(), report.sessions);
        report = told(directory, &Request::Evacuation(Nothing {})).await?;
        if (report.owned.len(), report.sessions) != before {
            say(out, &progress(&report))?;
        }
    }
    for abandoned in &report.abandoned {
        say(out, &format!("no other node claimed {abandoned}: no node answers for it now"))?;
    }
    Ok(Answer::when(report.abandoned.is_empty()))
}

fn progress(report: &EvacuationReport) -> String {
    let owned = match report.owned.as_slice() {
        [] => "this node owns no address".to_owned(),
        [one] => format!("1 address is still owned: {one}"),
        [first, ..] => format!("{} addresses are still owned, {first} first", report.owned.len()),
    };
    match report.sessions {
        None => owned,
        Some(count) => format!("{owned}; BGP peers are being told, {count} sessions are still up"),
    }
}

async fn told(directory: &Path, request: &Request) -> Result<EvacuationReport, ClientError> {
    let response = ask(directory, request).await?;
    if let Response::Evacuation(report) = response { Ok(report) } else { Err(ClientError::unexpected(&response)) }
}

fn say(out: &mut impl Write, line: &str) -> Result<(), OutputError> {
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(OutputError::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_names_what_is_left() {
        let report = |owned: &[&str]| EvacuationReport {
            evacuating: true,
            owned: owned.iter().map(|name| (*name).to_owned()).collect(),
            ..EvacuationReport::default()
        };
        assert_eq!(progress(&report(&[])), "this node owns no address");
        assert_eq!(progress(&report(&["192.0.2.1 on eth0"])), "1 address is still owned: 192.0.2.1 on eth0");
        assert!(progress(&report(&["a", "b"])).starts_with("2 addresses are still owned, a first"));
        let told = EvacuationReport { sessions: Some(2), ..report(&[]) };
        assert_eq!(progress(&told), "this node owns no address; BGP peers are being told, 2 sessions are still up");
    }
}
