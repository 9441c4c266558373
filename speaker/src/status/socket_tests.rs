//! The control socket, over real sockets in a directory of the test's own.

use std::{os::unix::fs::PermissionsExt, path::Path};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    task::JoinHandle,
};

use super::{protocol::MAX_REQUEST, *};

fn report(node: &str) -> StatusReport {
    let node = arpeggio_common::model::NodeName::try_from(node).unwrap();
    StatusReport::new(&Facts { node: Some(node), ..Facts::default() }, "0.1.0")
}

/// An agent that answers every call with the report of a node of that name.
fn agent(directory: &Path, node: &'static str) -> JoinHandle<()> {
    let socket = ControlSocket::bind(directory).unwrap();
    let (calls, mut receiver) = mpsc::channel::<Call>(4);
    tokio::spawn(async move {
        let answering = async {
            while let Some(Call { request: Request::Status(Nothing {}), answer }) = receiver.recv().await {
                let _ = answer.send(Response::Status(Box::new(report(node))));
            }
        };
        tokio::select! {
            () = socket.serve(calls) => {}
            () = answering => {}
        }
    })
}

async fn stop(agent: JoinHandle<()>) {
    agent.abort();
    assert!(agent.await.unwrap_err().is_cancelled());
}

/// Sends raw bytes and returns the line that comes back.
async fn raw(directory: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(directory.join(SOCKET_NAME)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(b"\n") {
        let length = stream.read(&mut chunk).await.unwrap();
        assert!(length > 0, "hung up after {answer:?}");
        answer.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(answer).unwrap()
}

async fn status(directory: &Path) -> Result<StatusReport, ClientError> {
    match ask(directory, &Request::Status(Nothing {})).await? {
        Response::Status(report) => Ok(*report),
        other @ (Response::Evacuation(_) | Response::Explain(_) | Response::Error { .. }) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_report_comes_over_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    let running = agent(directory.path(), "node-a");
    assert_eq!(status(directory.path()).await.unwrap(), report("node-a"));
    let line = raw(directory.path(), b"{\"status\":{}}\n").await;
    assert!(line.starts_with("{\"status\":{\"problems\":[") && line.contains("\"node\":\"node-a\""), "{line}");
    stop(running).await;
}

#[tokio::test]
async fn two_clients_at_once_are_both_served() {
    let directory = tempfile::tempdir().unwrap();
    let running = agent(directory.path(), "node-a");
    // A third that says nothing holds up neither.
    let _silent = UnixStream::connect(directory.path().join(SOCKET_NAME)).await.unwrap();
    let (first, second) = tokio::join!(status(directory.path()), status(directory.path()));
    assert_eq!((first.unwrap(), second.unwrap()), (report("node-a"), report("node-a")));
    stop(running).await;
}

#[tokio::test]
async fn garbage_is_answered_with_a_sentence_and_hurts_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let running = agent(directory.path(), "node-a");
    for garbage in
        [&b"\n"[..], b"hello\n", b"{\"reboot\":{}}\n", b"{\"status\":{\"x\":1}}\n", b"\xff\xfe\n", b"[1,2]\n"]
    {
        let line = raw(directory.path(), garbage).await;
        assert!(line.starts_with("{\"error\":{\"message\":\"not a request"), "{garbage:?}: {line}");
    }
    let mut fits = b"{\"status\":{}}".to_vec();
    fits.resize(MAX_REQUEST - 1, b' ');
    fits.push(b'\n');
    assert!(raw(directory.path(), &fits).await.starts_with("{\"status\""));
    for length in [MAX_REQUEST + 1, 100_000] {
        let line = raw(directory.path(), &vec![b'a'; length]).await;
        assert!(line.contains("longer than 4096 bytes"), "{line}");
    }
    assert_eq!(status(directory.path()).await.unwrap().node.as_deref(), Some("node-a"));
    stop(running).await;
}

#[tokio::test]
async fn only_the_owner_may_use_it() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("run/arpeggio");
    let running = agent(&directory, "node-a");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.join(SOCKET_NAME)), 0o600);
    assert_eq!(mode(&directory), 0o700);
    stop(running).await;
}

#[tokio::test]
async fn a_second_agent_is_refused_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let running = agent(directory.path(), "node-a");
    let error = ControlSocket::bind(directory.path()).unwrap_err();
    assert!(matches!(error, ControlError::Busy { .. }), "{error}");
    assert!(status(directory.path()).await.is_ok());
    stop(running).await;
    assert!(!directory.path().join(SOCKET_NAME).exists(), "the socket goes with its agent");
    let next = agent(directory.path(), "node-b");
    assert_eq!(status(directory.path()).await.unwrap().node.as_deref(), Some("node-b"));
    stop(next).await;
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(SOCKET_NAME);
    // What an agent leaves behind that was killed: a socket file on which nobody listens.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(matches!(status(directory.path()).await, Err(ClientError::NotRunning { .. })));
    let running = agent(directory.path(), "node-a");
    assert_eq!(status(directory.path()).await.unwrap().node.as_deref(), Some("node-a"));
    stop(running).await;
    // Somebody listens without holding the lock: not ours to replace.
    let _foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(matches!(ControlSocket::bind(directory.path()), Err(ControlError::Busy { .. })));
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(SOCKET_NAME);
    std::fs::write(&path, "precious").unwrap();
    let error = ControlSocket::bind(directory.path()).unwrap_err();
    assert!(matches!(error, ControlError::Bind { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn nobody_there_is_a_plain_answer() {
    let directory = tempfile::tempdir().unwrap();
    let error = status(directory.path()).await.unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }));
    assert!(error.to_string().contains("speaker run"), "{error}");
}

#[tokio::test]
async fn an_agent_that_is_stopping_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let socket = ControlSocket::bind(directory.path()).unwrap();
    let (calls, mut receiver) = mpsc::channel::<Call>(4);
    let serving = tokio::spawn(socket.serve(calls));
    let asking = tokio::spawn({
        let directory = directory.path().to_owned();
        async move { status(&directory).await }
    });
    // The call is taken and dropped unanswered.
    drop(receiver.recv().await.unwrap());
    let error = asking.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("stopping"), "{error}");
    drop(receiver);
    serving.await.unwrap();
    assert!(!directory.path().join(SOCKET_NAME).exists());
}

#[tokio::test]
async fn an_answer_of_another_version_is_not_taken_for_a_report() {
    let directory = tempfile::tempdir().unwrap();
    let listener = tokio::net::UnixListener::bind(directory.path().join(SOCKET_NAME)).unwrap();
    let odd = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 64];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(b"{\"status\":{\"node\":1}}\n").await.unwrap();
    });
    assert!(matches!(status(directory.path()).await, Err(ClientError::Foreign { .. })));
    odd.await.unwrap();
}
