{{/* What the chart calls itself, and its objects. */}}
{{- define "k6-cloud-exporter.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 52 characters: Kubernetes makes longer names from it. */}}
{{- define "k6-cloud-exporter.fullname" -}}
{{- $name := include "k6-cloud-exporter.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $full | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "k6-cloud-exporter.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* Shards have another Service: one with an address cannot become one without. */}}
{{- define "k6-cloud-exporter.serviceName" -}}
{{- include "k6-cloud-exporter.fullname" . -}}
{{- if gt (int .Values.sharding.total) 1 -}}-shards{{- end -}}
{{- end -}}

{{- define "k6-cloud-exporter.serviceAccountName" -}}
{{- $made := .Values.serviceAccount.create | ternary (include "k6-cloud-exporter.fullname" .) "default" -}}
{{- .Values.serviceAccount.name | default $made -}}
{{- end -}}

{{/* By what pods are found; never to change. */}}
{{- define "k6-cloud-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "k6-cloud-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: exporter
{{- end -}}

{{/* Labels of objects, but the user's. Pods have only the first three: a new version of the chart alone replaces no pod. */}}
{{- define "k6-cloud-exporter.labels" -}}
{{ include "k6-cloud-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* metadata of an object: a dict of root, name and, if they differ from the usual, namespace, labels and annotations. */}}
{{- define "k6-cloud-exporter.metadata" -}}
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default (include "k6-cloud-exporter.namespace" .root) }}
  labels:
    {{- merge (include "k6-cloud-exporter.labels" .root | fromYaml) (.labels | default dict) .root.Values.commonLabels | toYaml | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "k6-cloud-exporter.image" -}}
{{- $image := printf "%s/%s" .Values.image.registry .Values.image.repository -}}
{{- if or .Values.image.tag (not .Values.image.digest) -}}
{{- $image = printf "%s:%s" $image (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- with .Values.image.digest -}}
{{- $image = printf "%s@%s" $image . -}}
{{- end -}}
{{- $image -}}
{{- end -}}

{{/* The Secret that holds the token, if the chart mounts one. */}}
{{- define "k6-cloud-exporter.tokenSecret" -}}
{{- $made := .Values.k6.apiToken | empty | ternary "" (printf "%s-token" (include "k6-cloud-exporter.fullname" .)) -}}
{{- .Values.k6.existingSecret.name | default $made -}}
{{- end -}}

{{/* The Secret that holds the web configuration, if there is one. */}}
{{- define "k6-cloud-exporter.webSecret" -}}
{{- $made := .Values.webConfig.content | empty | ternary "" (printf "%s-web" (include "k6-cloud-exporter.fullname" .)) -}}
{{- .Values.webConfig.existingSecret.name | default $made -}}
{{- end -}}

{{- define "k6-cloud-exporter.webKey" -}}
{{- .Values.webConfig.existingSecret.name | empty | ternary "web-config.yml" .Values.webConfig.existingSecret.key -}}
{{- end -}}

{{/* http or https: how the exporter is asked. */}}
{{- define "k6-cloud-exporter.scheme" -}}
{{- $seen := dig "tls_server_config" dict .Values.webConfig.content | empty | ternary "http" "https" -}}
{{- .Values.webConfig.scheme | default $seen -}}
{{- end -}}

{{- define "k6-cloud-exporter.telemetryPath" -}}
{{- (.Values.config.web | default dict).telemetry_path | default "/metrics" -}}
{{- end -}}

{{- define "k6-cloud-exporter.apiUrl" -}}
{{- (.Values.config.api | default dict).url | default "https://api.k6.io" -}}
{{- end -}}

{{/* The configuration file: what the user wrote, and what the chart knows. */}}
{{- define "k6-cloud-exporter.config" -}}
{{- $web := dict "listen_address" (printf ":%d" (int .Values.containerPort)) -}}
{{- if include "k6-cloud-exporter.webSecret" . -}}
{{- $_ := set $web "config_file" (printf "/etc/k6-cloud-exporter/web/%s" (include "k6-cloud-exporter.webKey" .)) -}}
{{- end -}}
{{- $known := dict "web" $web -}}
{{- if include "k6-cloud-exporter.tokenSecret" . -}}
{{- $_ := set $known "api" (dict "token_file" (printf "/etc/k6-cloud-exporter/token/%s" .Values.k6.existingSecret.key)) -}}
{{- end -}}
{{- mergeOverwrite (deepCopy .Values.config) $known | toYaml -}}
{{- end -}}

{{/* What tells that a pod must be replaced. The token in a Secret of one's own is none of it: it is read again. */}}
{{- define "k6-cloud-exporter.podAnnotations" -}}
{{- $checksums := dict "checksum/config" (include "k6-cloud-exporter.config" . | sha256sum) -}}
{{- if .Values.k6.apiToken -}}
{{- $_ := set $checksums "checksum/token" (include (print .Template.BasePath "/secret.yaml") . | sha256sum) -}}
{{- end -}}
{{- if .Values.webConfig.content -}}
{{- $_ := set $checksums "checksum/web-config" (include (print .Template.BasePath "/web-secret.yaml") . | sha256sum) -}}
{{- end -}}
{{- merge $checksums .Values.podAnnotations | toYaml -}}
{{- end -}}

{{- define "k6-cloud-exporter.podLabels" -}}
{{- merge (include "k6-cloud-exporter.selectorLabels" . | fromYaml) .Values.podLabels .Values.commonLabels | toYaml -}}
{{- end -}}

{{/* The handler of a probe: a dict of root and path. */}}
{{- define "k6-cloud-exporter.probe" -}}
httpGet: {path: {{ .path | quote }}, port: metrics, scheme: {{ include "k6-cloud-exporter.scheme" .root | upper }}}
{{- end -}}

{{/* A duration as Prometheus writes them, such as 1m30s, in milliseconds. */}}
{{- define "k6-cloud-exporter.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* An endpoint of a ServiceMonitor or PodMonitor: a dict of root and monitor. */}}
{{- define "k6-cloud-exporter.endpoint" -}}
port: metrics
path: {{ include "k6-cloud-exporter.telemetryPath" .root | quote }}
scheme: {{ .monitor.scheme | default (include "k6-cloud-exporter.scheme" .root) }}
honorLabels: {{ .monitor.honorLabels }}
{{- with .monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with .monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .monitor.tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .monitor.basicAuth }}
basicAuth:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
