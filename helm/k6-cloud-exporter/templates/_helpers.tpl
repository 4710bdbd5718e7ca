{{/* Gives each value that is missing its default, since Helm removes a value that is null. Every template starts with
     this: Helm does not say in which order it renders them. The first one does it for all, and sets .Defaults. */}}
{{- define "k6-cloud-exporter.setDefaults" -}}
{{- if not .Defaults -}}
{{- $_ := set . "Defaults" (.Files.Get "files/defaults.yaml" | fromYaml) -}}
{{- include "k6-cloud-exporter.fillMissing" (dict "values" .Values "defaults" .Defaults) -}}
{{- end -}}
{{- end -}}

{{/* Takes a dict: values, which are changed, and defaults. Null removes what Kubernetes or Prometheus can do without, so
     these values become empty; maps among them belong to the user, and a field that is removed there stays removed. */}}
{{- define "k6-cloud-exporter.fillMissing" -}}
{{- $removable := list "podSecurityContext" "securityContext" "liveness" "readiness" "startup" "resources" "interval" "jobLabel" -}}
{{- range $key, $default := .defaults -}}
{{- $value := index $.values $key -}}
{{- if and (kindIs "invalid" $value) (has $key $removable) -}}
{{- $_ := set $.values $key (kindIs "map" $default | ternary dict "") -}}
{{- else if kindIs "invalid" $value -}}
{{- $_ := set $.values $key $default -}}
{{- else if and (kindIs "map" $default) (not (has $key $removable)) -}}
{{- include "k6-cloud-exporter.fillMissing" (dict "values" $value "defaults" $default) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Name of the chart. */}}
{{- define "k6-cloud-exporter.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the objects; at most 52 characters, since Kubernetes appends to it. */}}
{{- define "k6-cloud-exporter.fullname" -}}
{{- $name := include "k6-cloud-exporter.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $full | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "k6-cloud-exporter.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* Shards have a Service of another name, since a Service with a cluster IP cannot become headless. */}}
{{- define "k6-cloud-exporter.serviceName" -}}
{{- include "k6-cloud-exporter.fullname" . -}}
{{- if gt (int .Values.sharding.total) 1 -}}-shards{{- end -}}
{{- end -}}

{{- define "k6-cloud-exporter.serviceAccountName" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "k6-cloud-exporter.fullname" .) "default" -}}
{{- .Values.serviceAccount.name | default $default -}}
{{- end -}}

{{/* Selector labels. They cannot change: selectors are immutable. */}}
{{- define "k6-cloud-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "k6-cloud-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: exporter
{{- end -}}

{{/* Labels of all objects. Pods have only the selector labels, so that a new chart version alone does not replace them. */}}
{{- define "k6-cloud-exporter.labels" -}}
{{ include "k6-cloud-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* A value in which templates are rendered. Takes a dict: root and value; a value that is not a text becomes YAML. Only
     values with a template are passed to tpl, which is slow in a parent chart with many templates. */}}
{{- define "k6-cloud-exporter.renderValue" -}}
{{- $text := kindIs "string" .value | ternary .value (toYaml .value) -}}
{{- if contains "{{" $text }}{{ tpl $text .root }}{{ else }}{{ $text }}{{ end -}}
{{- end -}}

{{/* The metadata of an object. Takes a dict: root, name, and optionally namespace, labels and annotations, which can
     contain templates. */}}
{{- define "k6-cloud-exporter.buildMetadata" -}}
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default (include "k6-cloud-exporter.namespace" .root) }}
  labels:
    {{- $labels := merge (include "k6-cloud-exporter.labels" .root | fromYaml) (.labels | default dict) .root.Values.commonLabels -}}
    {{- include "k6-cloud-exporter.renderValue" (dict "root" .root "value" $labels) | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- include "k6-cloud-exporter.renderValue" (dict "root" $.root "value" .) | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* An unquoted tag such as 20261126 is a number, which would be printed with an exponent. */}}
{{- define "k6-cloud-exporter.imageTag" -}}
{{- kindIs "float64" .Values.image.tag | ternary (int64 .Values.image.tag) .Values.image.tag -}}
{{- end -}}

{{- define "k6-cloud-exporter.image" -}}
{{- $tag := include "k6-cloud-exporter.imageTag" . -}}
{{- $image := printf "%s/%s" (.Values.global.imageRegistry | default .Values.image.registry | trimSuffix "/") .Values.image.repository -}}
{{- if or $tag (not .Values.image.digest) -}}
{{- $image = printf "%s:%s" $image ($tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- with .Values.image.digest -}}
{{- $image = printf "%s@%s" $image . -}}
{{- end -}}
{{- $image -}}
{{- end -}}

{{/* Image pull secrets, those of a parent chart first; each is a name or a map with the name. */}}
{{- define "k6-cloud-exporter.imagePullSecrets" -}}
{{- $secrets := list -}}
{{- range concat .Values.global.imagePullSecrets .Values.imagePullSecrets -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with uniq $secrets }}{{ include "k6-cloud-exporter.renderValue" (dict "root" $ "value" .) }}{{ end -}}
{{- end -}}

{{/* Without a selector, a constraint would match no pod. */}}
{{- define "k6-cloud-exporter.topologySpreadConstraints" -}}
{{- $selector := dict "matchLabels" (include "k6-cloud-exporter.selectorLabels" . | fromYaml) -}}
{{- $constraints := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $constraint := . -}}
{{- if kindIs "invalid" .labelSelector -}}
{{- $constraint = merge (dict "labelSelector" $selector) . -}}
{{- end -}}
{{- $constraints = append $constraints $constraint -}}
{{- end -}}
{{- with $constraints }}{{ include "k6-cloud-exporter.renderValue" (dict "root" $ "value" .) }}{{ end -}}
{{- end -}}

{{/* Name of the Secret with the token; empty if the chart mounts none. */}}
{{- define "k6-cloud-exporter.tokenSecret" -}}
{{- $default := .Values.k6.apiToken | empty | ternary "" (printf "%s-token" (include "k6-cloud-exporter.fullname" .)) -}}
{{- include "k6-cloud-exporter.renderValue" (dict "root" . "value" (.Values.k6.existingSecret.name | default $default)) -}}
{{- end -}}

{{/* Name of the Secret with the web config; empty if there is none. */}}
{{- define "k6-cloud-exporter.webSecret" -}}
{{- $default := .Values.webConfig.content | empty | ternary "" (printf "%s-web" (include "k6-cloud-exporter.fullname" .)) -}}
{{- include "k6-cloud-exporter.renderValue" (dict "root" . "value" (.Values.webConfig.existingSecret.name | default $default)) -}}
{{- end -}}

{{- define "k6-cloud-exporter.webSecretKey" -}}
{{- .Values.webConfig.existingSecret.name | empty | ternary "web-config.yml" .Values.webConfig.existingSecret.key -}}
{{- end -}}

{{/* http or https, for probes and scrapes. */}}
{{- define "k6-cloud-exporter.scheme" -}}
{{- $fromContent := dig "tls_server_config" dict .Values.webConfig.content | empty | ternary "http" "https" -}}
{{- .Values.webConfig.scheme | default $fromContent -}}
{{- end -}}

{{- define "k6-cloud-exporter.telemetryPath" -}}
{{- (.Values.config.web | default dict).telemetry_path | default "/metrics" -}}
{{- end -}}

{{- define "k6-cloud-exporter.apiUrl" -}}
{{- (.Values.config.api | default dict).url | default "https://api.k6.io" -}}
{{- end -}}

{{/* The configuration file: the values under config, and the settings of the chart. */}}
{{- define "k6-cloud-exporter.buildConfig" -}}
{{- $web := dict "listen_address" (printf ":%d" (int .Values.containerPort)) -}}
{{- if include "k6-cloud-exporter.webSecret" . -}}
{{- $_ := set $web "config_file" (printf "/etc/k6-cloud-exporter/web/%s" (include "k6-cloud-exporter.webSecretKey" .)) -}}
{{- end -}}
{{- $chartSettings := dict "web" $web -}}
{{- if include "k6-cloud-exporter.tokenSecret" . -}}
{{- $_ := set $chartSettings "api" (dict "token_file" (printf "/etc/k6-cloud-exporter/token/%s" .Values.k6.existingSecret.key)) -}}
{{- end -}}
{{- mergeOverwrite (deepCopy .Values.config) $chartSettings | toYaml -}}
{{- end -}}

{{/* Checksums that replace a pod when its configuration changes. An existing Secret is not included: the exporter rereads
     its file. */}}
{{- define "k6-cloud-exporter.podAnnotations" -}}
{{- $checksums := dict "checksum/config" (include "k6-cloud-exporter.buildConfig" . | sha256sum) -}}
{{- if .Values.k6.apiToken -}}
{{- $_ := set $checksums "checksum/token" (include (print .Template.BasePath "/secret.yaml") . | sha256sum) -}}
{{- end -}}
{{- if .Values.webConfig.content -}}
{{- $_ := set $checksums "checksum/web-config" (include (print .Template.BasePath "/web-secret.yaml") . | sha256sum) -}}
{{- end -}}
{{- include "k6-cloud-exporter.renderValue" (dict "root" . "value" (merge $checksums .Values.podAnnotations)) -}}
{{- end -}}

{{- define "k6-cloud-exporter.podLabels" -}}
{{- $labels := merge (include "k6-cloud-exporter.selectorLabels" . | fromYaml) .Values.podLabels .Values.commonLabels -}}
{{- include "k6-cloud-exporter.renderValue" (dict "root" . "value" $labels) -}}
{{- end -}}

{{/* A duration of Prometheus, such as 1m30s, in milliseconds. */}}
{{- define "k6-cloud-exporter.parseMilliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* The endpoint of a ServiceMonitor or PodMonitor. Takes a dict: root and monitor. */}}
{{- define "k6-cloud-exporter.buildEndpoint" -}}
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
  {{- include "k6-cloud-exporter.renderValue" (dict "root" $.root "value" .) | nindent 2 }}
{{- end }}
{{- with .monitor.basicAuth }}
basicAuth:
  {{- include "k6-cloud-exporter.renderValue" (dict "root" $.root "value" .) | nindent 2 }}
{{- end }}
{{- with .monitor.authorization }}
authorization:
  {{- include "k6-cloud-exporter.renderValue" (dict "root" $.root "value" .) | nindent 2 }}
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
