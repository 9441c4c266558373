//! The webhooks as users meet them: kubectl shows our sentences, old versions are read and written, and nothing that happens to
//! certificates, bundles, replicas or the API server costs a request.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    cluster::{Cluster, Controller, Installed, NAMESPACE},
    eventually,
};

use super::{
    bed::{address, configured},
    harness::Scenario,
};

/// Limit for what takes a second, with room for a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Limit for the replacement of an authority, which takes two minutes with the lifetimes below.
const REPLACED: Duration = Duration::from_secs(400);
/// Certificates that are renewed within half a minute, and an authority that is replaced after one.
const SHORT: &[&str] = &["--webhook-cert-lifetime", "48s", "--webhook-ca-lifetime", "90s"];
const SECRET: &[&str] = &["secret", "metallb-webhook-cert", "--namespace", NAMESPACE];
const CONFIGURATION: &str = "metallb-webhook-configuration";

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a_refused_change_shows_our_sentence_in_kubectl", a_refused_change_shows_our_sentence_in_kubectl),
    ("peers_of_the_old_version_are_written_and_read", peers_of_the_old_version_are_written_and_read),
    ("without_controllers_nobody_changes_the_configuration", without_controllers_nobody_changes_the_configuration),
    (
        "a_namespace_is_deleted_with_its_controllers_and_profiles_in_it",
        a_namespace_is_deleted_with_its_controllers_and_profiles_in_it,
    ),
    ("what_somebody_overwrites_is_put_right", what_somebody_overwrites_is_put_right),
    ("addresses_depend_on_no_certificate", addresses_depend_on_no_certificate),
    (
        "a_certificate_from_elsewhere_is_served_and_nothing_written",
        a_certificate_from_elsewhere_is_served_and_nothing_written,
    ),
    ("webhooks_may_be_served_by_replicas_of_their_own", webhooks_may_be_served_by_replicas_of_their_own),
    (
        "certificates_of_metallb_are_served_until_ours_are_trusted",
        certificates_of_metallb_are_served_until_ours_are_trusted,
    ),
    ("a_rotation_of_everything_refuses_nothing", a_rotation_of_everything_refuses_nothing),
];

/// Objects of its own, which go when it is dropped.
struct Bed<'a> {
    cluster: &'a Cluster,
    installed: Installed,
}

impl<'a> Bed<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let bed = Self { cluster, installed: cluster.install().unwrap() };
        bed.forget_certificates();
        bed
    }

    /// As after a new installation.
    fn forget_certificates(&self) {
        let patch = ["--type=merge", "-p", r#"{"data":null}"#];
        self.cluster.kubectl(&[&["patch"], SECRET, &patch].concat()).unwrap();
    }

    fn controller(&self, replica: u8, flags: &[&str]) -> Controller {
        let controller = self.installed.start_controller(self.cluster, replica, flags).unwrap();
        controller.wait_ready().unwrap();
        controller
    }

    fn apply(&self, kind: &str, name: &str, spec: &Value) -> Result<()> {
        self.cluster.apply(&configured(kind, name, NAMESPACE, spec))
    }

    /// What kubectl says when the API server does not want it.
    fn refusal(&self, text: &str) -> String {
        format!("{:#}", self.cluster.apply(text).unwrap_err())
    }

    fn secret(&self, key: &str) -> String {
        self.cluster.get(SECRET).unwrap()["data"][key].as_str().unwrap_or_default().to_owned()
    }

    /// The bundle of the first webhook, and of the conversion.
    fn bundles(&self) -> Result<[String; 2]> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let webhooks = self.cluster.get(&["validatingwebhookconfiguration", CONFIGURATION])?;
        let peers = self.cluster.get(&["crd", "bgppeers.metallb.io"])?;
        let conversion = &peers["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"];
        Ok([text(&webhooks["webhooks"][0]["clientConfig"]["caBundle"]), text(conversion)])
    }

    fn ask(&self, name: &str) {
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "labels": {"scenario": "webhooks"}},
            "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}});
        self.cluster.apply(&service.to_string()).unwrap();
    }

    fn address(&self, service: &str) -> String {
        eventually(SOON, &format!("an address for {service}"), || address(self.cluster, service)).unwrap().to_string()
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        // A scenario that failed is told by its own panic.
        let _deleted = self.cluster.kubectl(&["delete", "services", "--selector", "scenario=webhooks"]);
        for kinds in ["bgppeers", "ipaddresspools,l2advertisements,bgpadvertisements,communities,bfdprofiles"] {
            let _deleted = self.cluster.kubectl(&["delete", kinds, "--all", "--namespace", NAMESPACE]);
        }
        for lease in ["arpeggio-controller", "arpeggio-webhook"] {
            let _deleted =
                self.cluster.kubectl(&["delete", "lease", lease, "--ignore-not-found", "--namespace", NAMESPACE]);
        }
    }
}

fn pool(addresses: &[&str]) -> Value {
    json!({ "addresses": addresses })
}

fn a_refused_change_shows_our_sentence_in_kubectl(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let _controller = bed.controller(1, &[]);
    let _guarded = cluster.guard().unwrap();
    bed.apply("IPAddressPool", "home", &pool(&["198.18.20.1-198.18.20.9"])).unwrap();

    let told = bed.refusal(&configured("IPAddressPool", "bad", NAMESPACE, &pool(&["198.18.21.9-198.18.21.1"])));
    let sentence = "admission webhook \"ipaddresspoolvalidationwebhook.metallb.io\" denied the request: \
                    IPAddressPool metallb-system/bad: spec.addresses[0] \"198.18.21.9-198.18.21.1\" ";
    assert!(told.contains(sentence), "{told}");
    let told = bed.refusal(&configured("IPAddressPool", "two", NAMESPACE, &pool(&["198.18.20.0/24"])));
    assert!(told.contains("of IPAddressPool metallb-system/home"), "it overlaps: {told}");
    let told = bed.refusal(&configured("IPAddressPool", "home", NAMESPACE, &pool(&["198.18.20.0/33"])));
    assert!(told.contains("IPAddressPool metallb-system/home: spec.addresses[0]"), "an update: {told}");
    for kind in ["IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "Community", "BFDProfile"] {
        let spec = json!({ "addresses": ["198.18.22.1/32"], "communities": [], "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1" });
        let file = cluster.segment().lab.directory().join("foreign.json");
        std::fs::write(&file, configured(kind, "stray", "default", &spec)).unwrap();
        let create = ["create", "--validate=false", "-f", &file.to_string_lossy()];
        let told = format!("{:#}", cluster.kubectl(&create).unwrap_err());
        assert!(told.contains("denied the request") && told.contains(&format!("{kind} default/stray")), "{told}");
    }

    bed.apply("BFDProfile", "quick", &json!({})).unwrap();
    let peer = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": "quick" });
    bed.apply("BGPPeer", "tor", &peer).unwrap();
    let delete = ["delete", "bfdprofile", "quick", "--namespace", NAMESPACE];
    // What was just created has to come through a watch first.
    eventually(SOON, "the profile to be in use", || match cluster.kubectl(&delete) {
        Err(error) if format!("{error:#}").contains("is used by BGPPeer metallb-system/tor") => Ok(()),
        Err(error) => Err(error),
        Ok(_) => {
            bed.apply("BFDProfile", "quick", &json!({}))?;
            anyhow::bail!("it was deleted")
        }
    })
    .unwrap();
    // A warning is no refusal.
    let odd = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.2", "disableMP": true });
    let file = cluster.segment().lab.directory().join("odd.json");
    std::fs::write(&file, configured("BGPPeer", "odd", NAMESPACE, &odd)).unwrap();
    let mut command = cluster.kubectl_command(cluster.admin_kubeconfig(), &["create", "-f", &file.to_string_lossy()]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Warning: spec.disableMP has no effect"), "{said}");
}

fn peers_of_the_old_version_are_written_and_read(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let _controller = bed.controller(1, &[]);
    let _guarded = cluster.guard().unwrap();
    let old = json!({
        "apiVersion": "metallb.io/v1beta1",
        "kind": "BGPPeer",
        "metadata": { "name": "tor", "namespace": NAMESPACE },
        "spec": { "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "holdTime": "90s" },
    });
    eventually(SOON, "the API server to trust the conversion", || cluster.apply(&old.to_string())).unwrap();
    let read = |version: &str, name: &str| {
        cluster.get(&[&format!("bgppeers.{version}.metallb.io"), name, "--namespace", NAMESPACE]).unwrap()
    };
    let new = read("v1beta2", "tor");
    assert_eq!((&new["apiVersion"], &new["spec"]["peerASN"]), (&json!("metallb.io/v1beta2"), &json!(64501)));
    // Rules hold in either version.
    let mut bad = old.clone();
    bad["metadata"]["name"] = json!("bad");
    bad["spec"]["peerAddress"] = json!("no address");
    let told = bed.refusal(&bad.to_string());
    assert!(told.contains("bgppeersvalidationwebhook.metallb.io") && told.contains("spec.peerAddress"), "{told}");
    // What the old version cannot say survives an edit in it.
    let spec = json!({ "myASN": 64500, "peerASN": 64502, "peerAddress": "192.0.2.2", "vrf": "red" });
    bed.apply("BGPPeer", "red", &spec).unwrap();
    assert_eq!(read("v1beta1", "red")["spec"]["vrf"], Value::Null);
    let patch = ["patch", "bgppeers.v1beta1.metallb.io", "red", "--namespace", NAMESPACE, "--type=merge"];
    cluster.kubectl(&[&patch[..], &["-p", r#"{"spec":{"peerASN":64503}}"#]].concat()).unwrap();
    let red = read("v1beta2", "red");
    assert_eq!((&red["spec"]["vrf"], &red["spec"]["peerASN"]), (&json!("red"), &json!(64503)));
    let list = cluster.get(&["bgppeers.v1beta1.metallb.io", "--namespace", NAMESPACE]).unwrap();
    let names: Vec<&str> =
        list["items"].as_array().unwrap().iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["red", "tor"]);
}

fn without_controllers_nobody_changes_the_configuration(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let controller = bed.controller(1, &[]);
    let guarded = cluster.guard().unwrap();
    bed.apply("IPAddressPool", "home", &pool(&["198.18.20.1-198.18.20.9"])).unwrap();
    bed.ask("before");
    let address = bed.address("before");
    controller.terminate().unwrap();
    let told = bed.refusal(&configured("IPAddressPool", "more", NAMESPACE, &pool(&["198.18.21.0/24"])));
    assert!(told.contains("failed calling webhook \"ipaddresspoolvalidationwebhook.metallb.io\""), "{told}");
    bed.ask("after");
    assert_eq!(bed.address("before"), address, "nothing is taken away");
    controller.restart().unwrap();
    controller.wait_ready().unwrap();
    guarded.wait_judged().unwrap();
    bed.apply("IPAddressPool", "more", &pool(&["198.18.21.0/24"])).unwrap();
    bed.address("after");
}

fn a_namespace_is_deleted_with_its_controllers_and_profiles_in_it(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let controller = bed.controller(1, &[]);
    let _guarded = cluster.guard().unwrap();
    for profile in ["unused", "used"] {
        bed.apply("BFDProfile", profile, &json!({})).unwrap();
    }
    let peer = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": "used" });
    bed.apply("BGPPeer", "tor", &peer).unwrap();
    bed.apply("IPAddressPool", "home", &pool(&["198.18.20.1-198.18.20.9"])).unwrap();
    controller.terminate().unwrap();
    cluster.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=120s"]).unwrap();
    cluster.install().unwrap();
}

fn what_somebody_overwrites_is_put_right(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let _controllers = [bed.controller(1, &[]), bed.controller(2, &[])];
    let guarded = cluster.guard().unwrap();
    let (right, leaf) = (bed.bundles().unwrap(), bed.secret("tls.crt"));
    assert!(!right[0].is_empty() && right[0] == right[1], "one bundle for both");
    assert_eq!(right[0], bed.secret("ca.crt"), "trusted is the authority in the Secret");
    let put_right = |what: &str| {
        eventually(SOON, what, || {
            let now = bed.bundles()?;
            ensure!(now == right, "the bundles are {now:?}");
            Ok(())
        })
        .unwrap();
        guarded.wait_judged().unwrap();
    };
    let patch = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string();
    cluster.kubectl(&["patch", "validatingwebhookconfiguration", CONFIGURATION, "--type=json", "-p", &patch]).unwrap();
    let patch = json!([{"op": "remove", "path": "/spec/conversion/webhook/clientConfig/caBundle"}]).to_string();
    cluster.kubectl(&["patch", "crd", "bgppeers.metallb.io", "--type=json", "-p", &patch]).unwrap();
    put_right("the bundles to be back");
    // The Secret is emptied: what everybody serves comes back, not something new that nobody trusts yet.
    bed.forget_certificates();
    eventually(SOON, "the Secret to be filled again", || {
        ensure!(bed.secret("tls.crt") == leaf, "it holds something else");
        Ok(())
    })
    .unwrap();
    put_right("the bundles to stay");
    // The manifests once more change nothing.
    cluster.install().unwrap();
    assert_eq!((bed.secret("tls.crt"), bed.bundles().unwrap()), (leaf, right));
}

fn addresses_depend_on_no_certificate(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    bed.apply("IPAddressPool", "home", &pool(&["198.18.20.1-198.18.20.9"])).unwrap();
    let disabled = bed.controller(1, &["--webhook-mode=disabled"]);
    bed.ask("disabled");
    bed.address("disabled");
    assert_eq!(bed.secret("tls.crt"), "", "nobody needs one");
    disabled.terminate().unwrap();
    // Nothing can be written: this Secret may be read and not updated.
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lost", "namespace": NAMESPACE}}).to_string();
    cluster.apply(&secret).unwrap();
    let lost = bed.installed.start_controller(cluster, 2, &["--webhook-secret", "lost"]).unwrap();
    bed.ask("lost");
    bed.address("lost");
    let probe = |path: &str| {
        let url = format!("http://127.0.0.1:17472/{path}");
        let mut command = lost.namespace().command("curl");
        command.args(["--disable", "--noproxy", "*", "--silent", "--max-time", "5", &url]);
        xtask::sh::read(command)
    };
    eventually(SOON, "the probe to say what is missing", || {
        let told = probe("readyz")?;
        ensure!(told.contains("no certificate for the webhooks"), "{told}");
        Ok(())
    })
    .unwrap();
    assert_eq!(probe("livez").unwrap(), "ok");
    let told = lost.log().matches("secret lost").count();
    assert_eq!(told, 1, "once: {}", lost.log());
    cluster.delete(&secret).unwrap();
}

fn webhooks_may_be_served_by_replicas_of_their_own(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    // It is never waited for: it would become an endpoint of what it does not serve.
    let _allocates = bed.installed.start_controller(cluster, 1, &["--webhook-mode=disabled"]).unwrap();
    let _judges = bed.controller(2, &["--webhook-mode=onlywebhook"]);
    let _guarded = cluster.guard().unwrap();
    let told = bed.refusal(&configured("IPAddressPool", "bad", NAMESPACE, &pool(&["198.18.21.0/33"])));
    assert!(told.contains("IPAddressPool metallb-system/bad: spec.addresses[0]"), "{told}");
    bed.apply("IPAddressPool", "home", &pool(&["198.18.20.1-198.18.20.9"])).unwrap();
    bed.ask("web");
    bed.address("web");
    let holder = |lease: &str| {
        let lease = cluster.get(&["lease", lease, "--namespace", NAMESPACE]).unwrap();
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    };
    assert!(holder("arpeggio-controller").starts_with("controller-1_"), "{}", holder("arpeggio-controller"));
    assert!(holder("arpeggio-webhook").starts_with("controller-2_"), "{}", holder("arpeggio-webhook"));
}

/// What MetalLB's controller leaves: RSA keys in PKCS #1, of which ours can serve one but not sign with the other.
const METALLB: &str = r#"set -e
umask 077
openssl genrsa -traditional -out ca.key 2048
openssl req -x509 -new -key ca.key -days 3650 -subj /O=metallb/CN=cert -out ca.crt \
    -addext keyUsage=critical,digitalSignature,keyCertSign
openssl genrsa -traditional -out tls.key 2048
openssl req -new -key tls.key -subj /CN=metallb-webhook-service.metallb-system.svc -out tls.csr
echo subjectAltName=DNS:metallb-webhook-service.metallb-system.svc > tls.ext
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile tls.ext -out tls.crt
"#;

fn certificates_of_metallb_are_served_until_ours_are_trusted(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let directory = cluster.segment().lab.directory().join("metallb");
    std::fs::create_dir_all(&directory).unwrap();
    let mut command = std::process::Command::new("sh");
    command.current_dir(&directory).args(["-c", METALLB]);
    xtask::sh::run(command).unwrap();
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    let data: serde_json::Map<String, Value> = ["ca.crt", "ca.key", "tls.crt", "tls.key"]
        .map(|name| (name.to_owned(), Value::from(read(name))))
        .into_iter()
        .collect();
    let patch = json!({ "stringData": data }).to_string();
    cluster.kubectl(&[&["patch"], SECRET, &["--type=merge", "-p", &patch]].concat()).unwrap();
    let theirs = (bed.secret("ca.crt"), bed.secret("tls.crt"));

    let controller = bed.controller(1, &[]);
    {
        let _guarded = cluster.guard().unwrap();
        assert_eq!((bed.secret("ca.crt"), bed.secret("tls.crt")), theirs, "they are used");
        assert_ne!(bed.secret("next-ca.crt"), "", "one that can sign comes next");
    }
    controller.terminate().unwrap();
    drop(controller);
    // The same with less patience.
    let _controller = bed.controller(1, SHORT);
    let guarded = cluster.guard().unwrap();
    eventually(REPLACED, "an authority of our own", || {
        ensure!(bed.secret("ca.crt") != theirs.0 && bed.secret("tls.crt") != theirs.1, "they are still used");
        ensure!(bed.secret("previous-ca.crt").is_empty(), "theirs is still trusted");
        Ok(())
    })
    .unwrap();
    guarded.wait_judged().unwrap();
}

fn a_certificate_from_elsewhere_is_served_and_nothing_written(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let directory = cluster.segment().lab.directory().join("certificates");
    std::fs::create_dir_all(&directory).unwrap();
    let make = |days: &str| {
        let mut command = std::process::Command::new("openssl");
        command.current_dir(&directory).args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", days]);
        command.args(["-keyout", "tls.key", "-out", "tls.crt", "-subj", "/CN=webhooks"]);
        command.args(["-addext", "subjectAltName=DNS:metallb-webhook-service.metallb-system.svc"]);
        xtask::sh::run(command).unwrap();
        std::fs::read_to_string(directory.join("tls.crt")).unwrap()
    };
    let first = make("2");
    let folder = directory.to_string_lossy();
    let flags = ["--disable-cert-rotation", "--cert-dir", &folder, "--tls-min-version=VersionTLS12"];
    let controller = bed.controller(1, &flags);
    let served = || -> Result<String> {
        let mut command = controller.namespace().command("sh");
        command.args(["-c", "echo | openssl s_client -connect 127.0.0.1:9443 2>/dev/null | openssl x509"]);
        xtask::sh::read(command)
    };
    let serves = |wanted: &str| {
        eventually(SOON, "the certificate to be served", || {
            let served = served()?;
            ensure!(served.trim() == wanted.trim(), "{served}");
            Ok(())
        })
        .unwrap();
    };
    serves(&first);
    let second = make("3");
    serves(&second);
    assert_eq!(bed.secret("tls.crt"), "", "nothing is written");
    controller.check().unwrap();
}

/// Asks whether a change may be made, several times a second, until it is told to stop: how often it asked, and every answer that was
/// not the right one.
fn admissions(cluster: &Cluster, stop: &AtomicBool, pause: &AtomicBool) -> (usize, Vec<String>) {
    let (mut asked, mut wrong) = (0, Vec::new());
    let old = json!({
        "apiVersion": "metallb.io/v1beta1",
        "kind": "BGPPeer",
        "metadata": { "name": "asked", "namespace": NAMESPACE },
        "spec": { "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.9" },
    });
    let path =
        |version: &str, plural: &str| format!("/apis/metallb.io/{version}/namespaces/{NAMESPACE}/{plural}?dryRun=All");
    let directory = cluster.segment().lab.directory();
    // A change that may be made, one that may not, and one that has to be converted and judged.
    let requests = [
        (
            "good",
            configured("IPAddressPool", "asked", NAMESPACE, &pool(&["198.18.30.0/24"])),
            path("v1beta1", "ipaddresspools"),
            None,
        ),
        (
            "bad",
            configured("IPAddressPool", "asked", NAMESPACE, &pool(&["198.18.30.0/33"])),
            path("v1beta1", "ipaddresspools"),
            Some("denied the request"),
        ),
        ("old", old.to_string(), path("v1beta1", "bgppeers"), None),
    ];
    for (name, text, ..) in &requests {
        std::fs::write(directory.join(format!("asked-{name}.json")), text).unwrap();
    }
    while !stop.load(Ordering::Relaxed) {
        if pause.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(50));
            continue;
        }
        for (name, _, path, refusal) in &requests {
            let file = directory.join(format!("asked-{name}.json"));
            let answer = cluster.kubectl(&["create", "--raw", path, "-f", &file.to_string_lossy()]);
            let told = match (&answer, refusal) {
                (Ok(_), None) => continue_with(&mut asked),
                (Err(error), Some(words)) if format!("{error:#}").contains(words) => continue_with(&mut asked),
                // Nobody can ask an API server that is away.
                (Err(error), _) if is_away(&format!("{error:#}")) => None,
                (answer, _) => Some(format!("{name}: {answer:?}")),
            };
            wrong.extend(told);
        }
    }
    (asked, wrong)
}

fn continue_with(asked: &mut usize) -> Option<String> {
    *asked += 1;
    None
}

/// Whether the API server itself did not answer; a webhook that does not is told otherwise.
fn is_away(told: &str) -> bool {
    let away = [
        "connection refused",
        // As kubectl puts it.
        "was refused - did you specify the right host or port",
        "connection reset",
        "EOF",
        "apiserver not ready",
        "Forbidden",
        "ServiceUnavailable",
    ];
    !told.contains("webhook") && away.iter().any(|words| told.contains(words))
}

fn a_rotation_of_everything_refuses_nothing(cluster: &Cluster) {
    let bed = Bed::new(cluster);
    let controllers = [bed.controller(1, SHORT), bed.controller(2, SHORT)];
    let guarded = cluster.guard().unwrap();
    let first = (bed.secret("ca.crt"), bed.secret("tls.crt"));
    let (stop, pause) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| admissions(cluster, &stop, &pause));
        // Whatever fails in here must not leave the thread asking for ever.
        let replaced = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let leaf = eventually(REPLACED, "another certificate of the same authority", || {
                let (ca, leaf) = (bed.secret("ca.crt"), bed.secret("tls.crt"));
                ensure!(leaf != first.1, "it is the first");
                assert_eq!(ca, first.0, "the authority lasts longer");
                Ok(leaf)
            })
            .unwrap();
            // An API server that is not ready yet refuses by itself.
            pause.store(true, Ordering::Relaxed);
            cluster.api_server().kill().unwrap();
            cluster.api_server().restart().unwrap();
            cluster.wait_ready().unwrap();
            pause.store(false, Ordering::Relaxed);
            eventually(REPLACED, "another authority, and nobody to trust the first", || {
                let (ca, now) = (bed.secret("ca.crt"), bed.secret("tls.crt"));
                ensure!(ca != first.0 && now != leaf, "it is the first authority");
                ensure!(bed.secret("previous-ca.crt").is_empty(), "the first is still trusted");
                let bundles = bed.bundles()?;
                ensure!(bundles == [ca.clone(), ca], "the bundles are {bundles:?}");
                Ok(())
            })
            .unwrap();
        }));
        stop.store(true, Ordering::Relaxed);
        let (asked, wrong) = asking.join().unwrap();
        assert!(
            wrong.is_empty(),
            "{} of {asked} were answered otherwise: {:#?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
        assert!(asked > 100, "only {asked} were asked");
        replaced.unwrap();
    });
    guarded.wait_judged().unwrap();
    controllers.iter().for_each(|controller| controller.check().unwrap());
}
