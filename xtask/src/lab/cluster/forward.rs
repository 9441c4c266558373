//! A way to the API server for programs outside of its namespace: a port on this machine's loopback interface.

use std::{
    fs::File,
    io::{self, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

/// Carries connections to 127.0.0.1 into a namespace until it is dropped.
pub(super) struct Forward {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Forward {
    /// Begins to listen at a free port; connections go to `target` inside the namespace.
    pub(super) fn start(namespace: PathBuf, target: SocketAddr) -> Result<Self> {
        // The thread of the connection alone changes its namespace, and makes one socket there.
        Self::through(target, move || Ok(setns(File::open(&namespace)?, CloneFlags::CLONE_NEWNET)?))
    }

    /// As [`start`](Self::start); `enter` is called in the thread of each connection before it goes on to the target.
    fn through(target: SocketAddr, enter: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Result<Self> {
        let enter = Arc::new(enter);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on a port of 127.0.0.1")?;
        let address = listener.local_addr().context("ask for the port")?;
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        thread::Builder::new()
            .name("forward".to_owned())
            .spawn(move || {
                for client in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let (Ok(client), enter) = (client, Arc::clone(&enter)) else { continue };
                    // A connection that cannot be made ends, as it does when the server is away.
                    drop(thread::Builder::new().spawn(move || carry(client, target, &*enter)));
                }
            })
            .context("start the thread that forwards connections")?;
        Ok(Self { address, over })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread; if that fails it ends with the process.
        drop(TcpStream::connect(self.address));
    }
}

fn carry(client: TcpStream, target: SocketAddr, enter: &dyn Fn() -> io::Result<()>) -> io::Result<()> {
    enter()?;
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let back = (server.try_clone()?, client.try_clone()?);
    let other = thread::Builder::new().spawn(move || pump(back.0, back.1))?;
    let result = pump(client, server);
    // A panic of the other half has ended its connection as well.
    drop(other.join());
    result
}

/// Copies one direction, and passes its end on.
fn pump(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.flush());
    // The other side may have closed it already.
    let _ = to.shutdown(Shutdown::Write);
    if copied.is_err() {
        let _ = from.shutdown(Shutdown::Read);
    }
    copied
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn bytes_go_both_ways_and_the_end_is_passed_on() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = echo.local_addr().unwrap();
        thread::spawn(move || {
            let (stream, _) = echo.accept().unwrap();
            io::copy(&mut &stream, &mut &stream).unwrap();
        });
        let forward = Forward::through(target, || Ok(())).unwrap();
        let mut client = TcpStream::connect(forward.address()).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn a_connection_that_cannot_be_carried_ends() {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let forward = Forward::through(target, || Err(io::Error::other("no such namespace"))).unwrap();
        let mut client = TcpStream::connect(forward.address()).unwrap();
        let read = client.read(&mut [0; 1]);
        assert!(read.as_ref().map_or(true, |&bytes| bytes == 0), "{read:?}");
    }
}
