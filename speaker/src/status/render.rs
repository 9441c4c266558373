//! Pure: the report as text for people, 80 to 120 columns wide. Quiet: a column in which every line is zero is left out, and
//! so is a section with nothing in it.

use arpeggio_succession::Standing;
use comfy_table::{CellAlignment, Table, presets::NOTHING};

use super::{
    bgp::BgpStatus,
    cluster::KubernetesReport,
    ownership::{PeerReport, ProxyReport, standing_name},
    report::{
        AddressReport, AgentReport, Filter, InterfaceReport, LeaseReport, OtherSender, Role, SenderKind, StatusReport,
    },
    text::{attach_mode_name, count, span},
};
use crate::world::describe_generation;

/// Problems that are shown; all are in the JSON.
const NAMED_PROBLEMS: usize = 20;
/// Unused interfaces that are named one by one; a node with hundreds of pods has hundreds of them.
const NAMED_UNUSED: usize = 8;

/// The text of a report, with a final line break. Where single addresses are asked for, each is shown in full; one that the
/// report does not hold is said to be unknown.
pub fn render(report: &StatusReport, filter: &Filter) -> String {
    let mut sections = Vec::new();
    sections.extend(problems(report));
    sections.push(head(report));
    sections.extend(errors(report));
    let report = report.clone().filtered(filter);
    if filter.addresses.is_empty() {
        sections.extend(interfaces(&report));
        sections.extend(peers(&report));
        sections.extend(report.bgp.iter().filter_map(BgpStatus::section));
        sections.extend(proxies(&report));
        sections.extend(addresses(&report));
        sections.extend(notes(&report));
        sections.extend(outcomes(&report));
    } else {
        sections.extend(report.addresses.iter().map(in_full));
        sections.extend(
            filter
                .addresses
                .iter()
                .filter(|wanted| report.addresses.iter().all(|address| address.address != **wanted))
                .map(|unknown| format!("{unknown}: not known on this node\n")),
        );
    }
    sections.join("\n")
}

/// Node, agent, configuration, lease, groups, gratuitous frames: one line each.
fn head(report: &StatusReport) -> String {
    let mut lines = vec![("node", report.node.clone().unwrap_or_else(|| "unknown".to_owned()))];
    lines.extend(report.cluster.iter().map(|cluster| ("cluster", cluster.clone())));
    lines.push(("version", report.version.clone()));
    lines.push((
        "agent",
        match &report.agent {
            AgentReport::Running { pid, for_ms } => format!("running for {} (pid {pid})", span(*for_ms)),
            AgentReport::NotRunning if report.lease == LeaseReport::Missing && report.addresses.is_empty() => {
                "not running, and nothing is pinned".to_owned()
            }
            AgentReport::NotRunning => "not running; what follows stands in the pinned maps".to_owned(),
            AgentReport::Silent { reason } => format!("{reason}; what follows stands in the pinned maps"),
        },
    ));
    if let Some(config) = &report.config {
        let (file, age) = (config.file.display(), span(config.loaded_ago_ms));
        let newest = match config.newest_order {
            0 => String::new(),
            known => format!("; newest order: generation {}", describe_generation(known)),
        };
        lines.push(("config", format!("{file}, generation {}, loaded {age} ago{newest}", config.generation)));
        if let Some(error) = &config.refused {
            lines.push(("", format!("the newest file is refused: {error}")));
        }
    }
    lines.extend(report.kubernetes.iter().flat_map(KubernetesReport::lines));
    lines.push((
        "lease",
        match report.lease {
            LeaseReport::Valid { left_ms } => format!("valid, {} left", span(left_ms)),
            LeaseReport::Lapsed { ago_ms } => format!("lapsed {} ago: nothing is answered", span(ago_ms)),
            LeaseReport::Missing => "none: nothing is answered".to_owned(),
        },
    ));
    if let Some(succession) = &report.succession {
        lines.push(("pace", succession.line()));
    }
    if !report.groups.is_empty() {
        lines.push(("groups", count(report.groups.len() as u64, "solicited-node group") + " joined"));
    }
    let gratuitous = &report.gratuitous;
    if gratuitous.frames + gratuitous.failed > 0 {
        let last = gratuitous.last_ago_ms.map(|ms| format!(", the last {} ago", span(ms))).unwrap_or_default();
        let failed = if gratuitous.failed > 0 { format!(", {} failed", gratuitous.failed) } else { String::new() };
        lines.push(("sent", count(gratuitous.frames, "gratuitous frame") + &last + &failed));
    }
    lines.iter().map(|(name, text)| format!("{name:<9}{text}\n")).collect()
}

/// First, where the eye is.
fn problems(report: &StatusReport) -> Option<String> {
    let lines = report.problems.iter().take(NAMED_PROBLEMS).map(|problem| format!("  {problem}\n"));
    let more = report.problems.len().saturating_sub(NAMED_PROBLEMS);
    let more = if more > 0 { format!("  and {more} more\n") } else { String::new() };
    (!report.problems.is_empty()).then(|| "PROBLEMS\n".to_owned() + &lines.collect::<String>() + &more)
}

fn errors(report: &StatusReport) -> Option<String> {
    let lines = report.errors.iter().map(|error| format!("  {} ago  {}\n", span(error.ago_ms), error.text));
    (!report.errors.is_empty()).then(|| "LAST ERRORS\n".to_owned() + &lines.collect::<String>())
}

/// A table without lines: two spaces between the columns, none around.
fn table(header: &[&str], numbers: &[usize], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty().set_header(header.iter().copied()).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

fn interfaces(report: &StatusReport) -> Option<String> {
    let (used, unused): (Vec<_>, Vec<_>) = report.interfaces.iter().partition(|interface| interface.eligible);
    let mut text = String::new();
    if !used.is_empty() {
        let rows = used.iter().map(|interface| {
            vec![
                interface.name.clone(),
                interface.index.to_string(),
                interface.mac.clone().unwrap_or_else(|| "-".to_owned()),
                interface.attach.map_or("nothing", attach_mode_name).to_owned(),
                if interface.carrier { "yes" } else { "no" }.to_owned(),
                interface.mtu.to_string(),
            ]
        });
        text += &table(&["INTERFACE", "INDEX", "MAC", "ATTACHED", "CARRIER", "MTU"], &[1, 5], rows);
        for interface in used {
            if let Some(other) = &interface.stands_by_for {
                text += &format!("  {}: stands by for {other}, which is on the same segment\n", interface.name);
            }
            for step in &interface.steps_down {
                text += &format!("  {}: not {}: {}\n", interface.name, attach_mode_name(step.mode), step.reason);
            }
            for path in &interface.paths {
                text += &format!("  {}: warning: {path}\n", interface.name);
            }
            for program in &interface.behind {
                text += &format!("  {}: warning: behind {program}, which may take requests away\n", interface.name);
            }
        }
    }
    text += &unused_line(&unused);
    (!text.is_empty()).then_some(text)
}

fn peers(report: &StatusReport) -> Option<String> {
    let peers = &report.succession.as_ref()?.peers;
    (!peers.is_empty()).then(|| table(&PeerReport::HEADER, &[4], peers.iter().map(PeerReport::row)))
}

fn proxies(report: &StatusReport) -> Option<String> {
    let proxies = report.succession.iter().flat_map(|succession| &succession.proxies);
    let line = |proxy: &ProxyReport| {
        format!("Proxy: {} on {} answers for every {} address\n", proxy.mac, proxy.interface, proxy.family)
    };
    let text: String = proxies.map(line).collect();
    (!text.is_empty()).then_some(text)
}

fn unused_line(unused: &[&InterfaceReport]) -> String {
    let named: Vec<_> = unused
        .iter()
        .take(NAMED_UNUSED)
        .map(|interface| format!("{} ({})", interface.name, interface.reason.as_deref().unwrap_or("unknown")))
        .collect();
    match (named.is_empty(), unused.len().saturating_sub(NAMED_UNUSED)) {
        (true, _) => String::new(),
        (false, 0) => format!("Not used: {}\n", named.join(", ")),
        (false, more) => format!("Not used: {} and {more} more\n", named.join(", ")),
    }
}

/// A counter of the address table: its heading and how to read it.
type CounterColumn = (&'static str, fn(&AddressReport) -> u64);

const COUNTERS: [CounterColumn; 5] = [
    ("REQUESTS", |address| address.counters.requests),
    ("REPLIES", |address| address.counters.replies),
    ("SUPPRESSED", |address| address.counters.suppressed),
    ("HEARTBEATS", |address| address.counters.heartbeats),
    ("CLAIMS", |address| address.counters.claims),
];

fn addresses(report: &StatusReport) -> Option<String> {
    if report.addresses.is_empty() {
        return None;
    }
    if report.succession.is_some() {
        return Some(owned(report));
    }
    let counters: Vec<_> =
        COUNTERS.into_iter().filter(|(_, read)| report.addresses.iter().any(|address| read(address) > 0)).collect();
    let mut header = vec!["ADDRESS", "INTERFACE", "ROLE"];
    header.extend(counters.iter().map(|(name, _)| *name));
    header.push("LAST REQUEST");
    let numbers: Vec<_> = (3..3 + counters.len()).collect();
    let rows = report.addresses.iter().map(|address| {
        let mut row = vec![address.address.to_string(), interface_of(address), role(address)];
        row.extend(counters.iter().map(|(_, read)| read(address).to_string()));
        row.push(last_request(address));
        row
    });
    Some(table(&header, &numbers, rows))
}

/// The table with who owns what. Of the counters only the requests have room.
fn owned(report: &StatusReport) -> String {
    let header = ["ADDRESS", "INTERFACE", "STANDING", "RANK", "OWNER", "FOR", "HEARTBEAT", "REQUESTS", "LAST REQUEST"];
    let rows = report.addresses.iter().map(|address| {
        let columns = address.ownership.as_ref().map_or_else(|| ["-"; 4].map(str::to_owned), |own| own.columns());
        let mut row = vec![address.address.to_string(), interface_of(address), standing(address)];
        row.extend(columns);
        row.extend([address.counters.requests.to_string(), last_request(address)]);
        row
    });
    table(&header, &[3, 7], rows)
}

/// What this node is to the address. Without a succession, what its entry says.
fn standing(address: &AddressReport) -> String {
    match &address.ownership {
        None => role(address),
        Some(own) if own.standing == Standing::Sharing => format!("sharing {}/64", address.shares),
        Some(own) => standing_name(own.standing).to_owned(),
    }
}

fn interface_of(address: &AddressReport) -> String {
    address.interface.clone().unwrap_or_else(|| "-".to_owned())
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Suppressed => "suppressed",
        Role::Observed => "observed",
        Role::NotInstalled => "not installed",
    }
}

fn role(address: &AddressReport) -> String {
    let share = match (address.role, address.shares) {
        (Role::Owner, shares @ 0..64) => format!(" {shares}/64"),
        (_, _) => String::new(),
    };
    let evacuating = if address.evacuating { ", leaving" } else { "" };
    format!("{}{share}{evacuating}", role_name(address.role))
}

fn last_request(address: &AddressReport) -> String {
    match &address.last_request {
        None => "-".to_owned(),
        Some(last) => {
            let client = last.client.map(|client| format!(", {client}")).unwrap_or_default();
            format!("{} ago{client}", span(last.ago_ms))
        }
    }
}

/// What is not as it should be, and who else was seen: one line for each address that it is true of.
fn notes(report: &StatusReport) -> Option<String> {
    let mut text = String::new();
    for address in &report.addresses {
        let place = place(address);
        if let Some(note) = &address.note {
            text += &format!("  {place}: {note}\n");
        }
        // That the owner answers heartbeats stands in its row.
        let expected = |seen: &&OtherSender| address.ownership.is_some() && seen.kind == SenderKind::Heartbeat;
        if let Some(seen) = address.seen.as_ref().filter(|seen| !expected(seen)) {
            text += &format!("  {place}: {}\n", sighting(seen));
        }
    }
    (!text.is_empty()).then(|| "NOTES\n".to_owned() + &text)
}

fn place(address: &AddressReport) -> String {
    match &address.interface {
        Some(interface) => format!("{} on {interface}", address.address),
        None => address.address.to_string(),
    }
}

pub(super) fn sighting(seen: &OtherSender) -> String {
    let did = match seen.kind {
        SenderKind::Claim => "claimed it",
        SenderKind::Reply => "answered for it",
        SenderKind::Heartbeat => "answered our heartbeat",
        SenderKind::Use => "sent requests in its name",
        SenderKind::Unknown => "was seen with it",
    };
    let who = seen.node.as_ref().map_or_else(|| seen.mac.clone(), |node| format!("{node} ({})", seen.mac));
    format!("{who} {did} {} ago ({})", span(seen.ago_ms), count(seen.count, "sighting"))
}

/// One address on one interface, everything that is known.
fn in_full(address: &AddressReport) -> String {
    let mut lines = Vec::new();
    if let Some(own) = &address.ownership {
        let [rank, owner, since, heartbeat] = own.columns();
        let owner = own.owner.as_ref().map_or(owner, ToString::to_string);
        let named = [("owner", owner), ("rank", rank), ("for", since), ("heartbeat", heartbeat)];
        lines.extend(named.into_iter().filter(|(_, text)| text != "-").map(|(name, text)| (name.to_owned(), text)));
    }
    if let Some(note) = &address.note {
        lines.push(("note".to_owned(), note.clone()));
    }
    if let Some(mac) = &address.mac {
        lines.push(("MAC".to_owned(), mac.clone()));
        lines.extend(COUNTERS.iter().map(|(name, read)| (name.to_lowercase(), read(address).to_string())));
    }
    if let Some(last) = &address.last_request {
        let mac = last.mac.as_ref().map(|mac| format!(" ({mac})")).unwrap_or_default();
        let client = last.client.map(|client| format!(", last answered: {client}{mac}")).unwrap_or_default();
        lines.push(("last request".to_owned(), format!("{} ago{client}", span(last.ago_ms))));
    }
    if let Some(seen) = &address.seen {
        lines.push(("elsewhere".to_owned(), sighting(seen)));
    }
    let lines = lines.iter().map(|(name, text)| format!("  {name:<14}{text}\n"));
    format!("{}: {}\n", place(address), standing(address)) + &lines.collect::<String>()
}

fn outcomes(report: &StatusReport) -> Option<String> {
    let rows = report.outcomes.iter().map(|(name, frames)| vec![name.clone(), frames.to_string()]);
    (!report.outcomes.is_empty()).then(|| table(&["OUTCOME", "FRAMES"], &[1], rows))
}
