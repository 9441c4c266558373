//! The side that sends and counts.

use std::{
    fs::File,
    io::{self, BufWriter, IoSliceMut, Write},
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, ensure};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt},
        time::{TimeSpec, TimeValLike},
    },
    time::{ClockId, clock_gettime},
};
use serde::Serialize;

use crate::{
    book::{Book, Ended},
    gaps::Gap,
};

const SECOND_NS: u64 = 1_000_000_000;
/// Room for what waits while a neighbour is being resolved: it is the network that loses packets, not the socket.
const BUFFER: usize = 8 << 20;
/// Packets read or sent before the other has its turn.
const BATCH: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who gives back.
    #[arg(long, value_name = "ADDR:PORT")]
    to: SocketAddr,
    /// Packets per second.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// Stop after this many packets; without it, at SIGTERM or SIGINT.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// How long after a packet its echo counts.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// List times without an echo that are longer than this.
    #[arg(long, default_value = "100ms", value_parser = humantime::parse_duration)]
    gap_over: Duration,
    /// Print a line of JSON, {"ready":true}, when the first echo has arrived.
    #[arg(long)]
    ready_line: bool,
    /// Write a line of JSON for every packet to this file.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// One line of JSON.
#[derive(Debug, Serialize)]
struct Summary {
    to: IpAddr,
    /// Wall clock at the beginning, nanoseconds since 1970; all other times count from there.
    began_unix_ns: u64,
    elapsed_ns: u64,
    sent: u64,
    echoed: u64,
    lost: u64,
    duplicates: u64,
    late: u64,
    /// Packets that the kernel refused, for example without a neighbour; they are among the lost.
    refused: u64,
    /// Echoes that our own socket dropped because it was not read in time: with any, `lost` says too much.
    socket_drops: u64,
    longest_gap_ns: u64,
    longest_gap: Option<Gap>,
    gaps: Vec<Gap>,
    gap_count: u64,
}

struct Sender {
    args: Args,
    socket: UdpSocket,
    signals: SignalFd,
    log: Option<BufWriter<File>>,
    book: Book,
    began_ns: u64,
    refused: u64,
    socket_drops: u32,
    sending: bool,
    ready: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let mut sender = Sender::new(args)?;
    while sender.sending || !sender.book.is_settled() {
        // Everything that arrived before this moment is read before anything is given up at it.
        let now_ns = sender.now_ns()?;
        let more = sender.read()?;
        if !more {
            while let Some(ended) = sender.book.expire(now_ns) {
                sender.write_log(&ended)?;
            }
        }
        sender.send()?;
        sender.sleep(more)?;
    }
    sender.finish()
}

impl Sender {
    fn new(args: Args) -> anyhow::Result<Self> {
        let any = if args.to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).context("cannot open a socket")?;
        socket.connect(args.to).with_context(|| format!("cannot send to {}", args.to))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).context("cannot have packets stamped")?;
        setsockopt(&socket, sockopt::RxqOvfl, &1).context("cannot have drops counted")?;
        // Beyond the limit of the system only as root; what cannot be had shows as `refused` or `socket_drops`.
        let _ = setsockopt(&socket, sockopt::SndBufForce, &BUFFER);
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
        let mut stopping = SigSet::empty();
        stopping.add(Signal::SIGINT);
        stopping.add(Signal::SIGTERM);
        stopping.thread_block().context("cannot block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&stopping, flags).context("cannot wait for signals")?;
        let create = |path: &PathBuf| File::create(path).with_context(|| format!("cannot write {}", path.display()));
        let log = args.log.as_ref().map(create).transpose()?.map(BufWriter::new);
        Ok(Self {
            book: Book::new(args.to.ip(), nanoseconds(args.timeout), nanoseconds(args.gap_over)),
            began_ns: wall_ns()?,
            refused: 0,
            socket_drops: 0,
            sending: true,
            ready: false,
            args,
            socket,
            signals,
            log,
        })
    }

    fn now_ns(&self) -> anyhow::Result<u64> {
        Ok(wall_ns()?.saturating_sub(self.began_ns))
    }

    /// Reads one batch; whether there may be more.
    fn read(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH {
            let mut number = [0; 8];
            let mut control = nix::cmsg_space!(TimeSpec, u32);
            let mut parts = [IoSliceMut::new(&mut number)];
            let received = recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::MSG_DONTWAIT,
            );
            let message = match received {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(false),
                // The fate of an earlier packet, which has no echo: its own deadline counts it.
                Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EINTR) => continue,
                Err(errno) => return Err(errno).context("cannot receive"),
            };
            let (mut at_ns, whole) = (None, message.bytes == 8);
            for fact in message.cmsgs().context("cannot read when a packet arrived")? {
                if let ControlMessageOwned::ScmTimestampns(time) = fact {
                    at_ns = Some(stamp(time).saturating_sub(self.began_ns));
                } else if let ControlMessageOwned::RxqOvfl(drops) = fact {
                    self.socket_drops = drops;
                }
            }
            let at_ns = at_ns.context("the kernel did not stamp a packet")?;
            let ended = whole.then(|| self.book.echoed(u64::from_be_bytes(number), at_ns)).flatten();
            if let Some(ended) = ended {
                self.tell_ready()?;
                self.write_log(&ended)?;
            }
        }
        Ok(true)
    }

    fn tell_ready(&mut self) -> anyhow::Result<()> {
        if self.args.ready_line && !self.ready {
            let mut out = io::stdout().lock();
            writeln!(out, "{{\"ready\":true}}")?;
            out.flush()?;
        }
        self.ready = true;
        Ok(())
    }

    /// Sends everything that is due.
    fn send(&mut self) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            let now_ns = self.now_ns()?;
            self.sending &= self.args.count.is_none_or(|count| self.book.next() < count);
            if !self.sending || self.due_ns() > now_ns {
                return Ok(());
            }
            match self.socket.send(&self.book.next().to_be_bytes()) {
                Ok(_) => {}
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(
                        Errno::EAGAIN
                        | Errno::ENOBUFS
                        | Errno::ECONNREFUSED
                        | Errno::EHOSTUNREACH
                        | Errno::ENETUNREACH
                        | Errno::ENETDOWN,
                    ) => self.refused += 1,
                    _ => return Err(error).context("cannot send"),
                },
            }
            self.book.sent(now_ns);
        }
        Ok(())
    }

    /// When the next packet is due by the schedule, which starts at the beginning and never drifts.
    fn due_ns(&self) -> u64 {
        let offset = u128::from(self.book.next()) * u128::from(SECOND_NS) / u128::from(self.args.rate);
        u64::try_from(offset).unwrap_or(u64::MAX)
    }

    /// Sleeps until something is due, arrives, or tells us to stop.
    fn sleep(&mut self, more: bool) -> anyhow::Result<()> {
        let now_ns = self.now_ns()?;
        let wake_ns = [self.book.next_expiry_ns(), self.sending.then(|| self.due_ns()), more.then_some(now_ns)];
        let wait_ns = wake_ns.into_iter().flatten().min().map_or(SECOND_NS, |wake_ns| wake_ns.saturating_sub(now_ns));
        let mut waited =
            [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN), PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut waited, Some(TimeSpec::nanoseconds(i64::try_from(wait_ns.min(SECOND_NS))?)), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for echoes"),
        }
        if self.signals.read_signal().context("cannot read a signal")?.is_some() {
            self.sending = false;
        }
        Ok(())
    }

    fn write_log(&mut self, ended: &Ended) -> anyhow::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let line = serde_json::json!({
            "sequence": ended.number,
            "sent_ns": ended.sent_ns,
            "latency_ns": ended.echo_ns.map(|echo_ns| echo_ns.saturating_sub(ended.sent_ns)),
        });
        serde_json::to_writer(&mut *log, &line)?;
        Ok(writeln!(log)?)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let elapsed_ns = self.now_ns()?;
        self.book.finish(elapsed_ns);
        if let Some(log) = &mut self.log {
            log.flush()?;
        }
        let Self { args, book, began_ns, refused, socket_drops, .. } = self;
        ensure!(book.counts.sent == book.counts.echoed + book.counts.lost, "packets are unaccounted for: {book:?}");
        let summary = Summary {
            to: args.to.ip(),
            began_unix_ns: began_ns,
            elapsed_ns,
            sent: book.counts.sent,
            echoed: book.counts.echoed,
            lost: book.counts.lost,
            duplicates: book.counts.duplicates,
            late: book.counts.late,
            refused,
            socket_drops: u64::from(socket_drops),
            longest_gap_ns: book.gaps.longest.map_or(0, |gap| gap.length_ns),
            longest_gap: book.gaps.longest,
            gaps: book.gaps.listed,
            gap_count: book.gaps.count,
        };
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &summary)?;
        Ok(writeln!(out)?)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn wall_ns() -> anyhow::Result<u64> {
    Ok(stamp(clock_gettime(ClockId::CLOCK_REALTIME).context("cannot read the clock")?))
}

fn stamp(time: TimeSpec) -> u64 {
    time.tv_sec().cast_unsigned().saturating_mul(SECOND_NS).saturating_add(time.tv_nsec().cast_unsigned())
}
