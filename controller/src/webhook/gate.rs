//! The door of the server: whom it closes a connection to, and connections that say nothing for long.

use std::{
    future::{Ready, ready},
    io::{Error, ErrorKind, Result},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum_server::accept::Accept;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::limits::{Place, Sources};
use crate::clock;

/// Closes connections beyond the limits, and idle ones.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    sources: Arc<Sources>,
}

impl Gate {
    pub(super) fn new(sources: &Arc<Sources>) -> Self {
        Self { sources: Arc::clone(sources) }
    }

    fn admit(&self, stream: TcpStream) -> Result<Held> {
        let source = stream.peer_addr()?.ip();
        let place = self.sources.enter(source).ok_or_else(|| Error::from(ErrorKind::ConnectionRefused))?;
        let silent = Box::pin(sleep(place.idle()));
        Ok(Held { stream, place, silent })
    }
}

impl<S> Accept<TcpStream, S> for Gate {
    type Stream = Held;
    type Service = S;
    type Future = Ready<Result<(Held, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.admit(stream).map(|held| (held, service)))
    }
}

/// A connection with its place. It ends when nothing came for too long.
#[derive(Debug)]
pub(super) struct Held {
    stream: TcpStream,
    place: Place,
    /// When it has been silent for too long.
    silent: Pin<Box<Sleep>>,
}

impl AsyncRead for Held {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(done) => {
                if buffer.filled().len() > before {
                    let until = clock::now() + this.place.idle();
                    this.silent.as_mut().reset(until.into());
                }
                Poll::Ready(done)
            }
            Poll::Pending => this.silent.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncWrite for Held {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
