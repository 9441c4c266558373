//! The asking end of the control socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{sleep, timeout},
};

use super::protocol::{MAX_RESPONSE, Request, Response, SOCKET_NAME};

/// More than the agent itself allows for each of its steps together.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks whether the agent is stopped.
const LOOK: Duration = Duration::from_millis(200);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket, or nobody listens on it.
    #[error(
        "no agent is running with the run directory {directory}; start one with `speaker run`, or give its --run-dir"
    )]
    NotRunning {
        /// The run directory.
        directory: PathBuf,
    },
    /// The socket belongs to somebody else.
    #[error("not allowed to use {path}; run this as the user of the agent or as root")]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// The conversation broke.
    #[error("cannot talk to the agent on {path}")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The agent was stopped, by SIGSTOP or a debugger.
    #[error("the agent on {path} is stopped; let it go on with `kill -CONT {pid}`")]
    Stopped {
        /// The socket.
        path: PathBuf,
        /// The process of the agent.
        pid: i32,
    },
    /// The agent hangs.
    #[error("the agent on {path} did not answer in {PATIENCE:?}; look into its log")]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// The answer is not one.
    #[error("the agent on {path} answered what this version does not understand; use the same version of both")]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The agent says no.
    #[error("the agent refused: {0}")]
    Refused(String),
}

/// Why an agent says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Silence {
    /// Nobody listens on the control socket.
    #[default]
    NotRunning,
    /// It was stopped.
    Stopped {
        /// Its process.
        pid: i32,
    },
    /// It does not answer.
    Hangs,
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRunning => f.write_str("not running"),
            Self::Stopped { pid } => write!(f, "stopped (process {pid}; `kill -CONT {pid}` lets it go on)"),
            Self::Hangs => f.write_str("not answering"),
        }
    }
}

impl ClientError {
    /// Why what is pinned has to speak for the agent: it is not running or does not answer. `None` for any other error.
    pub fn silence(&self) -> Option<Silence> {
        match self {
            Self::NotRunning { .. } => Some(Silence::NotRunning),
            Self::Stopped { pid, .. } => Some(Silence::Stopped { pid: *pid }),
            Self::Silent { .. } => Some(Silence::Hangs),
            Self::Denied { .. } | Self::Broken { .. } | Self::Foreign { .. } | Self::Refused(_) => None,
        }
    }

    /// An answer to another question than was asked.
    pub fn unexpected(response: &Response) -> Self {
        Self::Refused(match response {
            Response::Error { message } => message.clone(),
            Response::Status(_) | Response::Evacuation(_) | Response::Explain(_) => {
                "it answered something else; use the same version of both".to_owned()
            }
        })
    }
}

/// Asks the agent with this run directory. The response is never [`Response::Error`].
///
/// # Errors
/// [`ClientError::NotRunning`] when there is nobody to ask; else what went wrong.
pub async fn ask(directory: &Path, request: &Request) -> Result<Response, ClientError> {
    let path = directory.join(SOCKET_NAME);
    let broken = |source| ClientError::Broken { path: path.clone(), source };
    let stream = UnixStream::connect(&path).await.map_err(|source| {
        let kind = source.kind();
        if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&kind) {
            ClientError::NotRunning { directory: directory.to_owned() }
        } else if kind == io::ErrorKind::PermissionDenied {
            ClientError::Denied { path: path.clone() }
        } else {
            broken(source)
        }
    })?;
    let agent = stream.peer_cred().ok().and_then(|credentials| credentials.pid());
    let answered = tokio::select! {
        answered = timeout(PATIENCE, converse(stream, request)) => answered,
        pid = stopped(agent) => return Err(ClientError::Stopped { path, pid }),
    };
    let line = match answered {
        Ok(Ok(line)) => line,
        Ok(Err(source)) => return Err(broken(source)),
        Err(_) => return Err(ClientError::Silent { path }),
    };
    match serde_json::from_slice(&line) {
        Ok(Response::Error { message }) => Err(ClientError::Refused(message)),
        Ok(response) => Ok(response),
        Err(source) => Err(ClientError::Foreign { path, source }),
    }
}

/// Ends when this process is stopped: then it will not answer, however long it is waited for.
async fn stopped(agent: Option<i32>) -> i32 {
    // A process of another PID namespace has no number here.
    let Some(pid) = agent.filter(|pid| *pid > 0) else { return std::future::pending().await };
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if is_stopped(&stat) {
            return pid;
        }
        sleep(LOOK).await;
    }
}

/// Pure: whether the text of `/proc/PID/stat` is that of a stopped or traced process. The name in it may hold anything.
fn is_stopped(stat: &str) -> bool {
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 't'))
}

async fn converse(mut stream: UnixStream, request: &Request) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    stream.take(MAX_RESPONSE as u64).read_to_end(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::is_stopped;

    #[test]
    fn a_stopped_process_is_told_by_its_state() {
        assert!(is_stopped("12 (speaker) T 1 12 12 0") && is_stopped("12 (a) R) t 1"));
        assert!(!is_stopped("12 (T) S 1 12") && !is_stopped(""));
    }
}
