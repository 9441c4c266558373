//! `speaker status`: what the running agent says, or what stands in the pinned maps when there is none.

use std::{io::Write, path::Path};

use super::{Answer, TellError, output, pinned};
use crate::{
    args::StatusArgs,
    status::{ClientError, Facts, Filter, Nothing, Request, Response, StatusReport, ask, render},
};

/// Writes the status to `out`. [`Answer::Yes`] when the agent runs and nothing is wrong. Needs a current-thread runtime.
///
/// # Errors
/// See [`TellError`]. That no agent runs is none.
pub async fn status(args: &StatusArgs, out: &mut impl Write) -> Result<Answer, TellError> {
    let filter = Filter {
        addresses: args.addresses.iter().map(|address| address.to_canonical()).collect(),
        interfaces: args.interfaces.iter().map(ToString::to_string).collect(),
    };
    let report = report(&args.places.run_dir, &args.places.pin_dir).await?;
    let answer = Answer::when(report.is_healthy());
    let table = render(&report, &filter);
    output::write(out, args.output, &report.filtered(&filter), || table)?;
    Ok(answer)
}

async fn report(run_dir: &Path, pin_dir: &Path) -> Result<StatusReport, TellError> {
    match ask(run_dir, &Request::Status(Nothing {})).await {
        Ok(Response::Status(report)) => Ok(*report),
        Ok(other @ (Response::Evacuation(_) | Response::Explain(_) | Response::Error { .. })) => {
            Err(ClientError::unexpected(&other).into())
        }
        Err(error) => {
            let Some(silence) = error.silence() else { return Err(error.into()) };
            let facts = Facts { silence, ..pinned::facts(pin_dir).await? };
            Ok(StatusReport::new(&facts, env!("CARGO_PKG_VERSION")))
        }
    }
}
