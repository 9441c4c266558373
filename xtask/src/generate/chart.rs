//! The templates of the Helm chart, made from the files that `kubectl apply -k manifests/` takes: each template is a file of the base
//! with its comments, in which the values of the chart stand where the base has a fixed value.

use anyhow::{Context as _, Result, ensure};

use super::Files;
use crate::manifests;

/// Where the base has its objects.
const NAMESPACE: &str = "namespace: metallb-system";
const RELEASE_NAMESPACE: &str = "namespace: {{ .Release.Namespace }}";

/// A text of the base and what stands in its place in the template.
type Edit = (&'static str, &'static str);

/// Which value an object depends on.
type Condition = fn(kind: &str) -> Option<&'static str>;

/// How a file of `manifests/` becomes a template.
struct Source {
    file: &'static str,
    condition: Condition,
    edits: &'static [Edit],
}

const SOURCES: &[Source] = &[
    Source {
        file: "rbac/controller.yaml",
        condition: |kind| access(kind, ".Values.controller.serviceAccount.create"),
        edits: CONTROLLER_ACCOUNT,
    },
    Source {
        file: "rbac/speaker.yaml",
        condition: |kind| access(kind, ".Values.speaker.serviceAccount.create"),
        edits: SPEAKER_ACCOUNT,
    },
    Source { file: "controller/deployment.yaml", condition: |_| Some(".Values.controller.enabled"), edits: DEPLOYMENT },
    Source {
        file: "controller/budget.yaml",
        condition: |_| Some("and .Values.controller.enabled (gt (int .Values.controller.replicas) 1)"),
        edits: &[],
    },
    Source {
        file: "network-policies/controller.yaml",
        condition: |_| Some(".Values.networkpolicies.enabled"),
        edits: &[
            ("port: 9120", "port: {{ .Values.prometheus.metricsPort }}"),
            ("port: 6443", "port: {{ .Values.networkpolicies.apiPort }}"),
        ],
    },
    Source {
        file: "speaker/excludel2.yaml",
        condition: |_| Some(".Values.speaker.excludeInterfaces.enabled"),
        edits: &[],
    },
    Source { file: "frr/access.yaml", condition: |_| Some(WITH_FRR), edits: SPEAKER_SUBJECT },
    Source { file: "speaker/daemonset.yaml", condition: |_| Some(".Values.speaker.enabled"), edits: DAEMONSET },
    Source { file: "webhook/secret.yaml", condition: |_| None, edits: &[] },
    Source { file: "webhook/service.yaml", condition: |_| None, edits: &[] },
    Source {
        file: "webhook/configuration.yaml",
        condition: |_| Some("ne .Values.controller.webhookMode \"disabled\""),
        edits: &[("failurePolicy: Fail\n", "failurePolicy: {{ .Values.crds.validationFailurePolicy }}\n")],
    },
    Source {
        file: "prometheus/access.yaml",
        condition: |_| Some("and .Values.prometheus.rbacPrometheus .Values.prometheus.namespace"),
        edits: &[(
            "name: prometheus-k8s, namespace: monitoring",
            "name: {{ .Values.prometheus.serviceAccount }}, namespace: {{ .Values.prometheus.namespace }}",
        )],
    },
    Source {
        file: "prometheus/monitors.yaml",
        condition: |_| Some(".Values.prometheus.serviceMonitor.enabled"),
        edits: &[("port: 9120", "port: {{ .Values.prometheus.metricsPort }}")],
    },
    Source {
        file: "prometheus/dashboards.yaml",
        condition: |_| Some(".Values.prometheus.dashboards.enabled"),
        edits: &[],
    },
    Source {
        file: "prometheus/rules.yaml",
        condition: |_| Some(".Values.prometheus.prometheusRule.enabled"),
        edits: &[],
    },
];

/// Accounts are made or named; the rest of a file of permissions goes together.
fn access(kind: &str, account: &'static str) -> Option<&'static str> {
    Some(if kind == "ServiceAccount" { account } else { ".Values.rbac.create" })
}

const CONTROLLER_ACCOUNT: &[Edit] = &[
    ("name: controller\n", "name: {{ .Values.controller.serviceAccount.name }}\n"),
    ("name: controller,", "name: {{ .Values.controller.serviceAccount.name }},"),
];

const SPEAKER_ACCOUNT: &[Edit] = &[
    ("name: speaker\n", "name: {{ .Values.speaker.serviceAccount.name }}\n"),
    ("name: speaker,", "name: {{ .Values.speaker.serviceAccount.name }},"),
];

const SPEAKER_SUBJECT: &[Edit] = &[("name: speaker,", "name: {{ .Values.speaker.serviceAccount.name }},")];

const DEPLOYMENT: &[Edit] = &[
    ("replicas: 2\n", "replicas: {{ .Values.controller.replicas }}\n"),
    (
        "  revisionHistoryLimit: 3\n",
        "  revisionHistoryLimit: 3
{{- with .Values.controller.strategy }}
  strategy:
    {{- toYaml . | nindent 4 }}
{{- end }}
",
    ),
    ("app.kubernetes.io/component: controller}\n      annotations:\n", POD_CONTROLLER),
    (SCRAPING, SCRAPING_CONTROLLER),
    (
        "      serviceAccountName: controller\n      priorityClassName: system-cluster-critical\n",
        "{{- with .Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
{{- end }}
{{- with .Values.controller.runtimeClassName }}
      runtimeClassName: {{ . }}
{{- end }}
      serviceAccountName: {{ .Values.controller.serviceAccount.name }}
      priorityClassName: {{ .Values.controller.priorityClassName }}
",
    ),
    ("      nodeSelector: {kubernetes.io/os: linux}\n", NODE_SELECTOR_CONTROLLER),
    ("      affinity:\n        podAntiAffinity:\n", AFFINITY_BEGIN),
    (
        "      affinity:\n{{- with",
        "{{- with .Values.controller.tolerations }}\n        {{- toYaml . | nindent 8 }}\n{{- end }}\n      affinity:\n{{- with",
    ),
    (
        "component: controller}\n      securityContext:\n",
        "component: controller}\n{{- end }}\n      securityContext:\n",
    ),
    ("          image: ghcr.io/arpeggio-lb/arpeggio\n          imagePullPolicy: IfNotPresent\n", IMAGE_CONTROLLER),
    ("          args: [--port=9120, --log-level=info]\n", ARGUMENTS_CONTROLLER),
    ("containerPort: 9120", "containerPort: {{ .Values.prometheus.metricsPort }}"),
    (
        "          resources:\n            requests: {cpu: 50m, memory: 64Mi}\n",
        "          resources:\n            {{- toYaml .Values.controller.resources | nindent 12 }}\n",
    ),
    (
        "            capabilities: {drop: [ALL]}\n",
        "            capabilities: {drop: [ALL]}
{{- with .Values.tls.controllerMetricsTLSSecret }}
          volumeMounts:
            - {name: metrics-certs, mountPath: /etc/metrics-certs, readOnly: true}
      volumes:
        - name: metrics-certs
          secret: {secretName: {{ . }}}
{{- end }}
",
    ),
];

const DAEMONSET: &[Edit] = &[
    (
        "    type: RollingUpdate\n    rollingUpdate: {maxUnavailable: 1}\n",
        "    {{- toYaml .Values.speaker.updateStrategy | nindent 4 }}\n",
    ),
    ("app.kubernetes.io/component: speaker}\n      annotations:\n", POD_SPEAKER),
    (SCRAPING, SCRAPING_SPEAKER),
    (
        "      serviceAccountName: speaker\n      priorityClassName: system-node-critical\n",
        "{{- with .Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
{{- end }}
{{- with .Values.speaker.runtimeClassName }}
      runtimeClassName: {{ . }}
{{- end }}
      serviceAccountName: {{ .Values.speaker.serviceAccount.name }}
      priorityClassName: {{ .Values.speaker.priorityClassName }}
",
    ),
    ("      nodeSelector: {kubernetes.io/os: linux}\n", NODE_SELECTOR_SPEAKER),
    (
        "        - {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
        - {key: node-role.kubernetes.io/master, operator: Exists, effect: NoSchedule}
",
        "{{- if .Values.speaker.tolerateMaster }}
        - {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
        - {key: node-role.kubernetes.io/master, operator: Exists, effect: NoSchedule}
{{- end }}
{{- with .Values.speaker.tolerations }}
        {{- toYaml . | nindent 8 }}
{{- end }}
{{- with .Values.speaker.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
{{- end }}
",
    ),
    ("          image: ghcr.io/arpeggio-lb/arpeggio\n          imagePullPolicy: IfNotPresent\n", IMAGE_SPEAKER),
    (
        "          args: [run, --settings=/etc/arpeggio/settings.yaml, --succession-keys=/etc/arpeggio/succession/keys.yaml]\n",
        ARGUMENTS_SPEAKER,
    ),
    ("containerPort: 9120", "containerPort: {{ .Values.prometheus.metricsPort }}"),
    (
        "            requests: {cpu: 50m, memory: 64Mi}\n",
        "            {{- toYaml .Values.speaker.resources | nindent 12 }}\n",
    ),
    (
        "            - {name: excludel2, mountPath: /etc/metallb, readOnly: true}\n",
        "{{- if .Values.speaker.excludeInterfaces.enabled }}
            - {name: excludel2, mountPath: /etc/metallb, readOnly: true}
{{- end }}
{{- if .Values.tls.speakerMetricsTLSSecret }}
            - {name: metrics-certs, mountPath: /etc/metrics-certs, readOnly: true}
{{- end }}
",
    ),
    (
        "        - name: excludel2\n          configMap: {name: metallb-excludel2}\n",
        "{{- if .Values.speaker.excludeInterfaces.enabled }}
        - name: excludel2
          configMap: {name: metallb-excludel2}
{{- end }}
{{- with .Values.tls.speakerMetricsTLSSecret }}
        - name: metrics-certs
          secret: {secretName: {{ . }}}
{{- end }}
",
    ),
];

const SCRAPING: &str = "        prometheus.io/scrape: \"true\"
        prometheus.io/scheme: https
        prometheus.io/port: \"9120\"
";
const SCRAPING_CONTROLLER: &str = "{{- if .Values.prometheus.scrapeAnnotations }}
        prometheus.io/scrape: \"true\"
        prometheus.io/scheme: https
        prometheus.io/port: {{ .Values.prometheus.metricsPort | quote }}
{{- end }}
{{- with .Values.controller.podAnnotations }}
        {{- toYaml . | nindent 8 }}
{{- end }}
";
const SCRAPING_SPEAKER: &str = "{{- if .Values.prometheus.scrapeAnnotations }}
        prometheus.io/scrape: \"true\"
        prometheus.io/scheme: https
        prometheus.io/port: {{ .Values.prometheus.metricsPort | quote }}
{{- end }}
{{- with .Values.speaker.podAnnotations }}
        {{- toYaml . | nindent 8 }}
{{- end }}
";
const POD_CONTROLLER: &str = "app.kubernetes.io/component: controller
{{- range $name, $value := .Values.controller.labels }}, {{ $name }}: {{ $value | quote }}{{ end }}}
      annotations:
";
const POD_SPEAKER: &str = "app.kubernetes.io/component: speaker
{{- range $name, $value := .Values.speaker.labels }}, {{ $name }}: {{ $value | quote }}{{ end }}}
      annotations:
";
const NODE_SELECTOR_CONTROLLER: &str = "      nodeSelector:
        kubernetes.io/os: linux
{{- with .Values.controller.nodeSelector }}
        {{- toYaml . | nindent 8 }}
{{- end }}
";
const NODE_SELECTOR_SPEAKER: &str = "      nodeSelector:
        kubernetes.io/os: linux
{{- with .Values.speaker.nodeSelector }}
        {{- toYaml . | nindent 8 }}
{{- end }}
";
const AFFINITY_BEGIN: &str = "      affinity:
{{- with .Values.controller.affinity }}
        {{- toYaml . | nindent 8 }}
{{- else }}
        podAntiAffinity:
";
const IMAGE_CONTROLLER: &str = "          image: {{ .Values.controller.image.repository }}:{{ .Values.controller.image.tag | default .Chart.AppVersion }}
          imagePullPolicy: {{ .Values.controller.image.pullPolicy }}
";
const IMAGE_SPEAKER: &str = "          image: {{ .Values.speaker.image.repository }}:{{ .Values.speaker.image.tag | default .Chart.AppVersion }}
          imagePullPolicy: {{ .Values.speaker.image.pullPolicy }}
";
const ARGUMENTS_CONTROLLER: &str = "          args:
            - --port={{ .Values.prometheus.metricsPort }}
            - --log-level={{ .Values.controller.logLevel }}
{{- if ne .Values.controller.webhookMode \"enabled\" }}
            - --webhook-mode={{ .Values.controller.webhookMode }}
{{- end }}
{{- with .Values.loadBalancerClass }}
            - --lb-class={{ . }}
{{- end }}
{{- if .Values.speaker.ignoreExcludeLB }}
            - --ignore-exclude-lb
{{- end }}
{{- with .Values.tls.minVersion }}
            - --tls-min-version={{ . }}
{{- end }}
{{- with .Values.tls.cipherSuites }}
            - --tls-cipher-suites={{ . }}
{{- end }}
{{- if .Values.tls.controllerMetricsTLSSecret }}
            - --metrics-cert-dir=/etc/metrics-certs
{{- end }}
{{- with .Values.controller.extraArgs }}
            {{- toYaml . | nindent 12 }}
{{- end }}
";
const ARGUMENTS_SPEAKER: &str = "          args:
            - run
            - --settings=/etc/arpeggio/settings.yaml
            - --succession-keys=/etc/arpeggio/succession/keys.yaml
{{- if ne (int .Values.prometheus.metricsPort) 9120 }}
            - --port={{ .Values.prometheus.metricsPort }}
{{- end }}
{{- if ne .Values.speaker.logLevel \"info\" }}
            - --log-level={{ .Values.speaker.logLevel }}
{{- end }}
{{- with .Values.tls.minVersion }}
            - --tls-min-version={{ . }}
{{- end }}
{{- with .Values.tls.cipherSuites }}
            - --tls-cipher-suites={{ . }}
{{- end }}
{{- if .Values.tls.speakerMetricsTLSSecret }}
            - --metrics-cert-dir=/etc/metrics-certs
{{- end }}
{{- with .Values.speaker.extraArgs }}
            {{- toYaml . | nindent 12 }}
{{- end }}
";

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
    for (old, new) in source.edits {
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
        let edits: &[Edit] = &[("replicas: 2", "replicas: {{ .Values.r }}")];
        let source = Source { file: "f.yaml", condition: |kind| (kind == "B").then_some(".Values.b"), edits };
        let made = template(&source, "kind: A\nreplicas: 2\n---\nkind: B\n").unwrap();
        assert_eq!(made, "kind: A\nreplicas: {{ .Values.r }}\n---\n{{- if .Values.b }}\nkind: B\n{{- end }}\n");
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
