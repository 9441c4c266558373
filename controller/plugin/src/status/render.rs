//! The report as text for people.

use super::Status;
use crate::output::{Severity, Style, or_dash, table};

/// The report, problems first.
pub fn render(status: &Status, style: Style) -> String {
    let mut text = style.findings(&status.findings);
    if text.is_empty() {
        text = format!("{}  nothing is wrong\n", style.paint(Severity::Ok, "OK"));
    }
    text += &controller(status);
    text += &table(
        "SPEAKERS",
        ["NODE", "LIVE", "READY", "OWNED", "VERSION", "INTERFACES"],
        status.speakers.iter().map(|row| {
            let mark = if row.evacuating { " (evacuated)" } else { "" };
            [
                format!("{}{mark}", row.node),
                if row.live { "yes" } else { "no" }.to_owned(),
                or_dash(&row.ready),
                row.owned.to_string(),
                or_dash(&row.version),
                or_dash(&row.interfaces.join(", ")),
            ]
        }),
    );
    text += &table(
        "POOLS",
        ["NAME", "IPV4 USED", "FREE", "IPV6 USED", "FREE", "ADDRESSES"],
        status.pools.iter().map(|row| {
            let mark = if row.accepted { "" } else { " (refused)" };
            let [used_v4, free_v4, used_v6, free_v6] =
                [row.used_v4, row.free_v4, row.used_v6, row.free_v6].map(|number| number.to_string());
            [format!("{}{mark}", row.name), used_v4, free_v4, used_v6, free_v6, row.addresses.join(", ")]
        }),
    );
    text + &addresses(status, style)
}

fn controller(status: &Status) -> String {
    let row = &status.controller;
    let age = row.renewed_seconds_ago.map(|age| format!("{age} s ago")).unwrap_or_default();
    let replicas = row.replicas.map(|(ready, wanted)| format!("{ready}/{wanted}")).unwrap_or_default();
    let row = [row.leader.clone().unwrap_or_default(), age, replicas].map(|text| or_dash(&text));
    table("CONTROLLER", ["LEADER", "RENEWED", "READY"], [row])
}

fn addresses(status: &Status, style: Style) -> String {
    let announced = |row: &super::AddressRow| match row.announced {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    if style.wide {
        let rows = status.addresses.iter().map(|row| {
            [
                row.address.clone(),
                row.services.join(", "),
                row.pool.clone(),
                or_dash(row.owner.as_deref().unwrap_or_default()),
                announced(row).to_owned(),
                or_dash(&row.candidates.join(", ")),
                or_dash(row.since.as_deref().unwrap_or_default()),
                or_dash(&row.interfaces.join(", ")),
                or_dash(&row.routes.join(", ")),
            ]
        });
        let header = ["ADDRESS", "SERVICES", "POOL", "OWNER", "ANNOUNCED", "CANDIDATES", "SINCE", "INTERFACES", "BGP"];
        return table("ADDRESSES", header, rows);
    }
    let rows = status.addresses.iter().map(|row| {
        let owner = row.owner.as_deref().unwrap_or_default();
        let owner = if owner.is_empty() && !row.routes.is_empty() { "by BGP" } else { owner };
        [row.address.clone(), row.services.join(", "), row.pool.clone(), or_dash(owner), announced(row).to_owned()]
    });
    table("ADDRESSES", ["ADDRESS", "SERVICES", "POOL", "OWNER", "ANNOUNCED"], rows)
}
