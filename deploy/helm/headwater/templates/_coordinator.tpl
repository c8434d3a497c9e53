{{/* Scheme of the public ports. */}}
{{- define "headwater.callersTls" -}}
{{- if ne .Values.tls.callers.mode "none" -}}true{{- end -}}
{{- end -}}

{{/* The config file of Ray Serve. */}}
{{- define "headwater.serveConfig" -}}
{{- $values := .Values.coordinator -}}
{{- $args := dict "cluster_file" "/etc/headwater/cluster/cluster.yaml" "num_replicas" $values.maxReplicas "metrics_listen" "0.0.0.0:9464" "metrics_ports" 1 "insecure_public_metrics" true -}}
{{- if ne .Values.tls.shards.mode "none" -}}
{{- $_ := set $args "shard_tls_ca" "/etc/headwater/shard-tls/ca.crt" -}}
{{- $_ := set $args "shard_tls_cert" "/etc/headwater/shard-tls/tls.crt" -}}
{{- $_ := set $args "shard_tls_key" "/etc/headwater/shard-tls/tls.key" -}}
{{- end -}}
{{- with .Values.keys.existingSecret -}}
{{- $_ := set $args "keys_file" "/etc/headwater/keys/keys.yaml" -}}
{{- else -}}
{{- $_ := set $args "insecure_public" true -}}
{{- end -}}
{{- with .Values.sharedState.existingClaim -}}
{{- $_ := set $args "takedown_file" "/srv/shared/takedowns.json" -}}
{{- $_ := set $args "audit_log" "/srv/shared/audit.log" -}}
{{- end -}}
proxy_location: EveryNode
http_options: {host: 0.0.0.0, port: 8000}
grpc_options:
  port: 9000
  grpc_servicer_functions:
    - coordinator.app.add_coordinator_to_server
    - grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server
applications:
  - name: headwater
    route_prefix: /
    import_path: coordinator.app:build
    args:
      {{- toYaml (merge $args $values.settings) | nindent 6 }}
    deployments:
      - name: coordinator
        # As many as `autoscaling_config` says; `num_replicas` of `args` only divides limits among them.
        num_replicas: auto
        max_replicas_per_node: 1
        ray_actor_options: {num_cpus: 1}
        # A replica that is taken away ends what it has begun, however long that may take.
        graceful_shutdown_timeout_s: {{ add 10 (div ($values.settings.max_timeout_ms | default 120000 | int) 1000) }}
        autoscaling_config:
          min_replicas: {{ $values.minReplicas }}
          max_replicas: {{ $values.maxReplicas }}
          target_ongoing_requests: {{ $values.targetOngoingRequests }}
          upscale_delay_s: {{ $values.upscaleDelaySeconds }}
          downscale_delay_s: {{ $values.downscaleDelaySeconds }}
{{- end -}}

{{/* What Ray and its HAProxy are told, in all pods alike; coordinator/__main__.py says why. */}}
{{- define "headwater.rayEnv" -}}
- {name: HOME, value: /tmp}
- {name: RAY_SERVE_ENABLE_HA_PROXY, value: "1"}
- {name: RAY_SERVE_THROUGHPUT_OPTIMIZED, value: "1"}
- {name: RAY_SERVE_HAPROXY_METRICS_ENABLED, value: "0"}
- {name: RAY_SERVE_HAPROXY_H2_BE_INITIAL_WINDOW_SIZE, value: "1048576"}
- {name: RAY_SERVE_HAPROXY_TUNE_BUFSIZE, value: "131072"}
- {name: RAY_SERVE_HAPROXY_RETRY_ON, value: conn-failure empty-response}
- {name: RAY_SERVE_HAPROXY_RETRIES, value: "3"}
- {name: RAY_SERVE_HAPROXY_H2_FE_MAX_CONCURRENT_STREAMS, value: "1000"}
- {name: RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S, value: "60"}
- {name: RAY_SERVE_GRPC_MAX_MESSAGE_SIZE, value: "67108864"}
- {name: RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S, value: "60"}
- {name: RAY_worker_niceness, value: "0"}
- {name: MALLOC_MMAP_THRESHOLD_, value: "65536"}
- {name: MALLOC_ARENA_MAX, value: "2"}
- {name: RAY_SERVE_HAPROXY_BINARY_PATH, value: /run/headwater/haproxy}
- {name: RAY_SERVE_HAPROXY_CONFIG_FILE_LOC, value: /run/headwater/h/haproxy.cfg}
- {name: RAY_SERVE_HAPROXY_SOCKET_PATH, value: /run/headwater/h/admin.sock}
- {name: RAY_SERVE_HAPROXY_SERVER_STATE_BASE, value: /run/headwater/h}
- {name: RAY_SERVE_HAPROXY_SERVER_STATE_FILE, value: /run/headwater/h/server-state}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
- {name: RAY_raylet_start_wait_time_s, value: "60"}
# The log of the coordinators is that of the pod, line by line; else Serve collects a thousand lines for a file of its own.
- {name: RAY_LOG_TO_STDERR, value: "1"}
- {name: RAY_SERVE_LOG_TO_STDERR, value: "1"}
{{- end -}}

{{/* Containers that bring what Ray's needs. Takes (list root "with indexes" or ""). */}}
{{- define "headwater.rayInit" -}}
{{- $root := index . 0 -}}
{{- $image := include "headwater.image" (list $root "coordinator") -}}
{{- $front := list "python" "-m" "coordinator.local.front" "--folder" "/run/headwater" -}}
{{- if include "headwater.callersTls" $root -}}
{{- $front = concat $front (list "--tls-cert" "/etc/headwater/tls/tls.crt" "--tls-key" "/etc/headwater/tls/tls.key") -}}
{{- if $root.Values.tls.callers.clientCertificates -}}
{{- $front = concat $front (list "--tls-client-ca" "/etc/headwater/tls/ca.crt") -}}
{{- end -}}
{{- end -}}
# What HAProxy is started by: with rules of Headwater's, and TLS.
- name: front
  image: {{ $image }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command: {{ $front | toJson }}
  {{- include "headwater.containerSecurity" $root | nindent 2 }}
  resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
  volumeMounts: {{- include "headwater.frontMounts" $root | nindent 4 }}
{{- if include "headwater.callersTls" $root }}
# Tells HAProxy of changed certificates.
- name: front-watch
  image: {{ $image }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  restartPolicy: Always
  command: {{ append $front "--watch" | toJson }}
  {{- include "headwater.containerSecurity" $root | nindent 2 }}
  resources: {requests: {cpu: 10m, memory: 128Mi}, limits: {memory: 256Mi}}
  volumeMounts: {{- include "headwater.frontMounts" $root | nindent 4 }}
{{- end }}
{{- if index . 1 }}
{{- range $name := list "indexes" "indexes-watch" }}
# Brings manifests and tokenizers, of generations that come later too.
- name: {{ $name }}
  image: {{ $image }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  {{- if eq $name "indexes-watch" }}
  restartPolicy: Always
  {{- end }}
  command: [/bin/sh, -c]
  args:
    - |
      bring() {
        while read -r folder url state; do
          [ -e "$folder/index.json" ] && continue
          mkdir -p "$folder"
          headwater index pull --no-shards -- "$url" "$folder" || [ "$state" = waiting ] || return 1
        done < /etc/headwater/cluster/indexes
      }
      {{- if eq $name "indexes" }}
      bring
      {{- else }}
      # The first process of a container obeys only signals that it has a trap for, and a trap waits for no child but one
      # that runs beside it.
      trap 'exit 0' TERM
      while :; do { sleep 10; bring; } & wait $!; done
      {{- end }}
  env:
    - {name: HOME, value: /tmp}
    {{- include "headwater.storageEnv" $root | nindent 4 }}
  {{- include "headwater.storageEnvFrom" $root | nindent 2 }}
  {{- include "headwater.containerSecurity" $root | nindent 2 }}
  resources: {requests: {cpu: 10m, memory: 256Mi}, limits: {memory: 512Mi}}
  volumeMounts:
    - {name: indexes, mountPath: /srv/indexes}
    - {name: cluster, mountPath: /etc/headwater/cluster, readOnly: true}
    - {name: tmp, mountPath: /tmp}
    {{- include "headwater.sourceMount" $root | nindent 4 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "headwater.frontMounts" -}}
- {name: front, mountPath: /run/headwater}
{{- if include "headwater.callersTls" . }}
- {name: callers-tls, mountPath: /etc/headwater/tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* Volumes of Ray's pods, head or worker. */}}
{{- define "headwater.rayVolumes" -}}
- name: front
  emptyDir: {sizeLimit: 64Mi}
- name: tmp
  emptyDir: {sizeLimit: 4Gi}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: 256Mi}
{{- if include "headwater.callersTls" . }}
- name: callers-tls
  secret: {secretName: {{ .Values.tls.callers.secret }}, defaultMode: 0440}
{{- end }}
{{- end -}}
