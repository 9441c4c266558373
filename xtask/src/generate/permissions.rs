//! The page of rights: the rules of `manifests/rbac` with the comments above them, and the capabilities of the DaemonSet.

use std::{fmt::Write as _, fs};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::manifests;

/// Files of rules, and whose they are.
const FILES: [(&str, &str); 3] = [
    ("controller", "rbac/controller.yaml"),
    ("speaker", "rbac/speaker.yaml"),
    ("speaker with the component frr", "frr/access.yaml"),
];
/// Capabilities, and what each is for.
const CAPABILITIES: [(&str, &str); 4] = [
    ("BPF", "maps and programs"),
    ("NET_ADMIN", "attach programs to interfaces"),
    ("PERFMON", "the verifier accepts comparisons and sums of packet pointers"),
    ("NET_RAW", "gratuitous frames, probes, the responder of last resort"),
];

/// The page.
pub(super) fn page() -> Result<String> {
    let mut page = "# Permissions\n\nMade from `manifests/` by `cargo xtask generate`. A test compares these rules with the rights \
                    of the running pods.\n"
        .to_owned();
    for (account, file) in FILES {
        let path = manifests::folder().join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        page += &rules(account, &text).with_context(|| path.display().to_string())?;
    }
    page += &capabilities()?;
    Ok(page)
}

/// One table for each role in the text of a file.
fn rules(account: &str, text: &str) -> Result<String> {
    let mut page = String::new();
    for part in text.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(part).context("read a role")?;
        let place = match object["kind"].as_str() {
            Some("ClusterRole") => "in the whole cluster",
            Some("Role") => "in its own namespace",
            _ => continue,
        };
        let (rules, purposes) = (object["rules"].as_array().map_or(&[][..], Vec::as_slice), purposes(part));
        ensure!(rules.len() == purposes.len(), "{} rules have {} purposes", rules.len(), purposes.len());
        let _infallible = write!(
            page,
            "\n## The {account}, {place}\n\n| resources | names | verbs | for |\n| --- | --- | --- | --- |\n"
        );
        for (rule, purpose) in rules.iter().zip(&purposes) {
            let Some(purpose) = purpose else { bail!("a rule has no comment with its purpose: {rule}") };
            let names = words(&rule["resourceNames"]).map(code).collect::<Vec<_>>().join(", ");
            let verbs = words(&rule["verbs"]).collect::<Vec<_>>().join(", ");
            let _infallible = writeln!(page, "| {} | {names} | {verbs} | {purpose} |", resources(rule));
        }
    }
    Ok(page)
}

/// The comment right above each rule, in the order of the rules.
fn purposes(role: &str) -> Vec<Option<String>> {
    let (mut purposes, mut comment) = (Vec::new(), Vec::new());
    for line in role.lines() {
        if let Some(text) = line.strip_prefix("  # ") {
            comment.push(text);
        } else {
            if line.starts_with("  - apiGroups:") {
                purposes.push((!comment.is_empty()).then(|| comment.join(" ")));
            }
            comment.clear();
        }
    }
    purposes
}

/// `services, nodes`, `announcements.arpeggio.io`.
fn resources(rule: &Value) -> String {
    let group = words(&rule["apiGroups"]).next().filter(|group| !group.is_empty());
    let named = |resource: &str| match (group, resource.split_once('/')) {
        (None, _) => code(resource),
        (Some(group), None) => code(&format!("{resource}.{group}")),
        (Some(group), Some((resource, part))) => code(&format!("{resource}.{group}/{part}")),
    };
    words(&rule["resources"]).map(named).collect::<Vec<_>>().join(", ")
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn words(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn capabilities() -> Result<String> {
    let is_speaker = |object: &Value| object["kind"] == "DaemonSet";
    let objects = manifests::objects()?;
    let daemonset = objects.iter().find(|object| is_speaker(object)).context("there is no DaemonSet")?;
    let added = &daemonset["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"];
    let mut page = "\n## Capabilities of the speaker\n\n| capability | for |\n| --- | --- |\n".to_owned();
    for capability in words(added) {
        let purpose = CAPABILITIES.iter().find(|(name, _)| *name == capability);
        let (_, purpose) = purpose.with_context(|| format!("xtask knows no purpose of CAP_{capability}"))?;
        let _infallible = writeln!(page, "| CAP_{capability} | {purpose} |");
    }
    page += "\nAll others are dropped. The controller has none and runs as a user without rights.\n";
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "kind: Role\nmetadata: {name: x}\nrules:\n  # The key.\n  # By its name.\n  - apiGroups: [\"\"]\n    \
                        resources: [secrets]\n    resourceNames: [key]\n    verbs: [get]\n  # Reports.\n  - apiGroups: [a.io]\n    \
                        resources: [things/status]\n    verbs: [patch, get]\n";

    #[test]
    fn each_rule_stands_with_its_purpose() {
        let text = format!("kind: ServiceAccount\n---\n{ROLE}---\nkind: RoleBinding\n");
        assert_eq!(
            rules("speaker", &text).unwrap(),
            "\n## The speaker, in its own namespace\n\n| resources | names | verbs | for |\n| --- | --- | --- | --- |\n| `secrets` | \
             `key` | get | The key. By its name. |\n| `things.a.io/status` |  | patch, get | Reports. |\n"
        );
    }

    #[test]
    fn a_rule_without_a_purpose_is_refused() {
        assert!(rules("speaker", &ROLE.replace("  # Reports.\n", "")).is_err());
    }
}
