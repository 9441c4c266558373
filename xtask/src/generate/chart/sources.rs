//! Which file of `manifests/` becomes which template, and where values stand in it.

use super::{Edit, Source, WITH_FRR};

pub(super) const SOURCES: &[Source] = &[
    Source {
        file: "rbac/controller.yaml",
        part: "controller",
        condition: |kind| access(kind, ".Values.controller.serviceAccount.create"),
        edits: &[ACCOUNT, SUBJECT],
    },
    Source {
        file: "rbac/speaker.yaml",
        part: "speaker",
        condition: |kind| access(kind, ".Values.speaker.serviceAccount.create"),
        edits: &[ACCOUNT, SUBJECT],
    },
    Source {
        file: "rbac/speaker-policy.yaml",
        part: "speaker",
        condition: |_| Some(".Values.rbac.create"),
        edits: &[&[("([^:]*-)?speaker$", "([^:]*-)?{{ .Values.speaker.serviceAccount.name }}$")]],
    },
    Source {
        file: "controller/deployment.yaml",
        part: "controller",
        condition: |_| Some(".Values.controller.enabled"),
        edits: &[POD, DEPLOYMENT],
    },
    Source {
        file: "controller/budget.yaml",
        part: "controller",
        condition: |_| Some("and .Values.controller.enabled (gt (int .Values.controller.replicas) 1)"),
        edits: &[],
    },
    Source {
        file: "network-policies/controller.yaml",
        part: "controller",
        condition: |_| Some(".Values.networkpolicies.enabled"),
        edits: &[&[
            ("port: 9120", "port: {{ .Values.prometheus.metricsPort }}"),
            ("port: 6443", "port: {{ .Values.networkpolicies.apiPort }}"),
        ]],
    },
    Source {
        file: "speaker/excludel2.yaml",
        part: "speaker",
        condition: |_| Some(".Values.speaker.excludeInterfaces.enabled"),
        edits: &[],
    },
    Source { file: "frr/access.yaml", part: "speaker", condition: |_| Some(WITH_FRR), edits: &[SUBJECT] },
    Source {
        file: "speaker/daemonset.yaml",
        part: "speaker",
        condition: |_| Some(".Values.speaker.enabled"),
        edits: &[POD, DAEMONSET],
    },
    Source { file: "webhook/secret.yaml", part: "controller", condition: |_| None, edits: &[] },
    Source { file: "webhook/service.yaml", part: "controller", condition: |_| None, edits: &[] },
    Source {
        file: "webhook/configuration.yaml",
        part: "controller",
        condition: |_| Some("ne .Values.controller.webhookMode \"disabled\""),
        edits: &[&[("failurePolicy: Fail\n", "failurePolicy: {{ .Values.crds.validationFailurePolicy }}\n")]],
    },
    Source {
        file: "prometheus/access.yaml",
        part: "",
        condition: |_| Some("and .Values.prometheus.rbacPrometheus .Values.prometheus.namespace"),
        edits: &[&[(
            "name: prometheus-k8s, namespace: monitoring",
            "name: {{ .Values.prometheus.serviceAccount }}, namespace: {{ .Values.prometheus.namespace }}",
        )]],
    },
    Source {
        file: "prometheus/monitors.yaml",
        part: "",
        condition: |_| Some(".Values.prometheus.serviceMonitor.enabled"),
        edits: &[&[("port: 9120", "port: {{ .Values.prometheus.metricsPort }}")]],
    },
    Source {
        file: "prometheus/dashboards.yaml",
        part: "",
        condition: |_| Some(".Values.prometheus.dashboards.enabled"),
        edits: &[],
    },
    Source {
        file: "prometheus/rules.yaml",
        part: "",
        condition: |_| Some(".Values.prometheus.prometheusRule.enabled"),
        edits: &[],
    },
];

/// Accounts are made or named; the rest of a file of permissions goes together.
fn access(kind: &str, account: &'static str) -> Option<&'static str> {
    Some(if kind == "ServiceAccount" { account } else { ".Values.rbac.create" })
}

/// Accounts and those who are bound to roles.
const ACCOUNT: &[Edit] = &[("name: PART\n", "name: {{ .Values.PART.serviceAccount.name }}\n")];
const SUBJECT: &[Edit] = &[("name: PART,", "name: {{ .Values.PART.serviceAccount.name }},")];

/// What both workloads have.
const POD: &[Edit] = &[
    (
        "app.kubernetes.io/component: PART}\n      annotations:\n",
        "app.kubernetes.io/component: PART
{{- range $name, $value := .Values.PART.labels }}, {{ $name }}: {{ $value | quote }}{{ end }}}
      annotations:
",
    ),
    (
        "        prometheus.io/scrape: \"true\"
        prometheus.io/scheme: https
        prometheus.io/port: \"9120\"
",
        "{{- if .Values.prometheus.scrapeAnnotations }}
        prometheus.io/scrape: \"true\"
        prometheus.io/scheme: https
        prometheus.io/port: {{ .Values.prometheus.metricsPort | quote }}
{{- end }}
{{- with .Values.PART.podAnnotations }}
        {{- toYaml . | nindent 8 }}
{{- end }}
",
    ),
    (
        "      serviceAccountName: PART\n",
        "{{- with .Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
{{- end }}
{{- with .Values.PART.runtimeClassName }}
      runtimeClassName: {{ . }}
{{- end }}
      serviceAccountName: {{ .Values.PART.serviceAccount.name }}
",
    ),
    (
        "      nodeSelector: {kubernetes.io/os: linux}\n",
        "      nodeSelector:
        kubernetes.io/os: linux
{{- with .Values.PART.nodeSelector }}
        {{- toYaml . | nindent 8 }}
{{- end }}
",
    ),
    (
        "          image: ghcr.io/arpeggio-lb/arpeggio\n          imagePullPolicy: IfNotPresent\n",
        "          image: {{ .Values.PART.image.repository }}:{{ .Values.PART.image.tag | default .Chart.AppVersion }}
          imagePullPolicy: {{ .Values.PART.image.pullPolicy }}
",
    ),
    ("containerPort: 9120", "containerPort: {{ .Values.prometheus.metricsPort }}"),
    (
        "            requests: {cpu: 50m, memory: 64Mi}\n",
        "            {{- toYaml .Values.PART.resources | nindent 12 }}\n",
    ),
];

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
    ("system-cluster-critical", "{{ .Values.controller.priorityClassName }}"),
    ("      affinity:\n        podAntiAffinity:\n", AFFINITY_BEGIN),
    (
        "      affinity:\n{{- with",
        "{{- with .Values.controller.tolerations }}\n        {{- toYaml . | nindent 8 }}\n{{- end }}\n      affinity:\n{{- with",
    ),
    (
        "component: controller}\n      securityContext:\n",
        "component: controller}\n{{- end }}\n      securityContext:\n",
    ),
    ("          args: [--port=9120, --log-level=info]\n", ARGUMENTS_CONTROLLER),
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
    ("system-node-critical", "{{ .Values.speaker.priorityClassName }}"),
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
    (
        "          args: [run, --settings=/etc/arpeggio/settings.yaml, --succession-keys=/etc/arpeggio/succession/keys.yaml]\n",
        ARGUMENTS_SPEAKER,
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

const AFFINITY_BEGIN: &str = "      affinity:
{{- with .Values.controller.affinity }}
        {{- toYaml . | nindent 8 }}
{{- else }}
        podAntiAffinity:
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
