//! A client that goes on asking, and accounts for every single request.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, setns};

use super::{Answer, http};
use crate::lab::Namespace;

/// How long one request may take. TCP repeats its first segment after 1 s and after 3 s.
const PATIENCE: Duration = Duration::from_secs(6);
/// Most requests that wait at the same time: behind a dead address they pile up.
const WAITING: usize = 2_000;
/// Failures that are kept in words.
const KEPT: usize = 10;

/// Requests from a namespace at a steady rate, each on a connection of its own, whatever becomes of the others.
pub struct Requests {
    shared: Arc<Shared>,
    ticker: JoinHandle<Result<()>>,
}

struct Shared {
    over: AtomicBool,
    account: Mutex<Account>,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that a backend answered within 6 s.
    pub answered: u64,
    /// Requests that none did.
    pub lost: u64,
    /// First segments that the kernel of the namespace had to repeat meanwhile, because nobody answered them for a second:
    /// for all who ask from there. Known at the end.
    pub repeated: u64,
    /// The longest time between two answers, in the order in which they came.
    pub longest_gap: Duration,
    /// Node → answers of its backend.
    pub nodes: BTreeMap<String, u64>,
    /// Addresses that backends saw.
    pub clients: BTreeSet<IpAddr>,
    /// Why requests were lost: the first ten.
    pub failures: Vec<String>,
    last: Option<Instant>,
}

impl Account {
    /// Checks that every request was answered, and none had to be repeated.
    ///
    /// # Errors
    /// If not, or if nothing was asked.
    pub fn expect_complete(&self) -> Result<()> {
        let complete = self.sent > 0 && self.answered == self.sent && self.lost == 0 && self.repeated == 0;
        ensure!(complete, "every request should be answered at once: {self:?}");
        Ok(())
    }

    fn add(&mut self, outcome: Result<Answer>, now: Instant) {
        match outcome {
            Ok(answer) => {
                self.answered += 1;
                *self.nodes.entry(answer.node).or_default() += 1;
                self.clients.insert(answer.client);
                let gap = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
                self.longest_gap = self.longest_gap.max(gap);
                self.last = Some(now);
            }
            Err(error) => {
                self.lost += 1;
                if self.failures.len() < KEPT {
                    self.failures.push(format!("{error:#}"));
                }
            }
        }
    }
}

impl Requests {
    /// Begins to ask this address for `/`, `rate` times a second; returns when the first answer has come.
    ///
    /// # Errors
    /// If the namespace cannot be entered, or nobody answers within a minute.
    pub fn start(from: &Namespace, address: IpAddr, port: u16, rate: u32) -> Result<Self> {
        let target = SocketAddr::new(address, port);
        let shared = Arc::new(Shared { over: AtomicBool::new(false), account: Mutex::new(Account::default()) });
        let (path, ours) = (from.path(), Arc::clone(&shared));
        let pause = Duration::from_secs(1) / rate.max(1);
        // Requests begin to count with the first that is answered: before, the service may not be there yet.
        crate::lab::eventually(Duration::from_secs(60), "the first answer", || http::get(from, address, port))?;
        let ticker = thread::Builder::new()
            .name("requests".to_owned())
            .spawn(move || ours.tick(&path, target, pause))
            .context("start the thread that asks")?;
        Ok(Self { shared, ticker })
    }

    /// What became of the requests so far.
    #[must_use]
    pub fn so_far(&self) -> Account {
        self.shared.account().clone()
    }

    /// Ends the asking, waits for the last answers and returns the account.
    ///
    /// # Errors
    /// If the namespace could not be entered.
    pub fn stop(self) -> Result<Account> {
        self.shared.over.store(true, Ordering::SeqCst);
        let ticked = self.ticker.join();
        match ticked {
            Ok(result) => result?,
            Err(_panic) => anyhow::bail!("the thread that asks has panicked"),
        }
        Ok(self.shared.account().clone())
    }
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "it asks in real time")]
    fn tick(self: &Arc<Self>, namespace: &Path, target: SocketAddr, pause: Duration) -> Result<()> {
        let file = File::open(namespace).with_context(|| format!("open {}", namespace.display()))?;
        // This thread alone changes its namespace; the threads that it starts are born there.
        setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {}", namespace.display()))?;
        let before = repeated()?;
        let mut waiting: Vec<JoinHandle<()>> = Vec::new();
        let mut next = Instant::now();
        while !self.over.load(Ordering::SeqCst) {
            next += pause;
            thread::sleep(next.saturating_duration_since(Instant::now()));
            waiting.retain(|one| !one.is_finished());
            if waiting.len() >= WAITING {
                continue;
            }
            self.account().sent += 1;
            let shared = Arc::clone(self);
            waiting.push(thread::Builder::new().spawn(move || {
                let outcome = ask(target);
                shared.account().add(outcome, Instant::now());
            })?);
        }
        waiting.into_iter().for_each(|one| drop(one.join()));
        self.account().repeated = repeated()?.saturating_sub(before);
        Ok(())
    }
}

/// First segments that were repeated in the namespace of this thread.
fn repeated() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/net/netstat").context("read the counters of TCP")?;
    counter(&text, "TcpExt:", "TCPSynRetrans").context("the kernel does not count repeated segments")
}

/// A counter in the kernel's table of pairs of lines: names, then values.
fn counter(table: &str, line: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines().filter(|text| text.starts_with(line));
    let (names, values) = (lines.next()?, lines.next()?);
    let position = names.split_whitespace().position(|word| word == name)?;
    values.split_whitespace().nth(position)?.parse().ok()
}

fn ask(target: SocketAddr) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&target, PATIENCE).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE)).context("limit the time")?;
    let request = format!("GET / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).context("send the request")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("read the answer")?;
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
    http::parse(body.with_context(|| format!("the answer has no body: {text:?}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(node: &str) -> Answer {
        Answer { node: node.to_owned(), client: IpAddr::from([192, 0, 2, 200]) }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn every_request_is_accounted_for() {
        let (begin, mut account) = (Instant::now(), Account { sent: 3, ..Account::default() });
        account.add(Ok(answer("node-a")), begin);
        account.add(Ok(answer("node-b")), begin + Duration::from_millis(160));
        assert_eq!((account.answered, account.longest_gap), (2, Duration::from_millis(160)));
        assert!(account.nodes.keys().eq(["node-a", "node-b"]));
        account.add(Err(anyhow::anyhow!("refused")), begin);
        assert_eq!((account.lost, account.failures.as_slice()), (1, &["refused".to_owned()][..]));
        assert!(account.expect_complete().is_err());
    }

    #[test]
    fn only_a_complete_account_is_complete() {
        assert!(Account::default().expect_complete().is_err(), "nothing was asked");
        let whole = Account { sent: 2, answered: 2, ..Account::default() };
        whole.expect_complete().unwrap();
        assert!(Account { repeated: 1, ..whole }.expect_complete().is_err());
    }

    #[test]
    fn counters_are_found_by_their_names() {
        let table = "TcpExt: SyncookiesSent TCPSynRetrans\nTcpExt: 3 17\nIpExt: TCPSynRetrans\nIpExt: 4\n";
        assert_eq!(counter(table, "TcpExt:", "TCPSynRetrans"), Some(17));
        assert_eq!(counter(table, "TcpExt:", "Nothing"), None);
        repeated().unwrap();
    }
}
