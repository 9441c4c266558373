//! The loop: read what arrived, give up what ran out, send what is due, sleep until the next of these.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    os::fd::AsFd,
};

use anyhow::Context;
use arpeggio_speaker::frames::{Capture, FrameSocket, Heard, SendError, monotonic_ns};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        time::{TimeSpec, TimeValLike},
    },
    time::{ClockId, clock_gettime},
};

use crate::{
    ledger::{Ended, Ledger},
    message,
    options::{Pace, Work},
    station::Station,
    summary::{Latency, Summary},
};

const SECOND_NS: u64 = 1_000_000_000;
/// Silent addresses that are listed.
const LISTED_SILENT: usize = 20;
/// After the last answer: how long a second answer to it is waited for.
const LINGER_NS: u64 = 100_000_000;
/// Frames read, or sent in a flood, before the other has its turn.
const BATCH: usize = 64;

/// A running measurement.
pub(crate) struct Driver<'a> {
    station: &'a Station,
    work: Work,
    ledger: Ledger,
    sender: FrameSocket,
    captures: Vec<Capture>,
    signals: SignalFd,
    log: Option<BufWriter<File>>,
    began_ns: u64,
    began_unix_ns: u64,
    /// Requests that the schedule has had so far: sent, held or failed.
    due: u64,
    held: u64,
    send_failures: u64,
    last_sent_ns: u64,
    sending: bool,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(station: &'a Station, work: Work) -> anyhow::Result<Self> {
        let mut captures = Vec::new();
        for (heard, wanted) in [
            (Heard::ArpReplies, work.targets.iter().any(std::net::IpAddr::is_ipv4)),
            (Heard::Advertisements, work.targets.iter().any(std::net::IpAddr::is_ipv6)),
        ] {
            if wanted {
                captures.push(Capture::open(station.ifindex, heard)?);
            }
        }
        // An interrupted measurement still tells what it measured.
        let mut stopping = SigSet::empty();
        stopping.add(Signal::SIGINT);
        stopping.add(Signal::SIGTERM);
        stopping.thread_block().context("cannot block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&stopping, flags).context("cannot wait for signals")?;
        let log = work
            .log
            .as_ref()
            .map(|path| File::create(path).with_context(|| format!("cannot write {}", path.display())));
        Ok(Self {
            station,
            ledger: Ledger::new(&work),
            sender: FrameSocket::open()?,
            captures,
            signals,
            log: log.transpose()?.map(BufWriter::new),
            began_ns: monotonic_ns(),
            began_unix_ns: wall_ns(),
            due: 0,
            held: 0,
            send_failures: 0,
            last_sent_ns: 0,
            sending: true,
            work,
        })
    }

    pub(crate) fn run(mut self) -> anyhow::Result<Summary> {
        while !self.is_over() {
            // Everything that arrived before this moment is read before anything is given up at it.
            let now_ns = self.now_ns();
            let more = self.read()?;
            if !more {
                while let Some(ended) = self.ledger.expire(now_ns) {
                    self.write_log(&ended)?;
                }
            }
            self.send()?;
            self.sleep(more)?;
        }
        let now_ns = self.now_ns();
        self.ledger.finish(now_ns);
        if let Some(log) = &mut self.log {
            log.flush()?;
        }
        Ok(self.summary(now_ns))
    }

    /// Nothing is left to be sent or waited for.
    fn is_over(&self) -> bool {
        !self.sending
            && self.ledger.in_flight() == 0
            && self.now_ns() >= self.last_sent_ns.saturating_add(self.linger_ns())
    }

    fn linger_ns(&self) -> u64 {
        LINGER_NS.min(self.work.timeout_ns)
    }

    fn now_ns(&self) -> u64 {
        monotonic_ns().saturating_sub(self.began_ns)
    }

    /// Reads one batch of every socket; whether there may be more.
    fn read(&mut self) -> anyhow::Result<bool> {
        let mut more = false;
        let mut ends = Vec::new();
        for capture in &mut self.captures {
            capture.begin();
            for turn in 1..=BATCH {
                let mut buffer = [0; 256];
                let arrival = match capture.receive(&mut buffer) {
                    Ok(Some(arrival)) => arrival,
                    Ok(None) => break,
                    // The interface went down: what is not answered is lost, and it may come back.
                    Err(error) if error.raw_os_error() == Some(Errno::ENETDOWN as i32) => break,
                    Err(error) => return Err(error).context("cannot read answers"),
                };
                more |= turn == BATCH;
                if let Some(answer) = buffer.get_mut(..arrival.length).and_then(message::answer) {
                    ends.extend(self.ledger.answered(&answer, arrival.at_ns.saturating_sub(self.began_ns)));
                }
            }
        }
        ends.iter().try_for_each(|ended| self.write_log(ended))?;
        Ok(more)
    }

    /// Sends everything that is due.
    fn send(&mut self) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            let now_ns = self.now_ns();
            // A request of the schedule is sent, however late, if it was due before the end: the number is exact.
            let (is_due, turn_ns) = match self.work.pace {
                Pace::Rate(_) => (self.due_ns() <= now_ns, self.due_ns()),
                Pace::Flood(in_flight) => (self.ledger.in_flight() < in_flight, now_ns),
            };
            if self.work.count.is_some_and(|count| self.due >= count)
                || self.work.duration_ns.is_some_and(|duration_ns| turn_ns >= duration_ns)
            {
                self.sending = false;
            }
            if !self.sending || !is_due {
                return Ok(());
            }
            self.send_one()?;
        }
        Ok(())
    }

    fn send_one(&mut self) -> anyhow::Result<()> {
        self.due += 1;
        let Some(ask) = self.ledger.next() else {
            self.held += 1;
            return Ok(());
        };
        let frame = message::question(self.station.mac, ask.sender, ask.target)
            .context("sender and target differ in family")?;
        let now_ns = self.now_ns();
        match self.sender.send(self.station.ifindex, &frame) {
            Ok(()) => {
                self.ledger.sent(ask, now_ns);
                self.last_sent_ns = now_ns;
            }
            Err(SendError::Full { .. } | SendError::Down { .. }) => self.send_failures += 1,
            Err(error) => return Err(error.into()),
        }
        if self.work.ready_line && self.ledger.counts.sent == 1 {
            self.work.ready_line = false;
            let mut out = io::stdout().lock();
            writeln!(out, "{{\"ready\":true}}")?;
            out.flush()?;
        }
        Ok(())
    }

    /// When the next request is due by the schedule, which starts at the beginning and never drifts.
    fn due_ns(&self) -> u64 {
        match self.work.pace {
            Pace::Rate(rate) => {
                let offset = u128::from(self.due) * u128::from(SECOND_NS) / u128::from(rate);
                u64::try_from(offset).unwrap_or(u64::MAX)
            }
            Pace::Flood(_) => u64::MAX,
        }
    }

    /// Sleeps until something is due, arrives, or tells us to stop.
    fn sleep(&mut self, more: bool) -> anyhow::Result<()> {
        let now_ns = self.now_ns();
        let flooding =
            matches!(self.work.pace, Pace::Flood(in_flight) if self.sending && self.ledger.in_flight() < in_flight);
        let wake_ns = [
            self.ledger.next_expiry_ns(),
            self.sending.then(|| self.due_ns()),
            self.work.duration_ns.filter(|_| self.sending),
            (!self.sending)
                .then(|| self.last_sent_ns.saturating_add(self.linger_ns()))
                .filter(|end_ns| *end_ns > now_ns),
            (more || flooding).then_some(now_ns),
        ];
        let wait_ns = wake_ns.into_iter().flatten().min().map_or(SECOND_NS, |wake_ns| wake_ns.saturating_sub(now_ns));
        let stdin = io::stdin();
        let mut waited: Vec<PollFd<'_>> =
            self.captures.iter().map(|capture| PollFd::new(capture.as_fd(), PollFlags::POLLIN)).collect();
        waited.push(PollFd::new(self.signals.as_fd(), PollFlags::POLLIN));
        let watches_stdin = self.work.until_stdin_closes && self.sending;
        if watches_stdin {
            waited.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        let wait = TimeSpec::nanoseconds(i64::try_from(wait_ns.min(SECOND_NS))?);
        match ppoll(&mut waited, Some(wait), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for answers"),
        }
        let is_ready = |index: usize| waited.get(index).and_then(PollFd::any).unwrap_or(false);
        let (signalled, stdin_ready) =
            (is_ready(self.captures.len()), watches_stdin && is_ready(self.captures.len() + 1));
        drop(waited);
        if signalled && self.signals.read_signal().context("cannot read a signal")?.is_some() {
            self.sending = false;
        }
        if stdin_ready && stdin.lock().read(&mut [0; 512]).context("cannot read standard input")? == 0 {
            self.sending = false;
        }
        Ok(())
    }

    fn write_log(&mut self, ended: &Ended) -> anyhow::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let line = serde_json::json!({
            "sequence": ended.sequence,
            "address": ended.target,
            "source": ended.sender,
            "sent_ns": ended.sent_ns,
            "latency_ns": ended.answer.map(|(at_ns, _)| at_ns.saturating_sub(ended.sent_ns)),
            "mac": ended.answer.map(|(_, mac)| mac.to_string()),
        });
        serde_json::to_writer(&mut *log, &line)?;
        Ok(writeln!(log)?)
    }

    fn summary(self, elapsed_ns: u64) -> Summary {
        let Self { station, work, ledger, captures, held, send_failures, last_sent_ns, .. } = self;
        let silent: Vec<_> = ledger.silent().collect();
        let counts = ledger.counts;
        let busy_ns = u128::from(last_sent_ns.max(1));
        Summary {
            interface: station.name.clone(),
            mac: station.mac.to_string(),
            addresses: work.targets.len(),
            sources: work.sources.count,
            began_unix_ns: self.began_unix_ns,
            sending_ns: last_sent_ns,
            elapsed_ns,
            sent: counts.sent,
            answered: counts.answered,
            lost: counts.lost,
            duplicates: counts.duplicates,
            late: counts.late,
            unasked: counts.unasked,
            held,
            send_failures,
            socket_drops: captures.iter().map(|capture| u64::from(capture.dropped())).sum(),
            answers_per_second: u64::try_from(u128::from(counts.answered) * u128::from(SECOND_NS) / busy_ns)
                .unwrap_or(0),
            answerers: ledger.answerers.iter().map(|(mac, count)| (mac.to_string(), *count)).collect(),
            changes: ledger.changes,
            latency_ns: Latency::of(ledger.latencies_ns),
            longest_gap_ns: ledger.gaps.longest.map_or(0, |gap| gap.length_ns),
            longest_gap: ledger.gaps.longest,
            gaps: ledger.gaps.listed,
            gap_count: ledger.gaps.count,
            doubled: ledger.doubles.requests,
            longest_double_ns: ledger.doubles.longest_ns,
            total_double_ns: ledger.doubles.total_ns,
            doubles: ledger.doubles.listed,
            double_count: ledger.doubles.count,
            silent: silent.len(),
            silent_addresses: silent.into_iter().take(LISTED_SILENT).collect(),
        }
    }
}

fn wall_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| {
        time.tv_sec().cast_unsigned().saturating_mul(SECOND_NS).saturating_add(time.tv_nsec().cast_unsigned())
    })
}
