//! Thousands of Services at once: each gets an address, none is given twice, and nothing is written more often than needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::{
    lab::{
        cluster::{Cluster, NAMESPACE, audit::Request},
        eventually,
    },
    paths, sh,
};

use super::{bed::CONTROLLER, harness::Scenario};

/// Names how many Services there are: 5,000 take minutes where everything shares two processors.
const COUNT: &str = "ARPEGGIO_TEST_SERVICES";
/// As many unless told otherwise.
const FEW: usize = 1_500;
/// Limit for one of them, with room for a busy machine.
const EACH: Duration = Duration::from_millis(200);
/// Where they are.
const PLACE: &str = "bulk";

pub(crate) const SCENARIOS: &[Scenario] =
    &[("thousands_of_services_at_once_are_written_once_each", thousands_of_services_at_once_are_written_once_each)];

/// Thousands of Services in three proxies on one machine are another matter: they stand still meanwhile.
struct Calm<'a>(&'a Cluster);

impl<'a> Calm<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let calm = Self(cluster);
        calm.proxies(|proxy| proxy.freeze());
        calm
    }

    fn proxies(&self, what: impl Fn(&xtask::lab::cluster::Daemon) -> Result<()>) {
        for node in &self.0.segment().nodes {
            what(self.0.proxy(&node.name).unwrap()).unwrap();
        }
    }
}

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        // One request for all: they are gone before the proxies look again.
        let _deleted = self.0.kubectl(&["delete", "--raw", &format!("/api/v1/namespaces/{PLACE}/services")]);
        let _deleted = self.0.kubectl(&["delete", "--raw", "/apis/arpeggio.io/v1alpha1/announcements"]);
        let _deleted = self.0.kubectl(&["delete", "namespace", PLACE, "--wait=false"]);
        let _deleted =
            self.0.kubectl(&["delete", "ipaddresspools,l2advertisements", "--all", "--namespace", NAMESPACE]);
        let _deleted = self.0.kubectl(&["delete", "lease", "arpeggio-controller", "--namespace", NAMESPACE]);
        self.proxies(|proxy| proxy.thaw());
    }
}

/// A pool with room for all.
fn configuration() -> String {
    let metadata = json!({"name": PLACE, "namespace": NAMESPACE});
    let items = json!([
        {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata,
            "spec": {"addresses": ["198.18.128.0/17"]}},
        {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": metadata},
    ]);
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn thousands_of_services_at_once_are_written_once_each(cluster: &Cluster) {
    let count: usize = std::env::var(COUNT).map_or(FEW, |number| number.parse().unwrap());
    let installed = cluster.install().unwrap();
    cluster.kubectl(&["create", "namespace", PLACE]).unwrap();
    let calm = Calm::new(cluster);
    // A speaker of the scenario before would die when its lease ends, and every Service that has an address by then would be told.
    cluster.kubectl(&["delete", "leases", "--all", "--namespace", NAMESPACE]).unwrap();
    cluster.apply(&configuration()).unwrap();
    let controllers = [1, 2].map(|replica| installed.start_controller(cluster, replica, &[]).unwrap());
    controllers.iter().for_each(|controller| controller.wait_ready().unwrap());
    let before = cluster.requests().unwrap().len();

    // Endpoints first: a Service without any is told so a second later.
    services(cluster, &["slices", &count.to_string()]);
    services(cluster, &["create", &count.to_string(), "--until-addresses"]);
    let limit = EACH * u32::try_from(count).unwrap();
    let announced = eventually(limit, "an Announcement of each", || {
        let announced: BTreeSet<String> = cluster
            .kubectl(&["get", "announcements", "--no-headers", "-o", "custom-columns=A:.spec.address"])?
            .lines()
            .map(|line| line.trim().to_owned())
            .collect();
        ensure!(announced.len() >= count, "{} Announcements", announced.len());
        Ok(announced)
    })
    .unwrap();
    let given = addresses(&cluster.get(&["services", "--namespace", PLACE]).unwrap()).unwrap();
    assert_eq!(given.len(), count, "every Service has one, and no two the same");
    assert_eq!(given, announced);

    let requests = cluster.requests().unwrap().split_off(before);
    let most = |resource: &str| {
        let writes = requests.iter().filter(|request| request.user == CONTROLLER && request.resource == resource);
        let mut times = BTreeMap::<&str, usize>::new();
        writes.filter(|request| writes_done(request)).for_each(|request| *times.entry(&request.name).or_default() += 1);
        (times.values().copied().max().unwrap_or(0), times.values().sum::<usize>())
    };
    let (statuses, announcements) = (most("services/status"), most("announcements"));
    // A request whose answer came too late is made again.
    for (times, all) in [statuses, announcements] {
        assert!(times <= 2 && all <= count + count / 20, "statuses {statuses:?}, Announcements {announcements:?}");
    }
    // Counters follow once a second.
    assert!(most("ipaddresspools/status").1 <= count / 5, "{:?}", most("ipaddresspools/status"));
    drop((controllers, calm));
}

fn writes_done(request: &Request) -> bool {
    !matches!(request.verb.as_str(), "get" | "list" | "watch") && request.code < 400
}

/// The addresses of a list of Services, each once.
fn addresses(list: &Value) -> Result<BTreeSet<String>> {
    let items = list["items"].as_array().context("no list")?;
    let address = |item: &Value| item["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned);
    Ok(items.iter().filter_map(address).collect())
}

/// Runs the client that makes Services in bulk.
fn services(cluster: &Cluster, arguments: &[&str]) -> String {
    let mut command = cluster.control_plane().command(paths::example("services"));
    command.arg("--kubeconfig").arg(cluster.admin_kubeconfig()).args(["--namespace", PLACE]).args(arguments);
    sh::read(command).unwrap()
}
