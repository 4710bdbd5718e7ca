{{/* A probe. Takes a dict: root, probe (the values) and path, which is requested unless the values have another handler.
     Fields of httpGet that the values lack are added, so that they can replace the path alone. */}}
{{- define "k6-cloud-exporter.buildProbe" -}}
{{- $probe := deepCopy .probe -}}
{{- if not (or $probe.exec $probe.tcpSocket $probe.grpc) -}}
{{- $scheme := include "k6-cloud-exporter.scheme" .root | upper -}}
{{- $default := dict "path" .path "port" "metrics" "scheme" $scheme -}}
{{- $_ := set $probe "httpGet" (merge ($probe.httpGet | default dict) $default) -}}
{{- end -}}
{{- toYaml $probe -}}
{{- end -}}
