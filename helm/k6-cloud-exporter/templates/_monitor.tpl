{{/* The scrape class and the limits of a ServiceMonitor or PodMonitor. Takes its values. 0 and empty: not set. */}}
{{- define "k6-cloud-exporter.buildLimits" -}}
{{- $set := dict -}}
{{- range $name := list "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" -}}
{{- with index $ $name }}{{ $_ := set $set $name (int64 .) }}{{ end -}}
{{- end -}}
{{- range $name := list "bodySizeLimit" "scrapeClass" -}}
{{- with index $ $name }}{{ $_ := set $set $name . }}{{ end -}}
{{- end -}}
{{- with $set }}{{ toYaml . }}{{ end -}}
{{- end -}}
