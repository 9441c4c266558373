//! Which file of `manifests/` becomes which template, and where values stand in it.

use super::{Edit, Source, WITH_FRR};

pub(super) const SOURCES: &[Source] = &[
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
    Source {
        file: "rbac/speaker-policy.yaml",
        condition: |_| Some(".Values.rbac.create"),
        edits: &[("([^:]*-)?speaker$", "([^:]*-)?{{ .Values.speaker.serviceAccount.name }}$")],
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
