//! Ordinary traffic into an interface that carries our program, another one, or none: `iperf3` between two namespaces.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{
    answers::median,
    beds::{Bed, Contender},
    plan::Plan,
    report::Streams,
};
use crate::{
    lab::{Running, eventually},
    sh, ui,
};

/// UDP payload that makes an Ethernet frame of 64 bytes, checksum included.
const PAYLOAD: &str = "18";

/// What the interface carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Nothing,
    /// An XDP program that passes everything: what any native program costs on a veth.
    Empty,
    Ours,
}

/// One state of an interface, and what came of it so far.
struct Course<'a> {
    bed: &'a Bed,
    carries: Carries,
    tcp: Vec<f64>,
    packets: Vec<f64>,
}

/// Measures TCP and small packets, in several rounds.
pub(super) fn measure(plan: &Plan, beds: &[Bed]) -> Result<Vec<Streams>> {
    let find = |contender: Contender| {
        beds.iter().find(|bed| bed.contender == contender).with_context(|| format!("no bed for {}", contender.name()))
    };
    let (plain, native, tcx) =
        (find(Contender::Kernel)?, find(Contender::Ours("native"))?, find(Contender::Ours("tcx"))?);
    // The bridge's end needs its program only for answers; without it all beds are alike.
    native.bare_port(native.node())?;
    let servers: Vec<Running> = [plain, native, tcx].into_iter().map(serve).collect::<Result<_>>()?;
    let course = |bed, carries| Course { bed, carries, tcp: Vec::new(), packets: Vec::new() };
    let mut courses = vec![
        course(plain, Carries::Nothing),
        course(plain, Carries::Empty),
        course(native, Carries::Ours),
        course(tcx, Carries::Ours),
    ];
    let step = ui::Step::begin(format!("TCP and small packets, {} rounds", plan.rounds));
    for round in 1..=plan.rounds {
        for course in &mut courses {
            step.note(format_args!("round {round}, {}", course.name()));
            course.turn(plan)?;
        }
    }
    drop(servers);
    step.done("measured");
    Ok(courses.iter().map(Course::result).collect())
}

fn serve(bed: &Bed) -> Result<Running> {
    let mut command = bed.node().namespace.command("iperf3");
    command.args(["--server", "--bind", &bed.node().ipv4.to_string()]);
    let server = Running::start(&mut command, &bed.segment.lab.directory().join("iperf3.log"))?;
    eventually(Duration::from_secs(10), "the server to listen", || {
        let mut sockets = bed.node().namespace.command("ss");
        sockets.args(["-Hltn", "sport = :5201"]);
        ensure!(!sh::read(sockets)?.is_empty(), "it printed:\n{}", server.output());
        Ok(())
    })?;
    Ok(server)
}

impl Course<'_> {
    fn name(&self) -> String {
        match self.carries {
            Carries::Nothing => "no program".to_owned(),
            Carries::Empty => "empty XDP program".to_owned(),
            Carries::Ours => self.bed.contender.name(),
        }
    }

    fn turn(&mut self, plan: &Plan) -> Result<()> {
        let namespace = &self.bed.node().namespace;
        if self.carries == Carries::Empty {
            // The lab's name says what it is for; the program passes everything.
            namespace.accept_xdp_tx("eth0")?;
        }
        self.tcp.push(self.iperf(plan, &[])?.bits_per_second / 1e9);
        let before = self.bed.packets("rx")?;
        let sent = self.iperf(plan, &["--udp", "--bitrate", "0", "--length", PAYLOAD])?;
        self.packets.push((self.bed.packets("rx")? - before) as f64 / sent.seconds);
        if self.carries == Carries::Empty {
            namespace.ip("link set dev eth0 xdpdrv off")?;
        }
        Ok(())
    }

    fn iperf(&self, plan: &Plan, kind: &[&str]) -> Result<Sum> {
        let mut command = self.bed.segment.client.namespace.command("iperf3");
        command.args(["--json", "--client", &self.bed.node().ipv4.to_string()]);
        command.args(["--time", &plan.stream.as_secs().to_string()]).args(kind);
        parse(&sh::read(command)?)
    }

    fn result(&self) -> Streams {
        Streams {
            interface: self.name(),
            tcp_gbit: median(self.tcp.iter().copied()),
            packets_per_second: median(self.packets.iter().copied()),
        }
    }
}

/// The end of a test.
struct Sum {
    seconds: f64,
    bits_per_second: f64,
}

fn parse(text: &str) -> Result<Sum> {
    let report: serde_json::Value = serde_json::from_str(text).context("iperf3 did not print JSON")?;
    let end = &report["end"];
    // TCP tells what was received; UDP has one sum.
    let sum = if end["sum_received"].is_object() { &end["sum_received"] } else { &end["sum"] };
    let number = |name: &str| sum[name].as_f64().with_context(|| format!("iperf3 tells no {name}: {text}"));
    let sum = Sum { seconds: number("seconds")?, bits_per_second: number("bits_per_second")? };
    ensure!(sum.seconds > 0.0, "iperf3 measured no time: {text}");
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_counts_what_was_received() {
        let tcp = r#"{"end":{"sum_sent":{"seconds":2.0,"bits_per_second":9e9},"sum_received":{"seconds":2.5,"bits_per_second":8e9}}}"#;
        let sum = parse(tcp).unwrap();
        assert_eq!((sum.seconds, sum.bits_per_second), (2.5, 8e9));
    }

    #[test]
    fn a_failed_test_is_an_error() {
        assert_eq!(parse(r#"{"end":{"sum":{"seconds":1.0,"bits_per_second":5.0}}}"#).unwrap().seconds, 1.0);
        assert!(parse(r#"{"end":{},"error":"unable to connect"}"#).is_err());
        assert!(parse("").is_err());
    }
}
