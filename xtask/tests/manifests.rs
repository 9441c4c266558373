//! What must hold for the files that users apply.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use xtask::manifests::{self, folder, kustomization, objects};

fn object(kind: &str, name: &str) -> Value {
    let named = |object: &Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let found = objects().unwrap().into_iter().find(named);
    assert!(found.is_some(), "there is no {kind} {name}");
    found.unwrap()
}

fn words(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn set<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    words.map(str::to_owned).into()
}

/// Every rule of every role.
fn rules() -> Vec<Value> {
    let roles = objects().unwrap().into_iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Role"));
    roles.flat_map(|role| role["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn the_speaker_has_four_capabilities_and_no_others() {
    let pod = &object("DaemonSet", "speaker")["spec"]["template"]["spec"];
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!((containers.len(), &pod["initContainers"], &pod["hostPID"]), (1, &Value::Null, &Value::Null));
    let security = &containers[0]["securityContext"];
    assert_eq!(words(&security["capabilities"]["add"]), set(["BPF", "NET_ADMIN", "PERFMON", "NET_RAW"]));
    assert_eq!(words(&security["capabilities"]["drop"]), set(["ALL"]));
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["privileged"], Value::Null);
}

#[test]
fn the_controller_has_none() {
    let pod = &object("Deployment", "controller")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["hostNetwork"], Value::Null);
    let container = &pod["containers"][0];
    // What it needs to know it finds out by itself; flags are said so that those of MetalLB, applied over, do not stay.
    assert_eq!(container["command"][0], "/controller");
    assert_eq!(words(&container["args"]), set(["--port=9120", "--log-level=info"]));
    let security = &pod["containers"][0]["securityContext"];
    assert_eq!(words(&security["capabilities"]["drop"]), set(["ALL"]));
    assert_eq!(security["capabilities"]["add"], Value::Null);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
}

#[test]
fn nobody_may_do_everything_and_two_secrets_are_written_by_their_names() {
    let mut secrets = BTreeSet::new();
    for rule in rules() {
        for (field, forbidden) in [("apiGroups", "*"), ("resources", "*"), ("verbs", "*")] {
            assert!(!words(&rule[field]).contains(forbidden), "{forbidden} in {rule:#}");
        }
        if words(&rule["resources"]).contains("secrets") {
            assert_eq!(words(&rule["resources"]), set(["secrets"]));
            let names = words(&rule["resourceNames"]);
            // To create cannot be limited to a name, and passwords have names of the users' choice: these are read, never listed.
            let verbs = if names.is_empty() { set(["create", "get"]) } else { set(["get", "update"]) };
            assert_eq!(words(&rule["verbs"]), verbs, "{rule:#}");
            secrets.extend(names);
        }
        for verb in ["escalate", "bind", "impersonate"] {
            assert!(!words(&rule["verbs"]).contains(verb), "{rule:#}");
        }
    }
    assert_eq!(secrets, set(["arpeggio-succession-key", "metallb-webhook-cert"]));
}

#[test]
fn every_kind_has_its_webhook_and_every_webhook_finds_the_controller() {
    let configuration = object("ValidatingWebhookConfiguration", "metallb-webhook-configuration");
    let mut kinds = BTreeSet::new();
    for webhook in configuration["webhooks"].as_array().unwrap() {
        let (rule, service) = (&webhook["rules"][0], &webhook["clientConfig"]["service"]);
        let path = service["path"].as_str().unwrap();
        let version = rule["apiVersions"][0].as_str().unwrap();
        assert!(path.starts_with(&format!("/validate-metallb-io-{version}-")), "{path}");
        assert_eq!(service["name"], "metallb-webhook-service");
        assert_eq!((&webhook["sideEffects"], webhook["rules"].as_array().unwrap().len()), (&"None".into(), 1));
        assert_eq!(webhook["clientConfig"]["caBundle"], Value::Null, "the controller writes it");
        let verbs = words(&rule["operations"]);
        let resource = rule["resources"][0].as_str().unwrap().to_owned();
        // A namespace is deleted with its controllers: nothing may wait for them then.
        if verbs == set(["DELETE"]) {
            assert_eq!((&webhook["failurePolicy"], resource.as_str()), (&"Ignore".into(), "bfdprofiles"));
            assert!(webhook["timeoutSeconds"].as_u64().unwrap() <= 2);
            continue;
        }
        assert_eq!((verbs, &webhook["failurePolicy"]), (set(["CREATE", "UPDATE"]), &"Fail".into()));
        assert!(kinds.insert(resource), "{path}");
    }
    let wanted = ["bfdprofiles", "bgpadvertisements", "bgppeers", "communities", "ipaddresspools", "l2advertisements"];
    assert_eq!(kinds, set(wanted));
    let deployment = object("Deployment", "controller");
    let pod = &deployment["spec"]["template"];
    let service = &object("Service", "metallb-webhook-service")["spec"];
    // Every label of our pods: with MetalLB's alone a foreign pod would be asked.
    assert_eq!(service["selector"], pod["metadata"]["labels"]);
    let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap().clone();
    assert!(ports.iter().any(|port| port["containerPort"] == service["ports"][0]["targetPort"]), "{ports:?}");
    assert_eq!(
        object("Secret", "metallb-webhook-cert")["data"],
        Value::Null,
        "nothing in it is overwritten by an apply"
    );
}

#[test]
fn an_overlay_may_change_every_name_that_the_controller_is_told() {
    let container = object("Deployment", "controller")["spec"]["template"]["spec"]["containers"][0].clone();
    let told: BTreeMap<&str, &str> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap()))
        .collect();
    let names = [
        ("ARPEGGIO_CERT_SERVICE_NAME", "Service", "metallb-webhook-service"),
        ("ARPEGGIO_WEBHOOK_CONFIGURATION", "ValidatingWebhookConfiguration", "metallb-webhook-configuration"),
        ("ARPEGGIO_WEBHOOK_SECRET", "Secret", "metallb-webhook-cert"),
    ];
    assert_eq!(told, names.iter().map(|(variable, _, name)| (*variable, *name)).collect());
    let text = std::fs::read_to_string(folder().join("names.yaml")).unwrap();
    let references: Value = serde_saphyr::from_str(&text).unwrap();
    for (_, kind, name) in names {
        object(kind, name);
        let of_kind = |reference: &&Value| reference["kind"] == kind;
        let reference = references["nameReference"].as_array().unwrap().iter().find(of_kind).unwrap();
        let fields = reference["fieldSpecs"].as_array().unwrap();
        assert!(fields.iter().any(|field| field["path"] == "spec/template/spec/containers/env/value"), "{kind}");
    }
}

#[test]
fn a_policy_holds_a_speaker_to_its_own_node_for_all_that_it_may_write() {
    let policy = &object("ValidatingAdmissionPolicy", "arpeggio-speaker")["spec"];
    let binding = &object("ValidatingAdmissionPolicyBinding", "arpeggio-speaker")["spec"];
    assert_eq!((&binding["policyName"], &binding["validationActions"]), (&json!("arpeggio-speaker"), &json!(["Deny"])));
    assert_eq!((&policy["failurePolicy"], &binding["matchResources"]), (&json!("Fail"), &Value::Null));
    let reads = ["get", "list", "watch"];
    let is_speakers = |object: &Value| object["metadata"]["name"] == "arpeggio-speaker" && object["rules"].is_array();
    let roles = objects().unwrap().into_iter().filter(is_speakers);
    let rules = roles.flat_map(|role| role["rules"].as_array().unwrap().clone());
    // Reviews store nothing.
    let writes = rules.filter(|rule| words(&rule["verbs"]).iter().any(|verb| !reads.contains(&verb.as_str())));
    let written: BTreeSet<String> = writes.flat_map(|rule| words(&rule["resources"])).collect();
    let reviews = set(["subjectaccessreviews", "tokenreviews"]);
    let judged = policy["matchConstraints"]["resourceRules"].as_array().unwrap();
    let mut covered = BTreeSet::new();
    for rule in judged {
        assert_eq!(words(&rule["operations"]), set(["CREATE", "DELETE", "UPDATE"]));
        assert_eq!(words(&rule["apiVersions"]), set(["*"]));
        covered.extend(words(&rule["resources"]));
    }
    assert_eq!(written.difference(&reviews).cloned().collect::<BTreeSet<_>>(), covered);
    // Whom it is about: the ServiceAccount of the DaemonSet, whatever an overlay puts before its name.
    let account = object("DaemonSet", "speaker")["spec"]["template"]["spec"]["serviceAccountName"].clone();
    let conditions = policy["matchConditions"].as_array().unwrap();
    let expression = conditions[0]["expression"].as_str().unwrap();
    assert!(expression.contains(&format!("([^:]*-)?{}$", account.as_str().unwrap())), "{expression}");
    let variables = policy["variables"].as_array().unwrap();
    let node = variables.iter().find(|variable| variable["name"] == "node").unwrap();
    assert!(node["expression"].as_str().unwrap().contains("authentication.kubernetes.io/node-name"));
    let all: Vec<&str> =
        policy["validations"].as_array().unwrap().iter().map(|one| one["expression"].as_str().unwrap()).collect();
    for needle in ["variables.node != ''", "'speakers'", "'leases'", "'announcements'", "'speaker-'"] {
        assert!(all.iter().any(|expression| expression.contains(needle)), "{needle}");
    }
}

#[test]
fn a_speakers_load_does_not_grow_with_pods() {
    let all = objects().unwrap();
    let of_speaker = |object: &&Value| object["metadata"]["name"] == "arpeggio-speaker" && object["rules"].is_array();
    for rule in all.iter().filter(of_speaker).flat_map(|role| role["rules"].as_array().unwrap()) {
        for resource in ["services", "endpointslices", "endpoints", "pods"] {
            assert!(!words(&rule["resources"]).contains(resource), "{rule:#}");
        }
        // One, by its name: it says which cluster this is.
        if words(&rule["resources"]).contains("namespaces") {
            assert_eq!((words(&rule["resourceNames"]), words(&rule["verbs"])), (set(["kube-system"]), set(["get"])));
        }
    }
}

#[test]
fn every_account_has_its_roles() {
    for account in ["controller", "speaker"] {
        object("ServiceAccount", account);
        for (binding, role) in [("ClusterRoleBinding", "ClusterRole"), ("RoleBinding", "Role")] {
            let name = format!("arpeggio-{account}");
            let binding = object(binding, &name);
            object(role, &name);
            assert_eq!((&binding["roleRef"]["kind"], &binding["roleRef"]["name"]), (&role.into(), &name.into()));
            assert_eq!(binding["subjects"].as_array().unwrap().len(), 1);
            assert_eq!(binding["subjects"][0]["name"], account);
        }
    }
}

#[test]
fn the_base_has_every_file_and_every_definition() {
    let listed: BTreeSet<String> = kustomization().unwrap().resources.into_iter().collect();
    let mut there = BTreeSet::new();
    for part in ["crds", "rbac", "controller", "speaker", "webhook"] {
        for entry in std::fs::read_dir(folder().join(part)).into_iter().flatten() {
            there.insert(format!("{part}/{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }
    there.insert("namespace.yaml".to_owned());
    assert_eq!(listed, there);
}

#[test]
fn both_pods_run_the_image_of_the_base() {
    let image = manifests::image().unwrap();
    let (name, tag) = image.rsplit_once(':').unwrap();
    for (kind, account) in [("Deployment", "controller"), ("DaemonSet", "speaker")] {
        let pod = &object(kind, account)["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["image"], name);
        assert_eq!(pod["serviceAccountName"], account);
    }
    assert_eq!(tag, format!("v{}", env!("CARGO_PKG_VERSION")), "the tag is that of this release");
}

#[test]
fn selectors_find_their_own_pods_only() {
    let mut selectors = BTreeSet::new();
    for (kind, name) in [("Deployment", "controller"), ("DaemonSet", "speaker")] {
        let spec = &object(kind, name)["spec"];
        let selector = spec["selector"]["matchLabels"].as_object().unwrap();
        let labels = &spec["template"]["metadata"]["labels"];
        assert!(selector.iter().all(|(label, value)| labels[label] == *value), "{kind}: {selector:?} of {labels}");
        // As MetalLB has them: selectors cannot be changed, and this is applied over MetalLB's.
        assert_eq!(spec["selector"], json!({ "matchLabels": { "app": "metallb", "component": name } }));
        assert_eq!(labels["app.kubernetes.io/name"], "arpeggio");
        assert!(selectors.insert(spec["selector"].to_string()));
    }
}

#[test]
fn everything_with_a_namespace_is_in_that_of_metallb() {
    for object in objects().unwrap() {
        let kind = object["kind"].as_str().unwrap();
        let cluster_wide = [
            "Namespace",
            "ClusterRole",
            "ClusterRoleBinding",
            "CustomResourceDefinition",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ];
        let expected = if cluster_wide.contains(&kind) { Value::Null } else { "metallb-system".into() };
        assert_eq!(object["metadata"]["namespace"], expected, "{kind} {}", object["metadata"]["name"]);
    }
}

#[test]
fn frr_beside_speakers_has_what_it_needs_and_no_more() {
    let read = |file: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(folder().join("frr").join(file)).unwrap();
        serde_saphyr::from_multiple(&text).unwrap()
    };
    let component = &read("kustomization.yaml")[0];
    assert_eq!(component["kind"], "Component");
    let pod = &read("daemonset.yaml")[0]["spec"]["template"]["spec"];
    let containers = pod["containers"].as_array().unwrap();
    let [speaker, frr] = containers.as_slice() else { panic!("{containers:#?}") };
    assert_eq!((&speaker["name"], &speaker["securityContext"]), (&"speaker".into(), &Value::Null));
    let security = &frr["securityContext"];
    let wanted = set(["CHOWN", "KILL", "NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETGID", "SETUID", "SYS_ADMIN"]);
    assert_eq!(words(&security["capabilities"]["add"]), wanted);
    assert_eq!(words(&security["capabilities"]["drop"]), set(["ALL"]));
    assert_eq!(
        (&security["allowPrivilegeEscalation"], &security["readOnlyRootFilesystem"]),
        (&false.into(), &true.into())
    );
    // Both see the sockets where the speaker looks for them by itself.
    for container in containers {
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["name"] == "frr" && mount["mountPath"] == "/run/frr"), "{container:#}");
    }
    let rules: Vec<Value> =
        read("access.yaml").iter().flat_map(|object| object["rules"].as_array().cloned()).flatten().collect();
    let verbs = |resource: &str| {
        rules
            .iter()
            .find(|rule| words(&rule["resources"]).contains(resource))
            .map(|rule| words(&rule["verbs"]))
            .unwrap()
    };
    assert_eq!(verbs("secrets"), set(["get"]), "passwords are read by their names, never listed");
    assert_eq!((verbs("bgppeers"), verbs("bfdprofiles")), (set(["list", "watch"]), set(["list", "watch"])));
    assert!(
        read("access.yaml").iter().all(|object| object["kind"].as_str().unwrap().starts_with("Role")),
        "nothing outside the namespace"
    );
}
