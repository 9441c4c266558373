//! The asking end of the control socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use super::protocol::{MAX_RESPONSE, Request, Response, SOCKET_NAME};

/// More than the agent itself allows for each of its steps together.
const PATIENCE: Duration = Duration::from_secs(20);

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
        /// Why.
        source: io::Error,
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
        /// Why.
        source: serde_json::Error,
    },
    /// The agent says no.
    #[error("the agent refused: {0}")]
    Refused(String),
}

impl ClientError {
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
    let line = match timeout(PATIENCE, converse(stream, request)).await {
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

async fn converse(mut stream: UnixStream, request: &Request) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    stream.take(MAX_RESPONSE as u64).read_to_end(&mut answer).await?;
    Ok(answer)
}
