//! The agent's end of the control socket. Whatever a client sends, the agent only ever hears well-formed [`Request`]s.

use std::{
    fs::{DirBuilder, File, Permissions, TryLockError},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
            net::UnixStream as StdUnixStream,
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use super::protocol::{MAX_REQUEST, Request, Response, SOCKET_NAME};

/// Clients served at once; those that come later wait in the backlog.
const CLIENTS: usize = 16;
/// How long a client may take to ask, the agent to answer, and the client to read: each.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The directory cannot be made.
    #[error(
        "cannot make the run directory {directory}; create it, owned by the user of the agent, or give another --run-dir"
    )]
    Directory {
        /// The run directory.
        directory: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another agent uses the directory.
    #[error("another agent is running with the run directory {directory}; stop it, or give another --run-dir")]
    Busy {
        /// The run directory.
        directory: PathBuf,
    },
    /// The lock file cannot be taken.
    #[error("cannot lock {path}; the run directory must be writable for the user of the agent")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot listen on {path}; the run directory must be writable, and the path shorter than 108 bytes")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A well-formed request, and where its answer goes.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes; the client may be gone by then.
    pub answer: oneshot::Sender<Response>,
}

/// The listening socket `<run directory>/speaker.sock`, mode 0600. It disappears when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    // Held as long as the socket is: two agents that start together cannot both find it stale.
    _lock: File,
}

impl ControlSocket {
    /// Listens in `directory`, which is made (mode 0700) when it does not exist. A socket on which nobody listens any
    /// more is replaced. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When another agent uses the directory, or the socket cannot be made.
    pub fn bind(directory: &Path) -> Result<Self, ControlError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| ControlError::Directory { directory: directory.to_owned(), source })?;
        let lock = lock(directory)?;
        let path = directory.join(SOCKET_NAME);
        let bind = |source| ControlError::Bind { path: path.clone(), source };
        match StdUnixStream::connect(&path) {
            Ok(_) => return Err(ControlError::Busy { directory: directory.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // A file that is no socket refuses as well; that one is not ours to remove.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(&path) => {
                std::fs::remove_file(&path).map_err(bind)?
            }
            Err(error) => return Err(bind(error)),
        }
        let listener = listen(&path).map_err(bind)?;
        Ok(Self { listener, path, _lock: lock })
    }

    /// Serves clients until the receiver of `calls` is gone. Cancel-safe: dropping the future hangs up on everybody.
    pub async fn serve(self, calls: mpsc::Sender<Call>) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                () = calls.closed() => return,
                Some(_) = clients.join_next() => {}
                accepted = self.listener.accept(), if clients.len() < CLIENTS => match accepted {
                    Ok((stream, _)) => {
                        clients.spawn(serve_one(stream, calls.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a client of the control socket");
                        // Out of descriptors, most likely: trying again at once would only burn the CPU.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "cannot remove the control socket");
        }
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

fn lock(directory: &Path) -> Result<File, ControlError> {
    let path = directory.join("speaker.lock");
    let failed = |source| ControlError::Lock { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ControlError::Busy { directory: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// A listening socket whose file is never there with more than mode 0600: Linux gives the file the mode of the unbound
/// socket, less the umask (unix(7), "Pathname socket ownership and permissions").
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let file = File::from(OwnedFd::from(socket));
    file.set_permissions(Permissions::from_mode(0o600))?;
    let socket = Socket::from(OwnedFd::from(file));
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(i32::try_from(CLIENTS).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

async fn serve_one(mut stream: UnixStream, calls: mpsc::Sender<Call>) {
    let response = match timeout(PATIENCE, read_request(&mut stream)).await {
        Ok(Ok(request)) => call(request, &calls).await,
        Ok(Err(message)) => Response::Error { message },
        Err(_) => Response::Error { message: "no request came in time".to_owned() },
    };
    let written = timeout(PATIENCE, write_response(&mut stream, &response)).await;
    if !matches!(written, Ok(Ok(()))) {
        tracing::debug!("a client of the control socket hung up before its answer");
    }
}

async fn call(request: Request, calls: &mpsc::Sender<Call>) -> Response {
    let (answer, answered) = oneshot::channel();
    let asked = timeout(PATIENCE, async {
        calls.send(Call { request, answer }).await.ok()?;
        answered.await.ok()
    });
    match asked.await {
        Ok(Some(response)) => response,
        Ok(None) => Response::Error { message: "the agent is stopping".to_owned() },
        Err(_) => Response::Error { message: format!("the agent did not answer in {PATIENCE:?}; look into its log") },
    }
}

/// Reads one line; the end of the stream ends it as well.
async fn read_request(stream: &mut UnixStream) -> Result<Request, String> {
    let mut line = Vec::new();
    // One byte more than allowed tells a line that is too long from one that just fits.
    let mut reader = BufReader::new(stream.take(MAX_REQUEST as u64 + 1));
    reader.read_until(b'\n', &mut line).await.map_err(|error| format!("cannot read the request: {error}"))?;
    if line.len() > MAX_REQUEST {
        return Err(format!("the request is longer than {MAX_REQUEST} bytes"));
    }
    serde_json::from_slice(&line)
        .map_err(|error| format!("not a request ({error}); send one line like {{\"status\":{{}}}}"))
}

async fn write_response(stream: &mut UnixStream, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}
