//! What may be written of every kind of MetalLB and what may not, as its author sees it: tables of snippets that go through the real
//! API server and the real webhooks. Nothing of them is stored (dry run), so that a hundred take seconds.
//!
//! Each file is a kind. A table says which objects are there, what is accepted and what is made of it, what is accepted with a
//! warning, and what is refused in which words.

mod ask;
mod bfdprofile;
mod bgpadvertisement;
mod bgppeer;
mod community;
mod explained;
mod l2advertisement;
mod pool;
mod statuses;
mod strange;

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, Controller, Guarded, NAMESPACE},
    eventually,
};

use self::ask::{Ask, Reply, ask};
use super::harness::Scenario;

/// Limit for what takes a second, with room for a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("pools_that_are_taken_and_refused", |cluster| pool::TABLE.play(cluster)),
    ("l2_advertisements_that_are_taken_and_refused", |cluster| l2advertisement::TABLE.play(cluster)),
    ("bgp_advertisements_that_are_taken_and_refused", |cluster| bgpadvertisement::TABLE.play(cluster)),
    ("bgp_peers_that_are_taken_and_refused", |cluster| bgppeer::TABLE.play(cluster)),
    ("communities_that_are_taken_and_refused", |cluster| community::TABLE.play(cluster)),
    ("bfd_profiles_that_are_taken_and_refused", |cluster| bfdprofile::TABLE.play(cluster)),
    ("point_42_a_bfd_profile_in_use_cannot_be_deleted", bfdprofile::point_42_a_bfd_profile_in_use_cannot_be_deleted),
    ("peers_are_the_same_in_both_versions", bgppeer::peers_are_the_same_in_both_versions),
    ("point_41_foreign_namespaces_are_refused_for_every_kind", point_41_foreign_namespaces_are_refused_for_every_kind),
    ("samples_are_admitted_by_the_webhooks", samples_are_admitted_by_the_webhooks),
    ("reports_keep_who_they_are_about", statuses::reports_keep_who_they_are_about),
    ("every_field_of_every_kind_is_explained", explained::every_field_of_every_kind_is_explained),
    ("strange_objects_stop_nobody", strange::strange_objects_stop_nobody),
];

/// Why it is in the table; the object but for its name, as YAML; what its spec is made into, as YAML (empty: not looked at).
type Accepted = (&'static str, &'static str, &'static str);
/// Why; the object; words of the refusal.
type Refused = (&'static str, &'static str, &'static [&'static str]);
/// Why; which of the objects that are there; a merge patch as YAML; words of the refusal (none: it is accepted).
type Changed = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// The cases of one kind.
struct Table {
    kind: &'static str,
    plural: &'static str,
    version: &'static str,
    /// Objects that are there, whole, as YAML documents.
    there: &'static str,
    accepts: &'static [Accepted],
    /// Accepted, with these words in the warning.
    warns: &'static [Refused],
    rejects: &'static [Refused],
    changes: &'static [Changed],
}

/// Our definitions, one controller and its webhooks.
struct Bed<'a> {
    cluster: &'a Cluster,
    controller: Controller,
    _guarded: Guarded<'a>,
}

impl<'a> Bed<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let installed = cluster.install().unwrap();
        let controller = installed.start_controller(cluster, 1, &[]).unwrap();
        controller.wait_ready().unwrap();
        Self { cluster, controller, _guarded: cluster.guard().unwrap() }
    }
}

impl Bed<'_> {
    /// Makes what has to be there. The API server may still hold a connection to a controller of the scenario before.
    fn make(&self, text: &str) {
        eventually(SOON, "a controller to admit what has to be there", || self.cluster.apply(text)).unwrap();
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        // Peers first: what they use can go then.
        let kinds = "bgppeers,bgpadvertisements,l2advertisements,ipaddresspools,communities,bfdprofiles";
        let _deleted = self.cluster.kubectl(&["delete", kinds, "--all", "--namespace", NAMESPACE]);
        let _deleted = self.cluster.kubectl(&["delete", "lease", "arpeggio-controller", "--namespace", NAMESPACE]);
    }
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).map_err(|error| anyhow::anyhow!("{error}: {text}")).unwrap()
}

/// Lays `over` over `under`; nulls stay.
fn lay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

impl Table {
    fn object(&self, name: &str, text: &str) -> Value {
        let metadata = json!({ "name": name, "namespace": NAMESPACE });
        let mut object =
            json!({ "apiVersion": format!("metallb.io/{}", self.version), "kind": self.kind, "metadata": metadata });
        if !text.is_empty() {
            lay(&mut object, yaml(text));
        }
        object
    }

    fn create(&self, number: usize, text: &str) -> Ask {
        let object = self.object(&format!("case-{number}"), text);
        let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
        let (version, namespace) = (text(&object["apiVersion"]), text(&object["metadata"]["namespace"]));
        let path = format!("/apis/{version}/namespaces/{namespace}/{}?dryRun=All", self.plural);
        Ask { method: "POST", path, body: object }
    }

    fn change(&self, name: &str, patch: &str) -> Ask {
        let path =
            format!("/apis/metallb.io/{}/namespaces/{NAMESPACE}/{}/{name}?dryRun=All", self.version, self.plural);
        Ask { method: "PATCH", path, body: yaml(patch) }
    }

    fn play(&self, cluster: &Cluster) {
        let bed = Bed::new(cluster);
        if !self.there.is_empty() {
            bed.make(self.there);
        }
        let mut wanted: Vec<(&str, Ask, Wanted)> = Vec::new();
        for (why, text, filled) in self.accepts {
            wanted.push((why, self.create(wanted.len(), text), Wanted::Accepted(filled)));
        }
        for (why, text, words) in self.warns {
            wanted.push((why, self.create(wanted.len(), text), Wanted::Warned(words)));
        }
        for (why, text, words) in self.rejects {
            wanted.push((why, self.create(wanted.len(), text), Wanted::Refused(words)));
        }
        for (why, name, patch, words) in self.changes {
            let outcome = if words.is_empty() { Wanted::Accepted("") } else { Wanted::Refused(words) };
            wanted.push((why, self.change(name, patch), outcome));
        }
        // The webhooks hear of what is there by a watch: what is wrong at first is asked again.
        eventually(SOON, &format!("the table of {} to hold", self.kind), || {
            let asks: Vec<&Ask> = wanted.iter().map(|(_, ask, _)| ask).collect();
            let replies = ask(cluster, &asks)?;
            let mut wrong = Vec::new();
            let mut left = Vec::new();
            for ((why, ask, outcome), reply) in std::mem::take(&mut wanted).into_iter().zip(replies) {
                if let Err(error) = outcome.judge(&reply) {
                    wrong.push(format!("{why}: {error:#}"));
                    left.push((why, ask, outcome));
                }
            }
            wanted = left;
            ensure!(wrong.is_empty(), "{} {} are not as they should be:\n{}", wrong.len(), self.kind, wrong.join("\n"));
            Ok(())
        })
        .unwrap();
        bed.controller.check().unwrap();
    }
}

/// What is to come of a question.
#[derive(Clone, Copy)]
enum Wanted {
    Accepted(&'static str),
    Warned(&'static [&'static str]),
    Refused(&'static [&'static str]),
}

impl Wanted {
    fn judge(self, reply: &Reply) -> Result<()> {
        let said = reply.body["message"].as_str().unwrap_or_default();
        let accepted = (200..300).contains(&reply.code);
        match self {
            Self::Refused(words) => {
                ensure!(!accepted, "it was accepted");
                // A webhook that is not there refuses too, but for another reason.
                ensure!((400..500).contains(&reply.code), "{} {said}", reply.code);
                for word in words {
                    ensure!(said.contains(word), "no {word:?} in {} {said:?}", reply.code);
                }
            }
            _ if !accepted => bail!("refused: {} {said}", reply.code),
            Self::Accepted("") => {}
            Self::Accepted(filled) => {
                let (is, wanted) = (&reply.body["spec"], yaml(filled));
                ensure!(*is == wanted, "became {is} instead of {wanted}");
            }
            Self::Warned(words) => {
                let told = reply.warnings.join("; ");
                for word in words {
                    ensure!(told.contains(word), "no {word:?} in the warning {told:?}");
                }
            }
        }
        Ok(())
    }
}

/// MetalLB behaviour 41.
fn point_41_foreign_namespaces_are_refused_for_every_kind(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let asks: Vec<Ask> = [
        ("IPAddressPool", "v1beta1", "ipaddresspools", json!({ "addresses": ["192.0.2.0/24"] })),
        ("L2Advertisement", "v1beta1", "l2advertisements", json!({})),
        ("BGPAdvertisement", "v1beta1", "bgpadvertisements", json!({})),
        ("BGPPeer", "v1beta2", "bgppeers", json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" })),
        // MetalLB lets this one through: a warning ends its checks.
        (
            "BGPPeer",
            "v1beta2",
            "bgppeers",
            json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "disableMP": true }),
        ),
        ("Community", "v1beta1", "communities", json!({})),
        ("BFDProfile", "v1beta1", "bfdprofiles", json!({})),
    ]
    .into_iter()
    .map(|(kind, version, plural, spec)| Ask {
        method: "POST",
        path: format!("/apis/metallb.io/{version}/namespaces/default/{plural}?dryRun=All"),
        body: json!({ "apiVersion": format!("metallb.io/{version}"), "kind": kind,
            "metadata": { "name": "foreign", "namespace": "default" }, "spec": spec }),
    })
    .collect();
    eventually(SOON, "every foreign object to be refused", || {
        for (asked, reply) in asks.iter().zip(ask(bed.cluster, &asks.iter().collect::<Vec<_>>())?) {
            let words = &["metadata.namespace \"default\"", "the resource must be created in metallb-system namespace"];
            Wanted::Refused(words).judge(&reply).with_context(|| asked.body.to_string())?;
        }
        Ok(())
    })
    .unwrap();
}

fn samples_are_admitted_by_the_webhooks(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    for entry in std::fs::read_dir(xtask::manifests::folder().join("samples")).unwrap() {
        let sample = entry.unwrap().path();
        let file = sample.to_string_lossy();
        eventually(SOON, "a sample to be admitted", || cluster.kubectl(&["apply", "--validate=strict", "-f", &file]))
            .unwrap();
        // Samples are alternatives: some use the same addresses. A profile goes once the peers that use it are gone.
        let delete = ["delete", "--ignore-not-found", "-f", &file];
        eventually(SOON, "a sample to go", || cluster.kubectl(&delete)).unwrap();
    }
    drop(bed);
}
