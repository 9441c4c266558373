//! The templates of the Helm chart, made from the files that `kubectl apply -k manifests/` takes: each template is a file of the base
//! with its comments, in which the values of the chart stand where the base has a fixed value.

mod sources;

use anyhow::{Context as _, Result, ensure};

use self::sources::SOURCES;
use super::Files;
use crate::manifests;

/// Where the base has its objects.
const NAMESPACE: &str = "namespace: metallb-system";
const RELEASE_NAMESPACE: &str = "namespace: {{ .Release.Namespace }}";

/// A text of the base and what stands in its place in the template; `PART` in both is the [part](Source::part).
type Edit = (&'static str, &'static str);

/// Which value an object depends on.
type Condition = fn(kind: &str) -> Option<&'static str>;

/// How a file of `manifests/` becomes a template.
struct Source {
    file: &'static str,
    /// `controller` or `speaker`, where its values stand below one of these.
    part: &'static str,
    condition: Condition,
    edits: &'static [&'static [Edit]],
}

/// The component that puts FRR beside the speaker, and the value that asks for it.
const FRR: &str = "frr/daemonset.yaml";
const WITH_FRR: &str = ".Values.speaker.frr.enabled";

/// What the component adds to a speaker's pod: a mount, a container, and volumes, each as lines of a list.
struct SideCar {
    mount: String,
    container: String,
    volumes: String,
}

impl SideCar {
    /// # Errors
    /// If the patch has another shape.
    fn read(text: &str) -> Result<Self> {
        let cut = |text: &str, at: &str| {
            let parts = text.split_once(at).map(|(before, after)| (before.to_owned(), after.to_owned()));
            parts.with_context(|| format!("manifests/{FRR} has no {at:?} any more; adapt xtask/src/generate/chart.rs"))
        };
        let (before, rest) = cut(text, "        - name: frr\n          image: ")?;
        let (_, mount) = cut(&before, "          volumeMounts:\n")?;
        let (_, container) = cut(&rest, "\n")?;
        let (container, volumes) = cut(&container, "      volumes:\n")?;
        let (_, container) = cut(&container, "          imagePullPolicy: IfNotPresent\n")?;
        let (head, resources) = cut(&container, "          resources:\n")?;
        let (_, tail) = cut(&resources, "\n")?;
        let image = "        - name: frr
          image: {{ .Values.speaker.frr.image.repository }}:{{ .Values.speaker.frr.image.tag }}
          imagePullPolicy: {{ .Values.speaker.frr.image.pullPolicy }}
";
        let resources = "          resources:\n            {{- toYaml .Values.speaker.frr.resources | nindent 12 }}\n";
        Ok(Self { mount, container: format!("{image}{head}{resources}{tail}"), volumes })
    }

    /// The template of the DaemonSet with the side-car in it, where that is asked for.
    fn beside(&self, template: &str) -> Result<String> {
        let places = [("          volumeMounts:\n", &self.mount), ("      volumes:\n", &self.volumes)];
        let mut text = template.to_owned();
        for (place, lines) in places {
            ensure!(
                text.matches(place).count() == 1,
                "the DaemonSet has not one {place:?}; adapt xtask/src/generate/chart.rs"
            );
            text = text.replace(place, &format!("{place}{}", guarded(lines, Some(WITH_FRR))));
        }
        Ok(text.replace("      volumes:\n", &format!("{}      volumes:\n", guarded(&self.container, Some(WITH_FRR)))))
    }
}

/// The folder of the chart below `manifests/`.
pub(super) const FOLDER: &str = "helm/arpeggio/templates/base";

/// The templates, by their names.
///
/// # Errors
/// If a file of the base is missing, belongs to no template, or no longer has a text in whose place a value is to stand.
pub(super) fn templates() -> Result<Files> {
    let read = |file: &str| {
        let path = manifests::folder().join(file);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let mut files = Files::new();
    for file in manifests::kustomization()?.resources {
        // The release has a namespace; Helm does not make it.
        let known = file == "namespace.yaml" || SOURCES.iter().any(|source| source.file == file);
        if let Some(name) = file.strip_prefix("crds/") {
            files.insert(format!("crds-{name}"), guarded(&escaped(&read(&file)?), Some(".Values.crds.enabled")));
        } else {
            ensure!(known, "manifests/{file} is in no template of the chart; add it to xtask/src/generate/chart.rs");
        }
    }
    for source in SOURCES {
        let name = source.file.replace('/', "-");
        let text = template(source, &read(source.file)?)?;
        let is_speaker = source.file == "speaker/daemonset.yaml";
        files.insert(name, if is_speaker { SideCar::read(&escaped(&read(FRR)?))?.beside(&text)? } else { text });
    }
    Ok(files)
}

fn template(source: &Source, text: &str) -> Result<String> {
    let mut edited = escaped(text);
    for (old, new) in source.edits.iter().copied().flatten() {
        let (old, new) = (&old.replace("PART", source.part), &new.replace("PART", source.part));
        let place = || format!("manifests/{} has no {old:?} any more; adapt xtask/src/generate/chart.rs", source.file);
        ensure!(edited.contains(old), place());
        edited = edited.replace(old, new);
    }
    let documents = edited.split_inclusive("\n---\n").map(|document| {
        let (body, end) = document.strip_suffix("---\n").map_or((document, ""), |body| (body, "---\n"));
        let kind = body.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap_or_default();
        guarded(body, (source.condition)(kind)) + end
    });
    Ok(documents.collect())
}

/// What looks like a template to Helm is text; objects of ours are where the release is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("}}")).min() {
        let (before, after) = rest.split_at(at);
        let (braces, after) = after.split_at(2);
        // `}}` outside of an action is text: only flow mappings of YAML end so.
        let is_text = braces == "}}";
        out.push_str(before);
        out.push_str(&if is_text { braces.to_owned() } else { format!("{{{{ \"{braces}\" }}}}") });
        rest = after;
    }
    out.push_str(rest);
    out.replace(NAMESPACE, RELEASE_NAMESPACE)
        .replace("matchNames: [metallb-system]", "matchNames: [{{ .Release.Namespace }}]")
}

fn guarded(text: &str, condition: Option<&str>) -> String {
    condition.map_or_else(|| text.to_owned(), |condition| format!("{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_of_others_are_text() {
        assert_eq!(
            escaped("a: '{{ $labels.ip }}'\nb: {c: {d: e}}\n"),
            "a: '{{ \"{{\" }} $labels.ip }}'\nb: {c: {d: e}}\n"
        );
        assert_eq!(escaped("namespace: metallb-system\n"), "namespace: {{ .Release.Namespace }}\n");
    }

    #[test]
    fn every_document_has_its_condition_and_a_text_that_is_gone_is_told() {
        let edits: &[&[Edit]] = &[&[("replicas: 2", "replicas: {{ .Values.PART.r }}")]];
        let source =
            Source { file: "f.yaml", part: "b", condition: |kind| (kind == "B").then_some(".Values.b"), edits };
        let made = template(&source, "kind: A\nreplicas: 2\n---\nkind: B\n").unwrap();
        assert_eq!(made, "kind: A\nreplicas: {{ .Values.b.r }}\n---\n{{- if .Values.b }}\nkind: B\n{{- end }}\n");
        let error = template(&source, "kind: A\nreplicas: 3\n").unwrap_err().to_string();
        assert!(error.contains("f.yaml") && error.contains("replicas: 2"), "{error}");
    }

    #[test]
    fn the_base_as_it_is_makes_templates() {
        let files = templates().unwrap();
        assert!(files.contains_key("speaker-daemonset.yaml") && files.contains_key("crds-metallb.io_bgppeers.yaml"));
        for (name, text) in files {
            assert!(!text.contains("namespace: metallb-system"), "{name}");
        }
    }
}
