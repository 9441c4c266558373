//! A connection to the vty socket of one of FRR's daemons, as `vtysh` makes it.
//!
//! A command ends with a zero byte. The answer is text, three zero bytes and the code of the command. What one write holds,
//! up to 4,096 bytes, the daemon does without doing anything else in between.
//! `zserv.api` is no such socket: a connection to it alone makes some versions of zebra lose routes.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

pub use crate::config::Daemon;

/// Below what the daemons read at once (`VTY_READ_BUFSIZ`).
const CHUNK: usize = 4_000;
/// Beyond all that a daemon has to say: 10,000 networks are 0.4 MB.
const LONGEST_ANSWER: usize = 256 << 20;

/// A connection that is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum VtyError {
    /// Nothing listens there, or not for us.
    #[error("connect to {daemon} in {directory}")]
    Connect {
        /// Whom.
        daemon: Daemon,
        /// Where its socket should be.
        directory: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("talk to {daemon}")]
    Broken {
        /// Whom.
        daemon: Daemon,
        /// Why.
        source: io::Error,
    },
    /// It ended the connection.
    #[error("{daemon} ended the connection")]
    Ended {
        /// Whom.
        daemon: Daemon,
    },
    /// It does not answer.
    #[error("{daemon} has not answered for {limit:?}")]
    Silent {
        /// Whom.
        daemon: Daemon,
        /// How long.
        limit: Duration,
    },
    /// It answers without end.
    #[error("{daemon} answers with more than {LONGEST_ANSWER} bytes")]
    TooLong {
        /// Whom.
        daemon: Daemon,
    },
}

/// What a daemon answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 0: done, also with a text that is a hint; 1: warning, 2: unknown, 4: incomplete, 13: refused.
    pub code: u8,
    /// For people, or JSON.
    pub text: String,
}

impl Answer {
    /// Whether it was done.
    pub fn is_done(&self) -> bool {
        self.code == 0
    }
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Vty {
    daemon: Daemon,
    stream: UnixStream,
    limit: Duration,
    received: Vec<u8>,
}

impl Vty {
    /// Connects and enters the privileged mode. Each answer may take as long as `limit`.
    ///
    /// # Errors
    /// If the daemon does not run or does not answer.
    pub async fn connect(directory: &Path, daemon: Daemon, limit: Duration) -> Result<Self, VtyError> {
        let path = directory.join(format!("{}.vty", daemon.name()));
        let connected = timeout(limit, UnixStream::connect(path)).await;
        let stream = connected
            .map_err(|_elapsed| VtyError::Silent { daemon, limit })?
            .map_err(|source| VtyError::Connect { daemon, directory: directory.display().to_string(), source })?;
        let mut vty = Self { daemon, stream, limit, received: Vec::new() };
        vty.run("enable").await?;
        Ok(vty)
    }

    /// Runs one command.
    ///
    /// # Errors
    /// If the connection is of no use any more. That the daemon refuses the command is an answer.
    pub async fn run(&mut self, command: &str) -> Result<Answer, VtyError> {
        self.send(&[command]).await?;
        self.answer().await
    }

    /// Runs commands one after the other, also after one that was refused.
    ///
    /// # Errors
    /// As [`Vty::run`].
    pub async fn run_all(&mut self, commands: &[&str]) -> Result<Vec<Answer>, VtyError> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut rest = commands;
        while !rest.is_empty() {
            let mut length = 0;
            let fits = |command: &&&str| {
                length += command.len() + 1;
                length <= CHUNK
            };
            let (chunk, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            self.send(chunk).await?;
            for _ in chunk {
                answers.push(self.answer().await?);
            }
            rest = after;
        }
        Ok(answers)
    }

    /// Waits until the daemon ends the connection.
    pub async fn ended(&mut self) {
        let mut unasked = [0; 256];
        while matches!(self.stream.read(&mut unasked).await, Ok(1..)) {}
    }

    async fn send(&mut self, commands: &[&str]) -> Result<(), VtyError> {
        let daemon = self.daemon;
        let mut bytes = Vec::new();
        for command in commands {
            // A zero byte would end the command before its end.
            bytes.extend(command.bytes().filter(|byte| *byte != 0));
            bytes.push(0);
        }
        let sent = timeout(self.limit, self.stream.write_all(&bytes)).await;
        sent.map_err(|_elapsed| VtyError::Silent { daemon, limit: self.limit })?
            .map_err(|source| VtyError::Broken { daemon, source })
    }

    async fn answer(&mut self) -> Result<Answer, VtyError> {
        let daemon = self.daemon;
        let mut searched = 0;
        loop {
            if let Some((text, code, length)) = split(&self.received, searched) {
                let text = String::from_utf8_lossy(self.received.get(..text).unwrap_or_default()).into_owned();
                self.received.drain(..length);
                return Ok(Answer { code, text });
            }
            searched = self.received.len().saturating_sub(3);
            if self.received.len() > LONGEST_ANSWER {
                return Err(VtyError::TooLong { daemon });
            }
            let read = timeout(self.limit, self.stream.read_buf(&mut self.received)).await;
            let read = read.map_err(|_elapsed| VtyError::Silent { daemon, limit: self.limit })?;
            if read.map_err(|source| VtyError::Broken { daemon, source })? == 0 {
                return Err(VtyError::Ended { daemon });
            }
        }
    }
}

/// Length of the text, the code, and length of the whole, if the answer is complete. Texts hold no zero bytes.
fn split(received: &[u8], from: usize) -> Option<(usize, u8, usize)> {
    let zeros = received.get(from..)?.windows(3).position(|window| window == [0, 0, 0])? + from;
    let code = received.get(zeros + 3)?;
    Some((zeros, *code, zeros + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_split_wherever_they_arrive_in_parts() {
        assert_eq!(split(b"", 0), None);
        assert_eq!(split(b"ab\0\0\0", 0), None);
        assert_eq!(split(b"ab\0\0\0\x0d", 0), Some((2, 13, 6)));
        assert_eq!(split(b"\0\0\0\0\0\0\0\x02", 0), Some((0, 0, 4)));
        assert_eq!(split(b"\0\0\0\x02x", 0), Some((0, 2, 4)));
    }
}
