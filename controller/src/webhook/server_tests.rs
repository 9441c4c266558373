//! Real connections from two addresses: one of an API server, one of a pod that means no good.

use std::{future::Future, io::ErrorKind, net::Ipv4Addr};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::sleep,
};

use super::*;

const API_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const POD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Limit for what takes milliseconds, with room for a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

struct Bed {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
}

impl Bed {
    /// The server without TLS: what comes before it and behind it is the same.
    fn new(limits: Limits) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, handle) = (listener.local_addr().unwrap(), Handle::new());
        let (judge, sources): (SharedJudge, _) = (Arc::new(|_| Some(Ok(Vec::new()))), Arc::new(Sources::new(limits)));
        let server = axum_server::from_tcp(listener).unwrap().acceptor(Gate::new(&sources)).handle(handle.clone());
        tokio::spawn(server.serve(router(&judge, &sources).into_make_service_with_connect_info::<SocketAddr>()));
        Self { address, handle }
    }

    async fn connect(&self, from: Ipv4Addr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        soon(socket.connect(self.address)).await.unwrap()
    }

    /// Begins a request whose body has this many bytes; none of them is sent.
    async fn begin(&self, from: Ipv4Addr, path: &str, length: usize) -> TcpStream {
        let mut stream = self.connect(from).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        soon(stream.write_all(head.as_bytes())).await.unwrap();
        stream
    }

    /// The status of the answer to a review.
    async fn review(&self, from: Ipv4Addr) -> u16 {
        let kind = json!({ "group": "metallb.io", "version": "v1beta1", "kind": "IPAddressPool" });
        let request = json!({ "uid": "u", "kind": kind, "operation": "CREATE", "object": {} });
        let review = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request });
        let body = review.to_string();
        let mut stream = self.begin(from, path(ConfigurationKind::Pool), body.len()).await;
        soon(stream.write_all(body.as_bytes())).await.unwrap();
        status(stream).await
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it takes milliseconds")
}

/// Of the answer that comes.
async fn status(mut stream: TcpStream) -> u16 {
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {text:?}"))
}

/// Whether the server has closed it.
fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[tokio::test]
async fn a_flood_of_connections_is_closed_and_keeps_nobody_else_out() {
    let bed = Bed::new(Limits { of_source: 8, burst: 30, rate: 1, ..Limits::DEFAULT });
    let mut flood = Vec::new();
    for _ in 0..60 {
        flood.push(bed.connect(POD).await);
    }
    let few_are_left = async {
        while flood.iter().filter(|stream| !is_closed(stream)).count() > 8 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    soon(few_are_left).await;
    for _ in 0..20 {
        assert_eq!(bed.review(API_SERVER).await, 200);
    }
    assert_eq!(flood.iter().filter(|stream| !is_closed(stream)).count(), 8, "its share is still there");
}

#[tokio::test]
async fn who_never_sends_its_body_waits_for_its_own_turns_alone() {
    let turn = Duration::from_millis(20);
    let bed = Bed::new(Limits { reviews: (2, 8), body: NEVER, turn, ..Limits::DEFAULT });
    let pools = path(ConfigurationKind::Pool);
    let _slow = [bed.begin(POD, pools, 100).await, bed.begin(POD, pools, 100).await];
    let both_are_read = async {
        while bed.review(POD).await != 503 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    soon(both_are_read).await;
    for _ in 0..20 {
        assert_eq!(bed.review(API_SERVER).await, 200);
    }
}

#[tokio::test]
async fn a_body_has_to_come_in_time() {
    let bed = Bed::new(Limits { reviews: (1, 1), body: Duration::from_millis(20), ..Limits::DEFAULT });
    let pools = path(ConfigurationKind::Pool);
    for _ in 0..3 {
        assert_eq!(status(bed.begin(POD, pools, 100).await).await, 408);
    }
    // Its turn is free again. On a busy machine ours may take as long.
    soon(async { while bed.review(API_SERVER).await != 200 {} }).await;
}

#[tokio::test]
async fn a_body_is_as_large_as_the_api_server_makes_one() {
    let bed = Bed::new(Limits::DEFAULT);
    let pools = path(ConfigurationKind::Pool);
    assert_eq!(status(bed.begin(API_SERVER, pools, REVIEW + 1).await).await, 413);
    assert_eq!(status(bed.begin(API_SERVER, CONVERSION_PATH, CONVERSION + 1).await).await, 413);
    let mut page = bed.begin(API_SERVER, CONVERSION_PATH, REVIEW + 1).await;
    soon(page.write_all(&vec![b' '; REVIEW + 1])).await.unwrap();
    assert_eq!(status(page).await, 400, "it is read, and is no review");
    // Without a length it is counted as it comes.
    let mut chunked = bed.connect(API_SERVER).await;
    let head = format!("POST {pools} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
    soon(chunked.write_all(head.as_bytes())).await.unwrap();
    let chunk =
        [format!("{:x}\r\n", REVIEW + 1).into_bytes(), vec![b' '; REVIEW + 1], b"\r\n0\r\n\r\n".to_vec()].concat();
    let _refused = soon(chunked.write_all(&chunk)).await;
    let mut text = String::new();
    let _reset = soon(chunked.read_to_string(&mut text)).await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 413"), "{text}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_ends() {
    let bed = Bed::new(Limits { idle: Duration::from_millis(20), ..Limits::DEFAULT });
    let silent = bed.connect(POD).await;
    let ends = async {
        while !is_closed(&silent) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    soon(ends).await;
}
