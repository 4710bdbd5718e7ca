{{/* Fails with one sentence for each error that the JSON schema cannot find: values that contradict each other, would be
     ignored, or cannot work. All errors are reported at once. */}}
{{- define "k6-cloud-exporter.validateValues" -}}
{{- $errors := list -}}
{{- $values := .Values -}}
{{- $defaults := .Defaults -}}
{{- $api := $values.config.api | default dict -}}
{{- $web := $values.config.web | default dict -}}

{{- range $name, $own := .Files.Get "files/other-charts.yaml" | fromYaml -}}
{{- $place := $values -}}
{{- range splitList "." $name }}{{ $place = index $place . }}{{ end -}}
{{- if not (kindIs "invalid" $place) -}}
{{- $errors = append $errors (printf "%s: known from other charts; use %s" $name $own) -}}
{{- end -}}
{{- end -}}

{{- if eq (get $values "enabled" | toString) "false" -}}
{{- $errors = append $errors "enabled: only for the condition of a dependency in a parent chart; to stop the exporter, set replicas to 0" -}}
{{- end -}}

{{- /* A number of which YAML has dropped digits, such as 1.10, or which it has read as one with an exponent. */ -}}
{{- if kindIs "float64" $values.image.tag -}}
{{- if or (ne $values.image.tag (floor $values.image.tag)) (gt $values.image.tag 9007199254740991.0) -}}
{{- $errors = append $errors (printf "image.tag: %v is a number, and YAML may have changed its digits; quote the tag" $values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* The token. */ -}}
{{- $tokens := list -}}
{{- range $name, $value := dict "k6.existingSecret.name" $values.k6.existingSecret.name "k6.apiToken" $values.k6.apiToken "config.api.token_file" $api.token_file -}}
{{- if $value }}{{ $tokens = append $tokens $name }}{{ end -}}
{{- end -}}
{{- if empty $tokens -}}
{{- $errors = append $errors (printf "k6.existingSecret.name: required; set it to the name of a Secret that has an API token of Grafana Cloud k6 under the key %s. Less secure: set k6.apiToken" $values.k6.existingSecret.key) -}}
{{- else if gt (len $tokens) 1 -}}
{{- $errors = append $errors (printf "%s: both set the token; remove one of them" (join " and " (sortAlpha $tokens))) -}}
{{- else if and $api.token_file (ne $values.k6.existingSecret.key $defaults.k6.existingSecret.key) -}}
{{- $errors = append $errors "k6.existingSecret.key: not used, since config.api.token_file is set; remove one of them" -}}
{{- end -}}

{{- /* Settings that the chart sets. */ -}}
{{- if hasKey $web "listen_address" -}}
{{- $errors = append $errors "config.web.listen_address: set by the chart; use containerPort" -}}
{{- end -}}
{{- if hasKey $web "config_file" -}}
{{- $errors = append $errors "config.web.config_file: set by the chart; use webConfig.existingSecret.name or webConfig.content" -}}
{{- end -}}
{{- if hasKey $values.config "sharding" -}}
{{- $errors = append $errors "config.sharding: set by the chart; use sharding.total" -}}
{{- end -}}

{{- /* Variables and flags that take precedence over the configuration file. */ -}}
{{- range $values.extraEnv -}}
{{- if eq .name "K6_CLOUD_TOKEN" -}}
{{- $errors = append $errors "extraEnv: K6_CLOUD_TOKEN takes precedence over the mounted token, and changing it requires a restart; remove K6_CLOUD_TOKEN from extraEnv and use k6.existingSecret" -}}
{{- else if and (eq .name "K6_CLOUD_STACK_ID") $api.stack -}}
{{- $errors = append $errors "extraEnv: K6_CLOUD_STACK_ID and config.api.stack both set the stack; remove one of them" -}}
{{- else if hasPrefix "K6_CLOUD_EXPORTER_" .name -}}
{{- $errors = append $errors (printf "extraEnv: %s is a setting; set it under config, where the schema validates it" .name) -}}
{{- end -}}
{{- end -}}
{{- range $values.extraArgs -}}
{{- $flag := first (splitList "=" .) -}}
{{- $setting := trimPrefix "--" $flag | replace "-" "_" -}}
{{- $section := get $values.config (first (splitList "." $setting)) -}}
{{- if or (hasPrefix "--config." $flag) (hasPrefix "--web." $flag) (has $flag (list "--shard" "--total-shards")) -}}
{{- $errors = append $errors (printf "extraArgs: %s is set by the chart; use config, containerPort, webConfig or sharding.total" $flag) -}}
{{- else if and (has $flag (list "--test" "--project")) $values.config.tests -}}
{{- $errors = append $errors (printf "extraArgs: %s takes precedence over config.tests; remove one of them" $flag) -}}
{{- else if and (hasPrefix "--" $flag) (kindIs "map" $section) (hasKey $section (last (splitList "." $setting))) -}}
{{- $errors = append $errors (printf "extraArgs: %s takes precedence over config.%s; remove one of them" $flag $setting) -}}
{{- end -}}
{{- end -}}

{{- /* The web config. */ -}}
{{- $tls := dig "tls_server_config" dict $values.webConfig.content -}}
{{- if and $values.webConfig.existingSecret.name $values.webConfig.content -}}
{{- $errors = append $errors "webConfig.existingSecret.name and webConfig.content: both set the web config; remove one of them" -}}
{{- else if and $values.webConfig.existingSecret.name (not $values.webConfig.scheme) -}}
{{- $errors = append $errors "webConfig.scheme: required, since the chart cannot read the Secret; set https if its web config enables TLS, otherwise http" -}}
{{- else if and $values.webConfig.content $values.webConfig.scheme (ne $values.webConfig.scheme ($tls | empty | ternary "http" "https")) -}}
{{- $errors = append $errors (printf "webConfig.scheme: %s contradicts webConfig.content, which %s TLS; remove webConfig.scheme" $values.webConfig.scheme ($tls | empty | ternary "does not enable" "enables")) -}}
{{- else if and $values.webConfig.scheme (not (include "k6-cloud-exporter.webSecret" .)) -}}
{{- $errors = append $errors "webConfig.scheme: not used without a web config; set webConfig.existingSecret.name or webConfig.content" -}}
{{- end -}}
{{- if and $values.webConfig.tlsSecret (not (include "k6-cloud-exporter.webSecret" .)) -}}
{{- $errors = append $errors "webConfig.tlsSecret: not used without a web config; set webConfig.existingSecret.name or webConfig.content" -}}
{{- end -}}

{{- if and (not $values.webConfig.existingSecret.name) (ne $values.webConfig.existingSecret.key $defaults.webConfig.existingSecret.key) -}}
{{- $errors = append $errors "webConfig.existingSecret.key: not used without webConfig.existingSecret.name; set both" -}}
{{- end -}}

{{- /* Values that would be ignored, and objects that would not work. */ -}}
{{- if and (not $values.dashboards.folder) (ne $values.dashboards.folderAnnotation $defaults.dashboards.folderAnnotation) -}}
{{- $errors = append $errors "dashboards.folderAnnotation: not used without dashboards.folder; set both" -}}
{{- end -}}
{{- if and $values.serviceAccount.annotations (not $values.serviceAccount.create) -}}
{{- $errors = append $errors "serviceAccount.annotations: not used, since serviceAccount.create is false; set it to true, or remove the annotations" -}}
{{- end -}}
{{- if and (gt (int $values.sharding.total) 1) (ne $values.service.type "ClusterIP") -}}
{{- $errors = append $errors (printf "service.type: %s would route each request to a random shard; use ClusterIP and scrape each pod" $values.service.type) -}}
{{- end -}}
{{- $sharded := gt (int $values.sharding.total) 1 -}}
{{- if and $sharded $values.strategy (ne (toJson $values.strategy) (toJson $defaults.strategy)) -}}
{{- $errors = append $errors "strategy: not used with shards, which are a StatefulSet; use updateStrategy" -}}
{{- end -}}
{{- if and $values.podDisruptionBudget.enabled (not $sharded) -}}
{{- $errors = append $errors "podDisruptionBudget.enabled: for a single pod, it would block node drains or do nothing; set it to false, or set sharding.total" -}}
{{- end -}}
{{- $webhook := $web.webhook_secret_file -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- $errors = append $errors "ingress.hosts: required, so that the Ingress does not match every host; add a host" -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- $errors = append $errors "httpRoute.parentRefs: required, since a route without a Gateway has no effect; add the Gateway" -}}
{{- end -}}
{{- range $host := $values.ingress.enabled | ternary $values.ingress.hosts list -}}
{{- if not (or $host.paths $webhook) -}}
{{- $errors = append $errors (printf "ingress.hosts: without paths, %s publishes the webhook, which does not exist without config.web.webhook_secret_file; set that file, or paths" $host.host) -}}
{{- end -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not (or $values.httpRoute.rules $webhook)) -}}
{{- $errors = append $errors "httpRoute.rules: without rules, the route publishes the webhook, which does not exist without config.web.webhook_secret_file; set that file, or rules" -}}
{{- end -}}
{{- range $name, $section := dict "ingress" $values.ingress "httpRoute" $values.httpRoute -}}
{{- if and $sharded $section.enabled -}}
{{- $errors = append $errors (printf "%s.enabled: would route each request to a random shard; set it to false" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $values.service.nodePort (eq $values.service.type "ClusterIP") -}}
{{- $errors = append $errors "service.nodePort: not used with service.type ClusterIP; set NodePort or LoadBalancer" -}}
{{- end -}}
{{- if and $values.service.loadBalancerClass (ne $values.service.type "LoadBalancer") -}}
{{- $errors = append $errors (printf "service.loadBalancerClass: not used with service.type %s; set LoadBalancer" $values.service.type) -}}
{{- end -}}
{{- range $name, $monitor := dict "serviceMonitor" $values.serviceMonitor "podMonitor" $values.podMonitor -}}
{{- if and $monitor.basicAuth $monitor.authorization -}}
{{- $errors = append $errors (printf "%s.basicAuth and %s.authorization: both set the header Authorization; remove one of them" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and $values.updateStrategy (not $sharded) -}}
{{- $errors = append $errors "updateStrategy: not used without shards; use strategy" -}}
{{- end -}}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled -}}
{{- $errors = append $errors "serviceMonitor.enabled and podMonitor.enabled: both would scrape the same pods; disable one of them" -}}
{{- end -}}
{{- range $name, $monitor := dict "serviceMonitor" $values.serviceMonitor "podMonitor" $values.podMonitor -}}
{{- $hasBoth := and $monitor.enabled $monitor.interval $monitor.scrapeTimeout -}}
{{- if and $hasBoth (gt (include "k6-cloud-exporter.parseMilliseconds" $monitor.scrapeTimeout | int64) (include "k6-cloud-exporter.parseMilliseconds" $monitor.interval | int64)) -}}
{{- $errors = append $errors (printf "%s.scrapeTimeout: %s is longer than the interval %s, and the Prometheus operator would reject the monitor; lower it, or raise %s.interval" $name $monitor.scrapeTimeout $monitor.interval $name) -}}
{{- end -}}
{{- end -}}
{{- $chartLabels := include "k6-cloud-exporter.labels" . | fromYaml -}}
{{- $userLabels := dict "commonLabels" $values.commonLabels "podLabels" $values.podLabels "helmTest.labels" $values.helmTest.labels "service.labels" $values.service.labels "ingress.labels" $values.ingress.labels "httpRoute.labels" $values.httpRoute.labels "serviceMonitor.labels" $values.serviceMonitor.labels "podMonitor.labels" $values.podMonitor.labels "prometheusRule.labels" $values.prometheusRule.labels "dashboards.label" (dict $values.dashboards.label "") -}}
{{- range $name, $labels := $userLabels -}}
{{- range $label, $_ := $labels -}}
{{- if hasKey $chartLabels $label -}}
{{- $errors = append $errors (printf "%s: the label %s is set by the chart; remove it, or use nameOverride" $name $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $annotation := list "checksum/config" "checksum/token" "checksum/web-config" -}}
{{- if hasKey $values.podAnnotations $annotation -}}
{{- $errors = append $errors (printf "podAnnotations: the annotation %s is set by the chart; remove it" $annotation) -}}
{{- end -}}
{{- end -}}
{{- range $annotation := list "helm.sh/hook" "helm.sh/hook-delete-policy" -}}
{{- if hasKey $values.helmTest.annotations $annotation -}}
{{- $errors = append $errors (printf "helmTest.annotations: the annotation %s is set by the chart; remove it, or use helmTest.deletePolicy" $annotation) -}}
{{- end -}}
{{- end -}}
{{- $serviceLabels := merge (deepCopy $chartLabels) $values.service.labels $values.commonLabels -}}
{{- if and $values.serviceMonitor.enabled $values.serviceMonitor.jobLabel (not (hasKey $serviceLabels $values.serviceMonitor.jobLabel)) -}}
{{- $errors = append $errors (printf "serviceMonitor.jobLabel: the Service has no label %s; set the name of a label, not the job" $values.serviceMonitor.jobLabel) -}}
{{- end -}}
{{- $podLabels := include "k6-cloud-exporter.podLabels" . | fromYaml -}}
{{- if and $values.podMonitor.enabled $values.podMonitor.jobLabel (not (hasKey $podLabels $values.podMonitor.jobLabel)) -}}
{{- $errors = append $errors (printf "podMonitor.jobLabel: the pods have no label %s; set the name of a label, not the job" $values.podMonitor.jobLabel) -}}
{{- end -}}

{{- /* The alerts. */ -}}
{{- $thresholds := .Files.Get "files/thresholds.yaml" | fromYaml -}}
{{- $alerts := list -}}
{{- if or $values.prometheusRule.disabled $values.prometheusRule.overrides -}}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups -}}
{{- range .rules }}{{ with .alert }}{{ $alerts = append $alerts . }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $alert := $values.prometheusRule.disabled -}}
{{- if not (has $alert $alerts) -}}
{{- $errors = append $errors (printf "prometheusRule.disabled: unknown alert %s; known alerts: %s" $alert (join ", " $alerts)) -}}
{{- else if hasKey $values.prometheusRule.overrides $alert -}}
{{- $errors = append $errors (printf "prometheusRule.overrides.%s: the alert is in prometheusRule.disabled; remove one of them" $alert) -}}
{{- end -}}
{{- end -}}
{{- range $name, $annotation := dict "runbookUrl" "runbook_url" "grafanaUrl" "dashboard_url" -}}
{{- if and (get $values.prometheusRule $name) (hasKey $values.prometheusRule.ruleAnnotations $annotation) -}}
{{- $errors = append $errors (printf "prometheusRule.ruleAnnotations: prometheusRule.%s also sets %s; remove one of them" $name $annotation) -}}
{{- end -}}
{{- end -}}
{{- if and $values.dashboards.folder (hasKey $values.dashboards.annotations $values.dashboards.folderAnnotation) -}}
{{- $errors = append $errors (printf "dashboards.annotations: dashboards.folder also sets %s; remove one of them" $values.dashboards.folderAnnotation) -}}
{{- end -}}
{{- range $alert, $change := $values.prometheusRule.overrides -}}
{{- if not (has $alert $alerts) -}}
{{- $errors = append $errors (printf "prometheusRule.overrides: unknown alert %s; known alerts: %s" $alert (join ", " $alerts)) -}}
{{- else if and (hasKey $change "threshold") (not (hasKey $thresholds $alert)) -}}
{{- $errors = append $errors (printf "prometheusRule.overrides.%s.threshold: the alert has no threshold; alerts with a threshold: %s" $alert (keys $thresholds | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}

{{- if $errors }}{{ fail (print "\n" (join "\n" $errors)) }}{{ end -}}
{{- end -}}
