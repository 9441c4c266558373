//! Grafana's dashboards, as ConfigMaps that its side-car finds by their label: what to look at first, one address, one node, and pools.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The file below `manifests/`.
pub(super) const FILE: &str = "prometheus/dashboards.yaml";
/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;

/// A picture: its title, the unit of its values, and what it shows.
struct Panel {
    title: &'static str,
    unit: Unit,
    /// Expression of Prometheus, and the name of each of its series.
    series: &'static [(&'static str, &'static str)],
}

/// What the values are, as Grafana names it.
#[derive(Clone, Copy)]
enum Unit {
    Number,
    PerSecond,
    Seconds,
    Share,
}

/// A dashboard; `choice` is what is chosen at its top: name, and the expression of which it is a label.
struct Dashboard {
    name: &'static str,
    title: &'static str,
    choice: Option<(&'static str, &'static str)>,
    panels: &'static [Panel],
}

const DASHBOARDS: [Dashboard; 4] = [
    Dashboard {
        name: "overview",
        title: "Arpeggio: overview",
        choice: None,
        panels: &[
            Panel {
                title: "Controllers that lead",
                unit: Unit::Number,
                series: &[("sum(arpeggio_controller_leader)", "leaders")],
            },
            Panel {
                title: "Addresses by owner",
                unit: Unit::Number,
                series: &[("sum by (node) (arpeggio_speaker_owned)", "{{node}}")],
            },
            Panel {
                title: "Addresses that two nodes answer for",
                unit: Unit::Number,
                series: &[("count(count by (ip) (arpeggio_speaker_owned) > 1) or vector(0)", "addresses")],
            },
            Panel {
                title: "Changes of ownership",
                unit: Unit::PerSecond,
                series: &[(
                    "sum by (happened, cause) (rate(arpeggio_speaker_ownership_changes_total[$__rate_interval]))",
                    "{{happened}} ({{cause}})",
                )],
            },
            Panel {
                title: "Gap of a failover, 99th percentile of the last hour",
                unit: Unit::Seconds,
                series: &[(
                    "histogram_quantile(0.99, sum by (le) (rate(arpeggio_speaker_failover_gap_seconds_bucket[1h]))) or vector(0)",
                    "gap",
                )],
            },
            Panel {
                title: "Requests of clients, and answers",
                unit: Unit::PerSecond,
                series: &[
                    ("sum(rate(metallb_layer2_requests_received[$__rate_interval]))", "requests"),
                    ("sum(rate(metallb_layer2_responses_sent[$__rate_interval]))", "answers"),
                ],
            },
            Panel {
                title: "Time until the kernel stops, should the speaker stop now",
                unit: Unit::Seconds,
                series: &[("min(arpeggio_speaker_lease_seconds)", "shortest lease")],
            },
            Panel {
                title: "Speakers without the Kubernetes API",
                unit: Unit::Number,
                series: &[("count(arpeggio_speaker_api_answers == 0) or vector(0)", "speakers")],
            },
            Panel {
                title: "Configurations that are left out",
                unit: Unit::Number,
                series: &[("sum(metallb_k8s_client_config_stale_bool)", "processes")],
            },
        ],
    },
    Dashboard {
        name: "address",
        title: "Arpeggio: one address",
        choice: Some(("ip", "metallb_layer2_responses_sent")),
        panels: &[
            Panel { title: "Owner", unit: Unit::Number, series: &[("arpeggio_speaker_owned{ip=\"$ip\"}", "{{node}}")] },
            Panel {
                title: "Services",
                unit: Unit::Number,
                series: &[("metallb_speaker_announced{ip=\"$ip\"}", "{{service}} by {{node}}")],
            },
            Panel {
                title: "Requests of clients",
                unit: Unit::PerSecond,
                series: &[(
                    "sum by (instance) (rate(metallb_layer2_requests_received{ip=\"$ip\"}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Answers",
                unit: Unit::PerSecond,
                series: &[(
                    "sum by (instance) (rate(metallb_layer2_responses_sent{ip=\"$ip\"}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Requests dropped, because another node answers",
                unit: Unit::PerSecond,
                series: &[(
                    "sum by (instance) (rate(arpeggio_speaker_requests_suppressed_total{ip=\"$ip\"}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Gratuitous frames",
                unit: Unit::PerSecond,
                series: &[(
                    "sum by (instance) (rate(metallb_layer2_gratuitous_sent{ip=\"$ip\"}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Heartbeats heard",
                unit: Unit::PerSecond,
                series: &[(
                    "sum by (instance) (rate(arpeggio_speaker_heartbeats_received_total{ip=\"$ip\"}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
        ],
    },
    Dashboard {
        name: "node",
        title: "Arpeggio: one node",
        choice: Some(("instance", "arpeggio_speaker_lease_seconds")),
        panels: &[
            Panel {
                title: "Addresses by what the node is for them",
                unit: Unit::Number,
                series: &[("arpeggio_speaker_addresses{instance=\"$instance\"}", "{{standing}}")],
            },
            Panel {
                title: "How the program is attached",
                unit: Unit::Number,
                series: &[("arpeggio_speaker_attached{instance=\"$instance\"}", "{{interface}}: {{mode}}")],
            },
            Panel {
                title: "Better ways of attaching that were not possible",
                unit: Unit::Number,
                series: &[("arpeggio_speaker_attach_steps_down{instance=\"$instance\"}", "{{interface}}")],
            },
            Panel {
                title: "Lease",
                unit: Unit::Seconds,
                series: &[("arpeggio_speaker_lease_seconds{instance=\"$instance\"}", "left")],
            },
            Panel {
                title: "Other speakers heard",
                unit: Unit::Number,
                series: &[("arpeggio_speaker_peers{instance=\"$instance\"}", "peers")],
            },
            Panel {
                title: "Frames by what became of them",
                unit: Unit::PerSecond,
                series: &[(
                    "rate(arpeggio_speaker_frames_total{instance=\"$instance\"}[$__rate_interval])",
                    "{{outcome}}",
                )],
            },
            Panel {
                title: "Maps in use",
                unit: Unit::Share,
                series: &[(
                    "arpeggio_speaker_map_entries{instance=\"$instance\"} / arpeggio_speaker_map_capacity{instance=\"$instance\"}",
                    "entries",
                )],
            },
            Panel {
                title: "Time of a round, 99th percentile",
                unit: Unit::Seconds,
                series: &[(
                    "histogram_quantile(0.99, rate(arpeggio_speaker_round_duration_seconds_bucket{instance=\"$instance\"}[5m]))",
                    "round",
                )],
            },
            Panel {
                title: "Gratuitous frames that could not be sent",
                unit: Unit::PerSecond,
                series: &[(
                    "rate(arpeggio_speaker_gratuitous_failed_total{instance=\"$instance\"}[$__rate_interval])",
                    "frames",
                )],
            },
        ],
    },
    Dashboard {
        name: "allocation",
        title: "Arpeggio: allocation",
        choice: Some(("pool", "metallb_allocator_addresses_total")),
        panels: &[
            Panel {
                title: "Addresses in use, by pool",
                unit: Unit::Share,
                series: &[(
                    "max by (pool) (metallb_allocator_addresses_in_use_total) / max by (pool) (metallb_allocator_addresses_total)",
                    "{{pool}}",
                )],
            },
            Panel {
                title: "IPv4 addresses",
                unit: Unit::Number,
                series: &[
                    ("max(metallb_allocator_ipv4_addresses_in_use_total{pool=\"$pool\"})", "in use"),
                    ("max(metallb_allocator_ipv4_addresses_total{pool=\"$pool\"})", "all"),
                ],
            },
            Panel {
                title: "IPv6 addresses",
                unit: Unit::Number,
                series: &[
                    ("max(metallb_allocator_ipv6_addresses_in_use_total{pool=\"$pool\"})", "in use"),
                    ("max(metallb_allocator_ipv6_addresses_total{pool=\"$pool\"})", "all"),
                ],
            },
            Panel {
                title: "Services",
                unit: Unit::Number,
                series: &[("max by (pool) (metallb_allocator_services_allocated_total)", "{{pool}}")],
            },
            Panel {
                title: "Time of a decision, 99th percentile",
                unit: Unit::Seconds,
                series: &[(
                    "histogram_quantile(0.99, sum by (le) (rate(arpeggio_controller_decide_duration_seconds_bucket[5m])))",
                    "decision",
                )],
            },
            Panel {
                title: "Writes",
                unit: Unit::PerSecond,
                series: &[(
                    "sum by (kind, result) (rate(arpeggio_controller_writes_total[$__rate_interval]))",
                    "{{kind}}: {{result}}",
                )],
            },
            Panel {
                title: "Time of a write, 99th percentile",
                unit: Unit::Seconds,
                series: &[(
                    "histogram_quantile(0.99, sum by (le, kind) (rate(arpeggio_controller_write_duration_seconds_bucket[5m])))",
                    "{{kind}}",
                )],
            },
            Panel {
                title: "Writes that wait",
                unit: Unit::Number,
                series: &[("sum by (class) (arpeggio_controller_queued_writes)", "{{class}}")],
            },
        ],
    },
];

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Number => "short",
            Self::PerSecond => "cps",
            Self::Seconds => "s",
            Self::Share => "percentunit",
        }
    }
}

/// The file with all dashboards.
///
/// # Errors
/// If one cannot be written as JSON.
pub(super) fn file() -> Result<String> {
    let mut text =
        "# Made by `cargo xtask generate`. Grafana's side-car loads every ConfigMap with this label.\n".to_owned();
    for (number, dashboard) in DASHBOARDS.iter().enumerate() {
        let body = serde_json::to_string_pretty(&board(dashboard)).context("write a dashboard")?;
        if number > 0 {
            text.push_str("---\n");
        }
        text.push_str(&format!(
            "apiVersion: v1
kind: ConfigMap
metadata:
  name: arpeggio-dashboard-{name}
  namespace: metallb-system
  labels: {{app.kubernetes.io/name: arpeggio, grafana_dashboard: \"1\"}}
data:
  arpeggio-{name}.json: |
{body}
",
            name = dashboard.name,
            body = body.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"),
        ));
    }
    Ok(text)
}

/// A dashboard in Grafana's own shape (schema 39), with the source of the data as a choice.
fn board(dashboard: &Dashboard) -> Value {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let mut choices =
        vec![json!({"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"})];
    choices.extend(dashboard.choice.map(|(label, metric)| {
        let query = format!("label_values({metric}, {label})");
        json!({"name": label, "type": "query", "datasource": source, "query": query, "definition": query, "refresh": 2, "sort": 1})
    }));
    let panel = |(number, panel): (u64, &Panel)| {
        let targets: Vec<Value> = (b'A'..)
            .zip(panel.series)
            .map(|(id, (expression, name))| {
                json!({"refId": char::from(id).to_string(), "datasource": source, "expr": expression, "legendFormat": name})
            })
            .collect();
        let (width, height) = (COLUMNS / 3, 7);
        json!({
            "id": number + 1, "type": "timeseries", "title": panel.title, "datasource": source, "targets": targets,
            "gridPos": {"x": number % 3 * width, "y": number / 3 * height, "w": width, "h": height},
            "fieldConfig": {"defaults": {"unit": panel.unit.name(), "min": 0}, "overrides": []},
        })
    };
    json!({
        "uid": format!("arpeggio-{}", dashboard.name), "title": dashboard.title, "tags": ["arpeggio"], "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"}, "refresh": "30s", "templating": {"list": choices},
        "panels": (0..).zip(dashboard.panels).map(panel).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_asks_for_metrics_that_are_documented() {
        let page = std::fs::read_to_string(crate::paths::root().join("docs/reference/metrics.md")).unwrap();
        let panels = DASHBOARDS.iter().flat_map(|dashboard| dashboard.panels);
        for (expression, _) in panels.flat_map(|panel| panel.series) {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let metrics: Vec<&str> =
                words.filter(|word| word.starts_with("arpeggio_") || word.starts_with("metallb_")).collect();
            assert!(!metrics.is_empty(), "{expression}");
            for metric in metrics {
                assert!(page.contains(&format!("| `{}` |", metric.trim_end_matches("_bucket"))), "{metric}");
            }
        }
    }

    #[test]
    fn dashboards_are_objects_with_boards_in_them() {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&file().unwrap()).unwrap();
        assert_eq!(documents.len(), DASHBOARDS.len());
        for (document, dashboard) in documents.iter().zip(&DASHBOARDS) {
            let text = document["data"][format!("arpeggio-{}.json", dashboard.name)].as_str().unwrap();
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), board(dashboard));
        }
    }
}
