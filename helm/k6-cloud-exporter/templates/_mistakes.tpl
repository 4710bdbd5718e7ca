{{/* Ends the rendering with a sentence on each mistake that the schema cannot see: what would be ignored, contradicts or
     cannot work. */}}
{{- define "k6-cloud-exporter.mistakes" -}}
{{- $says := list -}}
{{- $values := .Values -}}
{{- $defaults := .Files.Get "files/defaults.yaml" | fromYaml -}}
{{- $api := $values.config.api | default dict -}}
{{- $web := $values.config.web | default dict -}}

{{- /* The token. */ -}}
{{- $given := list -}}
{{- range $name, $value := dict "k6.existingSecret.name" $values.k6.existingSecret.name "k6.apiToken" $values.k6.apiToken "config.api.token_file" $api.token_file -}}
{{- if $value }}{{ $given = append $given $name }}{{ end -}}
{{- end -}}
{{- if empty $given -}}
{{- $says = append $says (printf "k6.existingSecret.name: name a Secret that holds an API token of Grafana Cloud k6 under the key %s; or, less safely, set k6.apiToken" $values.k6.existingSecret.key) -}}
{{- else if gt (len $given) 1 -}}
{{- $says = append $says (printf "%s: both say which token to use; leave one of them out" (join " and " (sortAlpha $given))) -}}
{{- else if and $api.token_file (ne $values.k6.existingSecret.key $defaults.k6.existingSecret.key) -}}
{{- $says = append $says "k6.existingSecret.key: the token is in config.api.token_file; leave one of them out" -}}
{{- end -}}

{{- /* What the chart sets itself. */ -}}
{{- if hasKey $web "listen_address" -}}
{{- $says = append $says "config.web.listen_address: the chart sets this; say the port with containerPort" -}}
{{- end -}}
{{- if hasKey $web "config_file" -}}
{{- $says = append $says "config.web.config_file: the chart sets this; use webConfig.existingSecret.name or webConfig.content" -}}
{{- end -}}
{{- if hasKey $values.config "sharding" -}}
{{- $says = append $says "config.sharding: the chart sets this; say the number of shards with sharding.total" -}}
{{- end -}}

{{- /* What would go before the configuration. */ -}}
{{- range $values.extraEnv -}}
{{- if eq .name "K6_CLOUD_TOKEN" -}}
{{- $says = append $says "extraEnv: K6_CLOUD_TOKEN would go before the mounted token, and could not change without a restart; leave it out" -}}
{{- else if and (eq .name "K6_CLOUD_STACK_ID") $api.stack -}}
{{- $says = append $says "extraEnv: K6_CLOUD_STACK_ID and config.api.stack both name the stack; leave one of them out" -}}
{{- else if hasPrefix "K6_CLOUD_EXPORTER_" .name -}}
{{- $says = append $says (printf "extraEnv: %s is a setting; write it under config, where it is checked" .name) -}}
{{- end -}}
{{- end -}}
{{- range $values.extraArgs -}}
{{- $flag := first (splitList "=" .) -}}
{{- $setting := trimPrefix "--" $flag | replace "-" "_" -}}
{{- $section := get $values.config (first (splitList "." $setting)) -}}
{{- if or (hasPrefix "--config." $flag) (hasPrefix "--web." $flag) (has $flag (list "--shard" "--total-shards")) -}}
{{- $says = append $says (printf "extraArgs: %s is for the chart to set; use config, containerPort, webConfig or sharding.total" $flag) -}}
{{- else if and (has $flag (list "--test" "--project")) $values.config.tests -}}
{{- $says = append $says (printf "extraArgs: %s would go before config.tests; leave one of them out" $flag) -}}
{{- else if and (hasPrefix "--" $flag) (kindIs "map" $section) (hasKey $section (last (splitList "." $setting))) -}}
{{- $says = append $says (printf "extraArgs: %s would go before config.%s; leave one of them out" $flag $setting) -}}
{{- end -}}
{{- end -}}

{{- /* The web configuration. */ -}}
{{- $tls := dig "tls_server_config" dict $values.webConfig.content -}}
{{- if and $values.webConfig.existingSecret.name $values.webConfig.content -}}
{{- $says = append $says "webConfig.existingSecret.name and webConfig.content: both say how to serve; leave one of them out" -}}
{{- else if and $values.webConfig.existingSecret.name (not $values.webConfig.scheme) -}}
{{- $says = append $says "webConfig.scheme: the chart cannot look into the Secret; say https if it turns on TLS, else http" -}}
{{- else if and $values.webConfig.content $values.webConfig.scheme (ne $values.webConfig.scheme ($tls | empty | ternary "http" "https")) -}}
{{- $says = append $says (printf "webConfig.scheme: %s is not what webConfig.content says; leave it out" $values.webConfig.scheme) -}}
{{- else if and $values.webConfig.scheme (not (include "k6-cloud-exporter.webSecret" .)) -}}
{{- $says = append $says "webConfig.scheme: there is no web configuration; set webConfig.existingSecret.name or webConfig.content" -}}
{{- end -}}
{{- if and $values.webConfig.tlsSecret (not (include "k6-cloud-exporter.webSecret" .)) -}}
{{- $says = append $says "webConfig.tlsSecret: nothing uses the certificates; set webConfig.existingSecret.name or webConfig.content" -}}
{{- end -}}

{{- if and (not $values.webConfig.existingSecret.name) (ne $values.webConfig.existingSecret.key $defaults.webConfig.existingSecret.key) -}}
{{- $says = append $says "webConfig.existingSecret.key: it is for a Secret of your own; set webConfig.existingSecret.name" -}}
{{- end -}}

{{- /* What would be ignored, or answer at random. */ -}}
{{- if and (not $values.dashboards.folder) (ne $values.dashboards.folderAnnotation $defaults.dashboards.folderAnnotation) -}}
{{- $says = append $says "dashboards.folderAnnotation: there is no folder to tell; set dashboards.folder" -}}
{{- end -}}
{{- if and $values.serviceAccount.annotations (not $values.serviceAccount.create) -}}
{{- $says = append $says "serviceAccount.annotations: they are for a service account that the chart makes; set serviceAccount.create" -}}
{{- end -}}
{{- if and (gt (int $values.sharding.total) 1) (ne $values.service.type "ClusterIP") -}}
{{- $says = append $says (printf "service.type: %s would answer for one shard at random; leave it ClusterIP, and scrape each pod" $values.service.type) -}}
{{- end -}}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled -}}
{{- $says = append $says "serviceMonitor.enabled and podMonitor.enabled: both would scrape the same pods; leave one of them out" -}}
{{- end -}}
{{- range $name, $monitor := dict "serviceMonitor" $values.serviceMonitor "podMonitor" $values.podMonitor -}}
{{- $both := and $monitor.enabled $monitor.interval $monitor.scrapeTimeout -}}
{{- if and $both (gt (include "k6-cloud-exporter.milliseconds" $monitor.scrapeTimeout | int64) (include "k6-cloud-exporter.milliseconds" $monitor.interval | int64)) -}}
{{- $says = append $says (printf "%s.scrapeTimeout: %s is longer than the interval, %s, so that the operator would pass the monitor over; set it lower, or %s.interval higher" $name $monitor.scrapeTimeout $monitor.interval $name) -}}
{{- end -}}
{{- end -}}
{{- $ours := include "k6-cloud-exporter.labels" . | fromYaml -}}
{{- $theirs := dict "commonLabels" $values.commonLabels "podLabels" $values.podLabels "service.labels" $values.service.labels "serviceMonitor.labels" $values.serviceMonitor.labels "podMonitor.labels" $values.podMonitor.labels "prometheusRule.labels" $values.prometheusRule.labels "dashboards.label" (dict $values.dashboards.label "") -}}
{{- range $name, $labels := $theirs -}}
{{- range $label, $_ := $labels -}}
{{- if hasKey $ours $label -}}
{{- $says = append $says (printf "%s: the chart sets %s; leave it out, or see nameOverride" $name $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $annotation := list "checksum/config" "checksum/token" "checksum/web-config" -}}
{{- if hasKey $values.podAnnotations $annotation -}}
{{- $says = append $says (printf "podAnnotations: the chart sets %s; leave it out" $annotation) -}}
{{- end -}}
{{- end -}}
{{- $serviceLabels := merge (deepCopy $ours) $values.service.labels $values.commonLabels -}}
{{- if and $values.serviceMonitor.enabled $values.serviceMonitor.jobLabel (not (hasKey $serviceLabels $values.serviceMonitor.jobLabel)) -}}
{{- $says = append $says (printf "serviceMonitor.jobLabel: the Service has no label %s; it is the name of a label, not the job" $values.serviceMonitor.jobLabel) -}}
{{- end -}}
{{- $podLabels := include "k6-cloud-exporter.podLabels" . | fromYaml -}}
{{- if and $values.podMonitor.enabled $values.podMonitor.jobLabel (not (hasKey $podLabels $values.podMonitor.jobLabel)) -}}
{{- $says = append $says (printf "podMonitor.jobLabel: the pods have no label %s; it is the name of a label, not the job" $values.podMonitor.jobLabel) -}}
{{- end -}}

{{- /* The alerts. */ -}}
{{- $thresholds := .Files.Get "files/thresholds.yaml" | fromYaml -}}
{{- $alerts := list -}}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups -}}
{{- range .rules }}{{ with .alert }}{{ $alerts = append $alerts . }}{{ end }}{{ end -}}
{{- end -}}
{{- range $alert := $values.prometheusRule.disabled -}}
{{- if not (has $alert $alerts) -}}
{{- $says = append $says (printf "prometheusRule.disabled: there is no alert %s; there are %s" $alert (join ", " $alerts)) -}}
{{- else if hasKey $values.prometheusRule.overrides $alert -}}
{{- $says = append $says (printf "prometheusRule.overrides.%s: the alert is disabled; leave one of them out" $alert) -}}
{{- end -}}
{{- end -}}
{{- range $name, $annotation := dict "runbookUrl" "runbook_url" "dashboardUrl" "dashboard_url" -}}
{{- if and (get $values.prometheusRule $name) (hasKey $values.prometheusRule.ruleAnnotations $annotation) -}}
{{- $says = append $says (printf "prometheusRule.ruleAnnotations: prometheusRule.%s sets %s; leave one of them out" $name $annotation) -}}
{{- end -}}
{{- end -}}
{{- if and $values.dashboards.folder (hasKey $values.dashboards.annotations $values.dashboards.folderAnnotation) -}}
{{- $says = append $says (printf "dashboards.annotations: dashboards.folder sets %s; leave one of them out" $values.dashboards.folderAnnotation) -}}
{{- end -}}
{{- range $alert, $change := $values.prometheusRule.overrides -}}
{{- if not (has $alert $alerts) -}}
{{- $says = append $says (printf "prometheusRule.overrides: there is no alert %s; there are %s" $alert (join ", " $alerts)) -}}
{{- else if and (hasKey $change "threshold") (not (hasKey $thresholds $alert)) -}}
{{- $says = append $says (printf "prometheusRule.overrides.%s.threshold: this alert has none; those that have one are %s" $alert (keys $thresholds | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}

{{- if $says }}{{ fail (print "\n" (join "\n" $says)) }}{{ end -}}
{{- end -}}
