//! What is done to the API server's store directly: its history is forgotten. Watches that want to resume in it are refused (410).

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Cluster, control::ETCD};
use crate::sh;

impl Cluster {
    /// Makes etcd forget every version before the present one; returns the present one, which is a `resourceVersion`. The
    /// watches of a running API server go on: it has a memory of its own, which it loses when it is started again.
    ///
    /// # Errors
    /// If etcd does not answer or refuses.
    pub fn compact(&self) -> Result<u64> {
        // Any key will do: what counts is the head of the answer.
        let read = self.ask_etcd("range", &json!({"key": "AA=="}))?;
        let revision = read["header"]["revision"].as_str().and_then(|text| text.parse().ok());
        let revision: u64 = revision.with_context(|| format!("etcd says no revision: {read}"))?;
        self.ask_etcd("compaction", &json!({"revision": revision.to_string(), "physical": true}))?;
        Ok(revision)
    }

    /// etcd's API over HTTP.
    fn ask_etcd(&self, verb: &str, request: &Value) -> Result<Value> {
        let mut curl = self.control_plane().command("curl");
        curl.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--fail", "--max-time", "20"]);
        curl.args(["--data", &request.to_string(), &format!("{ETCD}/v3/kv/{verb}")]);
        let text = sh::read(curl)?;
        serde_json::from_str(&text).with_context(|| format!("etcd answered {text:?}, no JSON"))
    }
}
