//! What was typed, and the validated work that follows from it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail, ensure};

/// Most sender addresses that are used in turn.
const MOST_SOURCES: u64 = 8192;
/// Most addresses in one range.
const MOST_IN_RANGE: u128 = 1 << 20;
/// Where sender addresses come from unless given: the ranges for measuring (RFC 2544, RFC 5180), nobody's in a real network.
const SOURCE4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const SOURCE6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);

/// Asks for addresses with ARP requests and neighbour solicitations and prints one line of JSON about the answers.
#[derive(Debug, clap::Parser)]
#[command(name = "asker")]
pub(crate) struct Args {
    /// The interface to ask on.
    #[arg(long, short)]
    pub(crate) interface: String,
    /// An address to ask for, or a range FIRST-LAST; may be repeated, both families. They are asked in turn.
    #[arg(long = "address", short, required = true, value_name = "ADDR[-ADDR]")]
    addresses: Vec<String>,
    /// The first sender address of its family; those that follow it are used as well, see --sources. Unless given, an
    /// address of the range for measurements: a kernel with rp_filter=1 does not answer those.
    #[arg(long = "source", value_name = "ADDR")]
    source: Vec<IpAddr>,
    /// How many sender addresses are used in turn. Unless given: as many as are needed to tell the answers apart.
    #[arg(long, value_name = "N")]
    sources: Option<u64>,
    /// Requests per second.
    #[arg(long, value_name = "N[/s]", default_value = "200", value_parser = parse_rate)]
    rate: u64,
    /// Ask as fast as answers come, instead of at a rate.
    #[arg(long, conflicts_with = "rate")]
    flood: bool,
    /// With --flood: how many requests may be without an answer at a time.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "flood")]
    in_flight: u64,
    /// Stop after this many requests. Without any limit, every address is asked for once.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Stop after this time, like 5s or 2m.
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Stop when standard input ends.
    #[arg(long)]
    until_stdin_closes: bool,
    /// How long after a request its answer counts.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Print a line of JSON, {"ready":true}, once the first request was sent.
    #[arg(long)]
    ready_line: bool,
    /// List times without an answer that are longer than this.
    #[arg(long, default_value = "100ms", value_parser = humantime::parse_duration)]
    gap_over: Duration,
    /// Write a line of JSON for every request to this file.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// How fast to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Requests per second.
    Rate(u64),
    /// At most so many requests without an answer.
    Flood(usize),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) targets: Vec<IpAddr>,
    pub(crate) sources: Sources,
    pub(crate) pace: Pace,
    pub(crate) count: Option<u64>,
    pub(crate) duration_ns: Option<u64>,
    pub(crate) until_stdin_closes: bool,
    pub(crate) timeout_ns: u64,
    pub(crate) ready_line: bool,
    pub(crate) gap_over_ns: u64,
    pub(crate) log: Option<PathBuf>,
}

/// The sender addresses: so many that follow the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
    pub(crate) count: usize,
}

impl Sources {
    /// Which of the sender addresses this is.
    pub(crate) fn index(&self, address: IpAddr) -> Option<usize> {
        let offset = match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits().checked_sub(self.v4.to_bits())?),
            IpAddr::V6(v6) => v6.to_bits().checked_sub(self.v6.to_bits())?,
        };
        usize::try_from(offset).ok().filter(|offset| *offset < self.count)
    }

    /// The sender address with this number, of the family of `target`.
    pub(crate) fn address(&self, index: usize, target: IpAddr) -> IpAddr {
        match target {
            IpAddr::V4(_) => {
                Ipv4Addr::from_bits(self.v4.to_bits().wrapping_add(u32::try_from(index).unwrap_or(0))).into()
            }
            IpAddr::V6(_) => Ipv6Addr::from_bits(self.v6.to_bits().wrapping_add(index as u128)).into(),
        }
    }
}

impl Args {
    pub(crate) fn work(self) -> anyhow::Result<Work> {
        let mut targets = Vec::new();
        for text in &self.addresses {
            targets.extend(parse_range(text).with_context(|| format!("--address {text}"))?);
        }
        let distinct: BTreeSet<&IpAddr> = targets.iter().collect();
        ensure!(distinct.len() == targets.len(), "an address is given twice; answers could not be told apart");
        let timeout_ns = nanoseconds(self.timeout);
        let pace = if self.flood { Pace::Flood(usize::try_from(self.in_flight)?) } else { Pace::Rate(self.rate) };
        let needed = needed_sources(pace, targets.len() as u64, timeout_ns);
        let count = self.sources.unwrap_or(needed);
        ensure!(count > 0, "--sources must be at least 1");
        ensure!(count <= MOST_SOURCES, "{count} sender addresses are too many; lower --rate, --in-flight or --timeout");
        if let Pace::Flood(in_flight) = pace {
            let most = count * targets.len() as u64;
            ensure!(
                in_flight as u64 <= most,
                "--in-flight {in_flight} needs more --sources: one request per pair of addresses"
            );
        }
        let sources = sources(&self.source, usize::try_from(count)?)?;
        if let Some(both) = targets.iter().find(|target| sources.index(**target).is_some()) {
            bail!(
                "{both} would be both asked for and the sender; choose a --source with {count} free addresses from it on"
            );
        }
        let unlimited = self.count.is_none() && self.duration.is_none() && !self.until_stdin_closes;
        Ok(Work {
            count: if unlimited { Some(targets.len() as u64) } else { self.count },
            targets,
            sources,
            pace,
            duration_ns: self.duration.map(nanoseconds),
            until_stdin_closes: self.until_stdin_closes,
            timeout_ns,
            ready_line: self.ready_line,
            gap_over_ns: nanoseconds(self.gap_over),
            log: self.log,
        })
    }
}

/// Sender addresses so that no request has to wait for an earlier one to time out: as many as are sent to one target within
/// the timeout, and a quarter more for an asker that notices late.
fn needed_sources(pace: Pace, targets: u64, timeout_ns: u64) -> u64 {
    match pace {
        Pace::Flood(in_flight) => (in_flight as u64).div_ceil(targets),
        Pace::Rate(rate) => {
            let in_flight = u128::from(rate) * u128::from(timeout_ns) * 5 / 4 / 1_000_000_000;
            u64::try_from(in_flight).unwrap_or(u64::MAX).div_ceil(targets).saturating_add(2)
        }
    }
}

fn sources(given: &[IpAddr], count: usize) -> anyhow::Result<Sources> {
    let mut sources = Sources { v4: SOURCE4, v6: SOURCE6, count };
    let (mut seen4, mut seen6) = (0, 0);
    for source in given {
        match source {
            IpAddr::V4(v4) => (sources.v4, seen4) = (*v4, seen4 + 1),
            IpAddr::V6(v6) => (sources.v6, seen6) = (*v6, seen6 + 1),
        }
    }
    ensure!(seen4 <= 1 && seen6 <= 1, "--source may be given once for IPv4 and once for IPv6");
    let last = u32::try_from(count - 1)?;
    ensure!(sources.v4.to_bits().checked_add(last).is_some(), "no {count} addresses follow --source {}", sources.v4);
    Ok(sources)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn parse_rate(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number
        .parse()
        .ok()
        .filter(|rate| *rate > 0)
        .ok_or_else(|| format!("{text:?} is not a number of requests per second"))
}

fn parse_range(text: &str) -> anyhow::Result<Vec<IpAddr>> {
    let address = |text: &str| text.parse::<IpAddr>().with_context(|| format!("{text:?} is not an IP address"));
    let Some((first, last)) = text.split_once('-') else { return Ok(vec![address(text)?]) };
    let (first, last) = match (address(first)?, address(last)?) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (first.to_ipv6_mapped(), last.to_ipv6_mapped()),
        (IpAddr::V6(first), IpAddr::V6(last)) => (first, last),
        _ => bail!("a range must be of one family"),
    };
    let (first, last) = (first.to_bits(), last.to_bits());
    ensure!(first <= last, "a range goes from the lower to the higher address");
    ensure!(last - first < MOST_IN_RANGE, "a range has at most {MOST_IN_RANGE} addresses");
    Ok((first..=last).map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)).to_canonical()).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn work(arguments: &str) -> anyhow::Result<Work> {
        let words = ["asker", "-i", "eth0"].into_iter().chain(arguments.split_ascii_whitespace());
        Args::try_parse_from(words)?.work()
    }

    #[test]
    fn without_a_limit_every_address_is_asked_for_once() {
        let work = work("--address 10.0.0.254-10.0.1.1 --address 2001:db8::5").unwrap();
        let expected = ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1", "2001:db8::5"];
        assert_eq!(work.targets, expected.map(|address| address.parse::<IpAddr>().unwrap()));
        assert_eq!((work.count, work.duration_ns, work.pace), (Some(5), None, Pace::Rate(200)));
    }

    #[test]
    fn enough_senders_are_taken_to_tell_answers_apart() {
        assert_eq!(work("-a 10.0.0.1 --rate 200/s").unwrap().sources.count, 252);
        assert_eq!(work("-a 10.0.0.1 --rate 500 --timeout 200ms").unwrap().sources.count, 127);
        assert_eq!(work("-a 10.0.0.1-10.0.1.0 --rate 200").unwrap().sources.count, 3);
        assert_eq!(work("-a 10.0.0.1 --flood").unwrap().sources.count, 1);
        assert_eq!(work("-a 10.0.0.1-10.0.0.4 --flood --in-flight 10").unwrap().sources.count, 3);
        assert_eq!(work("-a 10.0.0.1 --rate 200 --sources 1").unwrap().sources.count, 1);
    }

    #[test]
    fn impossible_work_is_refused_with_a_remedy() {
        for (arguments, remedy) in [
            ("-a 10.0.0.1 -a 10.0.0.1", "twice"),
            ("-a 10.0.0.9-10.0.0.1", "lower to the higher"),
            ("-a 10.0.0.1-2001:db8::1", "one family"),
            ("-a ten", "not an IP address"),
            ("-a 10.0.0.1 --rate 0", "requests per second"),
            ("-a 10.0.0.1 --rate 100000", "lower --rate"),
            ("-a 10.0.0.1 --flood --in-flight 2 --sources 1", "--sources"),
            ("-a 10.0.0.1 --sources 0", "at least 1"),
            ("-a 10.0.0.9 --source 10.0.0.1", "free addresses"),
            ("-a 10.0.0.1 --source 255.255.255.250", "follow"),
            ("-a 10.0.0.1 --source 10.0.0.2 --source 10.0.0.3", "once for IPv4"),
        ] {
            let error = work(arguments).unwrap_err();
            assert!(format!("{error:#}").contains(remedy), "{arguments}: {error:#}");
        }
    }

    #[test]
    fn sender_addresses_are_counted_from_the_first() {
        let sources = Sources { v4: "10.0.0.250".parse().unwrap(), v6: SOURCE6, count: 10 };
        let target = "10.9.9.9".parse().unwrap();
        for index in 0..10 {
            assert_eq!(sources.index(sources.address(index, target)), Some(index));
            assert_eq!(sources.index(sources.address(index, "::1".parse().unwrap())), Some(index));
        }
        assert_eq!(sources.address(6, target), "10.0.1.0".parse::<IpAddr>().unwrap());
        for other in ["10.0.0.249", "10.0.1.4", "2001:2::", "2001:2::b"] {
            assert_eq!(sources.index(other.parse().unwrap()), None, "{other}");
        }
    }
}
