//! The objects of a cluster at one moment, as plain lists, and the controller's view of them.

use std::{collections::BTreeMap, time::Duration};

use arpeggio_common::api::{
    Announcement, BFDProfile, BGPAdvertisement, BGPPeer, Community, Decoded, IPAddressPool, L2Advertisement,
    ServiceL2Status, Speaker,
};
use arpeggio_controller::cluster::{
    Settings,
    index::{Delta, Index},
    project::Watched,
};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    coordination::v1::Lease,
    core::v1::{ConfigMap, Container, Event, Namespace, Node, Pod, PodSpec, Service},
    discovery::v1::EndpointSlice,
};

/// How far the clock of this machine may be ahead of the cluster's.
const SKEW: Duration = Duration::from_secs(60);

/// Every object that a report may need. A kind that the user may not list, or that is not installed, is empty.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each is the list of a kind of that name")]
pub struct Objects {
    /// When the lists were made.
    pub now: Timestamp,
    /// The namespace of Arpeggio.
    pub namespace: String,
    /// Kinds that could not be listed, and why.
    pub unlisted: Vec<String>,
    pub services: Vec<Service>,
    pub slices: Vec<EndpointSlice>,
    pub nodes: Vec<Node>,
    pub namespaces: Vec<Namespace>,
    pub pools: Vec<Decoded<IPAddressPool>>,
    pub l2_advertisements: Vec<Decoded<L2Advertisement>>,
    pub bgp_advertisements: Vec<Decoded<BGPAdvertisement>>,
    pub peers: Vec<Decoded<BGPPeer>>,
    pub communities: Vec<Decoded<Community>>,
    pub bfd_profiles: Vec<Decoded<BFDProfile>>,
    pub speakers: Vec<Decoded<Speaker>>,
    pub leases: Vec<Lease>,
    pub announcements: Vec<Decoded<Announcement>>,
    pub l2_statuses: Vec<Decoded<ServiceL2Status>>,
    pub deployments: Vec<Deployment>,
    pub daemon_sets: Vec<DaemonSet>,
    pub config_maps: Vec<ConfigMap>,
    pub pods: Vec<Pod>,
    pub events: Vec<Event>,
}

impl Objects {
    /// The controller's own index, fed with everything.
    pub fn index(&self) -> Index {
        let mut index = Index::new(self.settings(), &self.namespace, Duration::ZERO);
        feed(&mut index, &self.nodes);
        feed(&mut index, &self.namespaces);
        feed(&mut index, &self.services);
        feed(&mut index, &self.slices);
        feed(&mut index, &self.pools);
        feed(&mut index, &self.l2_advertisements);
        feed(&mut index, &self.bgp_advertisements);
        feed(&mut index, &self.peers);
        feed(&mut index, &self.communities);
        feed(&mut index, &self.bfd_profiles);
        feed(&mut index, &self.speakers);
        let held: Vec<Lease> = self.leases.iter().filter(|lease| self.is_held(lease)).cloned().collect();
        feed(&mut index, &held);
        feed(&mut index, &self.announcements);
        feed(&mut index, &self.l2_statuses);
        index
    }

    /// Whether a lease is held: it has a holder and was renewed within its duration.
    ///
    /// The clock of this machine may differ from the cluster's: the newest renewal counts as the present, unless it is old.
    pub fn is_held(&self, lease: &Lease) -> bool {
        let newest = self.leases.iter().filter_map(renewed).max();
        let earliest = self.now.saturating_sub(SKEW).unwrap_or(self.now);
        let present = newest.map_or(earliest, |newest| newest.max(earliest));
        let Some(spec) = &lease.spec else { return false };
        let seconds = i64::from(spec.lease_duration_seconds.unwrap_or_default());
        let has_holder = spec.holder_identity.as_ref().is_some_and(|holder| !holder.is_empty());
        let age = renewed(lease).map(|renewed| present.as_second() - renewed.as_second());
        has_holder && age.is_some_and(|age| age <= seconds)
    }

    /// The lease of this name.
    pub fn lease(&self, name: &str) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.metadata.name.as_deref() == Some(name))
    }

    /// The flags of the controller that decisions depend on.
    pub fn settings(&self) -> Settings {
        let containers = self.controllers().flat_map(|(_, spec)| &spec.containers);
        let mut settings = Settings::default();
        for container in containers {
            if let Some(class) = flag(container, "--lb-class", "ARPEGGIO_LB_CLASS") {
                settings.class = Some(class).filter(|class| !class.is_empty());
            }
            let ignored = flag(container, "--ignore-exclude-lb", "ARPEGGIO_IGNORE_EXCLUDE_LB");
            settings.ignore_exclude_label |= ignored.is_some_and(|value| value.is_empty() || value == "true");
        }
        settings
    }

    /// Deployments of the controller, with the specifications of their pods.
    pub fn controllers(&self) -> impl Iterator<Item = (&Deployment, &PodSpec)> {
        let pods =
            |one: &'_ Deployment| is_component(one.metadata.labels.as_ref(), one.metadata.name.as_ref(), "controller");
        self.deployments.iter().filter(move |one| pods(one)).filter_map(|one| {
            let spec = one.spec.as_ref()?.template.spec.as_ref()?;
            Some((one, spec))
        })
    }

    /// DaemonSets of the speaker, with the specifications of their pods.
    pub fn speaker_sets(&self) -> impl Iterator<Item = (&DaemonSet, &PodSpec)> {
        let is_ours =
            |one: &&DaemonSet| is_component(one.metadata.labels.as_ref(), one.metadata.name.as_ref(), "speaker");
        self.daemon_sets.iter().filter(is_ours).filter_map(|one| {
            let spec = one.spec.as_ref()?.template.spec.as_ref()?;
            Some((one, spec))
        })
    }

    /// The speakers that can be read.
    pub fn readable_speakers(&self) -> impl Iterator<Item = &Speaker> {
        self.speakers.iter().filter_map(|speaker| speaker.0.as_ref().ok())
    }

    /// The Announcements that can be read.
    pub fn readable_announcements(&self) -> impl Iterator<Item = &Announcement> {
        self.announcements.iter().filter_map(|one| one.0.as_ref().ok())
    }

    /// The pod of the speaker on a node.
    pub fn speaker_pod(&self, node: &str) -> Option<&str> {
        let on_node = |pod: &&Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(node));
        let is_speaker = |pod: &&Pod| is_component(pod.metadata.labels.as_ref(), pod.metadata.name.as_ref(), "speaker");
        self.pods.iter().filter(is_speaker).find(on_node)?.metadata.name.as_deref()
    }
}

/// The time of the last renewal.
pub fn renewed(lease: &Lease) -> Option<Timestamp> {
    Some(lease.spec.as_ref()?.renew_time.as_ref()?.0)
}

/// Whether labels or name say that the workload is this component. Charts put their release before the name.
fn is_component(labels: Option<&BTreeMap<String, String>>, name: Option<&String>, component: &str) -> bool {
    let keys = ["component", "app.kubernetes.io/component"];
    let labelled = labels.is_some_and(|labels| {
        keys.iter().filter_map(|key| labels.get(*key)).any(|value| value == component || value.ends_with(component))
    });
    labelled || name.is_some_and(|name| name == component || name.ends_with(&format!("-{component}")))
}

/// The value of a flag of a container, in any of the forms that clap and Go read, else of its environment variable.
pub fn flag(container: &Container, name: &str, variable: &str) -> Option<String> {
    let words: Vec<&String> = container.command.iter().chain(&container.args).flatten().collect();
    for (at, word) in words.iter().enumerate() {
        if *word == name {
            let next = words.get(at + 1).filter(|next| !next.starts_with('-'));
            return Some(next.map(|next| (*next).clone()).unwrap_or_default());
        }
        if let Some(value) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value.trim_matches('"').to_owned());
        }
    }
    let variables = container.env.iter().flatten().filter(|one| one.name == variable);
    variables.filter_map(|one| one.value.clone()).next()
}

fn feed<K: Watched>(index: &mut Index, objects: &[K]) {
    for object in objects {
        put(index, object.clone());
    }
    #[expect(clippy::disallowed_methods, reason = "any instant will do: time does not pass in a snapshot")]
    index.feed(K::KIND, Delta::Complete, std::time::Instant::now());
}

/// Gives the index one object.
pub fn put<K: Watched>(index: &mut Index, object: K) {
    #[expect(clippy::disallowed_methods, reason = "any instant will do: time does not pass in a snapshot")]
    index.feed(K::KIND, Delta::Applied(object.entry()), std::time::Instant::now());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, typed};
    use serde_json::json;

    #[test]
    fn a_lease_is_held_by_the_clock_of_the_cluster() {
        let mut objects = fixture::cluster();
        let held = |objects: &Objects| objects.leases.iter().filter(|lease| objects.is_held(lease)).count();
        let all = objects.leases.len();
        assert_eq!(held(&objects), all);
        objects.now = objects.now.checked_add(Duration::from_secs(50)).unwrap();
        assert_eq!(held(&objects), all, "this machine's clock may be ahead");
        objects.now = objects.now.checked_sub(Duration::from_secs(5000)).unwrap();
        assert_eq!(held(&objects), all, "or behind");
        objects.now = objects.now.checked_add(Duration::from_secs(9000)).unwrap();
        assert_eq!(held(&objects), 0, "nobody renews any more");
    }

    #[test]
    fn one_lease_that_was_not_renewed_is_over() {
        let mut objects = fixture::cluster();
        fixture::kill(&mut objects, "node-a");
        let (snapshot, _) = objects.index().take();
        let live: Vec<bool> = snapshot.speakers.values().map(|speaker| speaker.live).collect();
        assert_eq!(live, [false, true, true]);
    }

    #[test]
    fn flags_are_read_in_every_form() {
        let container = |args: serde_json::Value| typed::<Container>(json!({"name": "controller", "args": args}));
        let read = |args| flag(&container(args), "--lb-class", "ARPEGGIO_LB_CLASS");
        assert_eq!(read(json!(["--lb-class=a"])).as_deref(), Some("a"));
        assert_eq!(read(json!(["--lb-class", "a"])).as_deref(), Some("a"));
        assert_eq!(read(json!(["--lb-classes=a", "--other"])), None);
        let env = typed::<Container>(json!({"name": "x", "env": [{"name": "ARPEGGIO_LB_CLASS", "value": "b"}]}));
        assert_eq!(flag(&env, "--lb-class", "ARPEGGIO_LB_CLASS").as_deref(), Some("b"));
        let mut objects = fixture::cluster();
        objects.deployments =
            vec![typed(json!({"metadata": {"name": "controller"}, "spec": {"selector": {}, "template":
            {"spec": {"containers": [{"name": "controller", "args": ["--lb-class=a", "--ignore-exclude-lb"]}]}}}}))];
        let Settings { class, ignore_exclude_label } = objects.settings();
        assert_eq!((class.as_deref(), ignore_exclude_label), (Some("a"), true));
    }
}
