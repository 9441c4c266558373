//! `speaker cleanup`: takes away what the agent pinned, and says what it left alone.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::{Answer, OutputError, output};
use crate::{
    args::CleanupArgs,
    dataplane::{self, CleanupReport, PinsError, Sweep},
    status::{ClientError, Nothing, Request, ask},
};

/// Why nothing was cleaned up.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The agent would put everything back, and clients would miss answers meanwhile.
    #[error("an agent is running with the run directory {}; stop it first, or give --force", run_dir.display())]
    Running {
        /// The run directory.
        run_dir: PathBuf,
    },
    /// It cannot be told whether an agent is running.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The pin directory cannot be read.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// The result cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Removes, or without `--yes` lists, everything of ours below the pin directory. [`Answer::No`] when something could not be
/// removed.
///
/// # Errors
/// See [`CleanupError`]. Nothing was removed then.
pub async fn cleanup(args: &CleanupArgs, out: &mut impl Write) -> Result<Answer, CleanupError> {
    let places = &args.places;
    if args.yes && !args.force && is_running(&places.run_dir).await? {
        return Err(CleanupError::Running { run_dir: places.run_dir.clone() });
    }
    let sweep = if args.yes { Sweep::Remove } else { Sweep::List };
    let report = dataplane::cleanup(&places.pin_dir, sweep)?;
    output::text(out, &text(&report, sweep, &places.pin_dir))?;
    Ok(Answer::when(report.failed.is_empty()))
}

/// Whether anybody listens, however little sense it makes what comes back.
async fn is_running(run_dir: &Path) -> Result<bool, ClientError> {
    match ask(run_dir, &Request::Status(Nothing {})).await {
        Err(ClientError::NotRunning { .. }) => Ok(false),
        Err(error @ ClientError::Denied { .. }) => Err(error),
        Ok(_)
        | Err(
            ClientError::Broken { .. }
            | ClientError::Stopped { .. }
            | ClientError::Silent { .. }
            | ClientError::Foreign { .. }
            | ClientError::Refused(_),
        ) => Ok(true),
    }
}

fn text(report: &CleanupReport, sweep: Sweep, pin_dir: &Path) -> String {
    let (verb, hint) = match sweep {
        Sweep::List => ("would remove", "Nothing was changed; give --yes to remove this.\n"),
        Sweep::Remove => ("removed", ""),
    };
    let mut text = String::new();
    for path in &report.removed {
        text += &format!("{verb} {}\n", path.display());
    }
    for path in &report.foreign {
        text += &format!("left alone {}: not ours\n", path.display());
    }
    for (path, reason) in &report.failed {
        text += &format!("could not remove {}: {reason}\n", path.display());
    }
    match (report.removed.is_empty(), report.failed.is_empty()) {
        (true, true) => text + &format!("Nothing of ours is pinned below {}.\n", pin_dir.display()),
        (false, _) => text + hint,
        (true, false) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::Places,
        status::{ControlSocket, SOCKET_NAME},
    };

    fn args(folder: &Path, yes: bool, force: bool) -> CleanupArgs {
        CleanupArgs { yes, force, places: Places { pin_dir: folder.join("pins"), run_dir: folder.to_owned() } }
    }

    #[test]
    fn every_outcome_is_told() {
        let report = CleanupReport {
            removed: vec!["/b/v1/links/tcx-2".into(), "/b/v1/VIPS4".into()],
            foreign: vec!["/b/other".into()],
            failed: vec![("/b/v1/LEASE".into(), "Operation not permitted".to_owned())],
        };
        assert_eq!(
            text(&report, Sweep::Remove, Path::new("/b")),
            "removed /b/v1/links/tcx-2\nremoved /b/v1/VIPS4\nleft alone /b/other: not ours\n\
             could not remove /b/v1/LEASE: Operation not permitted\n"
        );
        let listed = CleanupReport { failed: vec![], foreign: vec![], ..report.clone() };
        assert_eq!(
            text(&listed, Sweep::List, Path::new("/b")),
            "would remove /b/v1/links/tcx-2\nwould remove /b/v1/VIPS4\nNothing was changed; give --yes to remove this.\n"
        );
        let nothing = CleanupReport { removed: vec![], failed: vec![], ..report };
        assert_eq!(
            text(&nothing, Sweep::Remove, Path::new("/b")),
            "left alone /b/other: not ours\nNothing of ours is pinned below /b.\n"
        );
    }

    #[tokio::test]
    async fn nothing_pinned_is_a_plain_answer() {
        let folder = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        assert_eq!(cleanup(&args(folder.path(), true, false), &mut out).await.unwrap(), Answer::Yes);
        assert!(String::from_utf8(out).unwrap().starts_with("Nothing of ours is pinned below"));
    }

    #[tokio::test]
    async fn a_running_agent_is_not_pulled_from_under() {
        let folder = tempfile::tempdir().unwrap();
        let socket = ControlSocket::bind(folder.path()).unwrap();
        assert!(folder.path().join(SOCKET_NAME).exists());
        // An agent that takes calls and drops them: whatever it answers, it is there.
        let (calls, mut receiver) = tokio::sync::mpsc::channel(1);
        let serving = tokio::spawn(socket.serve(calls));
        let dropping = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
        let mut out = Vec::new();
        let error = cleanup(&args(folder.path(), true, false), &mut out).await.unwrap_err();
        assert!(matches!(error, CleanupError::Running { .. }) && error.to_string().contains("--force"), "{error}");
        assert!(out.is_empty());
        assert_eq!(cleanup(&args(folder.path(), true, true), &mut out).await.unwrap(), Answer::Yes);
        assert_eq!(
            cleanup(&args(folder.path(), false, false), &mut out).await.unwrap(),
            Answer::Yes,
            "listing is harmless"
        );
        dropping.abort();
        serving.abort();
    }
}
