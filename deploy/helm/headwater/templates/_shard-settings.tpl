{{/* The settings file of one shard server. A NetworkPolicy keeps metrics and probes to Prometheus and the kubelet. Takes
     (list root generation ordinal). */}}
{{- define "headwater.shardSettings" -}}
{{- $values := (index . 0).Values -}}
{{- $settings := dict "listen" "0.0.0.0:7001" "insecure_public_metrics" true -}}
{{- if eq $values.tls.shards.mode "none" -}}
{{- $_ := set $settings "insecure_public" true -}}
{{- else -}}
{{- $_ := set $settings "tls_cert" "/etc/headwater/tls/tls.crt" -}}
{{- $_ := set $settings "tls_key" "/etc/headwater/tls/tls.key" -}}
{{- $_ := set $settings "tls_client_ca" "/etc/headwater/tls/ca.crt" -}}
{{- end -}}
{{- $_ := set $settings "shards" (include "headwater.shardsOf" (list (index . 1) (index . 2)) | fromJsonArray) -}}
{{- toYaml (merge $settings $values.shardServers.settings) -}}
{{- end -}}

{{/* The shards of one server as a JSON array. Takes (list generation ordinal). */}}
{{- define "headwater.shardsOf" -}}
{{- $generation := index . 0 -}}
{{- $first := mul (int (index . 1)) (int $generation.shardsPerServer) -}}
{{- $end := min (int $generation.shards) (add $first (int $generation.shardsPerServer)) -}}
{{- $shards := list -}}
{{- range $shard := untilStep (int $first) (int $end) 1 -}}{{- $shards = append $shards $shard -}}{{- end -}}
{{- $shards | toJson -}}
{{- end -}}

{{/* Time that a shard server has from SIGTERM to its end, in seconds: its notice, its drain, and some to close. */}}
{{- define "headwater.shardStopSeconds" -}}
{{- $settings := .Values.shardServers.settings -}}
{{- $notice := ternary $settings.drain_notice_s 2.0 (hasKey $settings "drain_notice_s") -}}
{{- $drain := ternary $settings.drain_s 10.0 (hasKey $settings "drain_s") -}}
{{- add (ceil $notice) (ceil $drain) 8 -}}
{{- end -}}
