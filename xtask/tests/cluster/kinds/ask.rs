//! Many requests to the API server by one client on one connection, with every field as it is written: kubectl would drop nulls.

use std::{fmt::Write as _, fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::{lab::cluster::Cluster, sh};

/// One request.
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// Of a PATCH: a merge patch. Null: none.
    pub(super) body: Value,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) body: Value,
    pub(super) warnings: Vec<String>,
}

/// Sends all, one after the other, as the administrator.
pub(super) fn ask(cluster: &Cluster, asks: &[&Ask]) -> Result<Vec<Reply>> {
    let config: Value = serde_json::from_str(&cluster.outside_kubeconfig())?;
    let text = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).with_context(|| pointer.to_owned());
    let token = text("/users/0/user/token")?;
    let authority = text("/clusters/0/cluster/certificate-authority")?;
    let directory = tempfile::tempdir()?;
    let (address, mut script) = (cluster.api_address(), String::new());
    for (number, ask) in asks.iter().enumerate() {
        let file = |what: &str| directory.path().join(format!("{number}.{what}"));
        let format = if ask.method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        if number > 0 {
            script += "next\n";
        }
        writeln!(script, "silent\nshow-error\nmax-time = 30\nnoproxy = \"*\"\ncacert = \"{authority}\"")?;
        writeln!(script, "connect-to = \"kubernetes.default.svc:443:{address}\"")?;
        writeln!(script, "url = \"https://kubernetes.default.svc{}\"", ask.path)?;
        writeln!(script, "request = {}\nheader = \"Authorization: Bearer {token}\"", ask.method)?;
        writeln!(script, "header = \"Content-Type: {format}\"")?;
        if !ask.body.is_null() {
            fs::write(file("ask"), ask.body.to_string())?;
            writeln!(script, "data-binary = \"@{}\"", file("ask").display())?;
        }
        writeln!(script, "output = \"{}\"\ndump-header = \"{}\"", file("body").display(), file("head").display())?;
    }
    let file = directory.path().join("script");
    fs::write(&file, script)?;
    let mut command = Command::new("curl");
    command.arg("--disable").arg("--config").arg(&file);
    sh::run(command)?;
    (0..asks.len())
        .map(|number| {
            let read = |what: &str| fs::read_to_string(directory.path().join(format!("{number}.{what}")));
            let (head, body) = (read("head")?, read("body")?);
            // `HTTP/2 201`
            let code = head.split_whitespace().nth(1).context("no status line")?.parse()?;
            let body = serde_json::from_str(&body).with_context(|| format!("no JSON: {body}"))?;
            ensure!(code != 401, "the token is refused: {body}");
            // `warning: 299 - "with \"quotes\" in it"`
            let warnings = head.lines().filter(|line| line.to_lowercase().starts_with("warning:"));
            let warnings = warnings.map(|line| line.replace("\\\"", "\""));
            Ok(Reply { code, body, warnings: warnings.collect() })
        })
        .collect()
}
