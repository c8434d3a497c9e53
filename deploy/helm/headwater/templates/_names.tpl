{{/* What the objects of a release are named after. */}}
{{- define "headwater.name" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name -}}
{{- if gt (len $name) 20 -}}
{{- fail (printf "the name %q has %d characters, expected at most 20, as names of pods are made of it; set fullnameOverride" $name (len $name)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* Labels of one part of a release, which select its pods. KubeRay wants app.kubernetes.io/name of Ray's pods for itself.
     Takes (list root component). */}}
{{- define "headwater.selector" -}}
app.kubernetes.io/part-of: headwater
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "headwater.labels" -}}
{{ include "headwater.selector" . }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end -}}

{{/* Takes (list root role). */}}
{{- define "headwater.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.registry }}headwater-{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end -}}

{{/* Takes (list root corpus generation): what its objects are named after, and the Service of its servers. */}}
{{- define "headwater.generation" -}}
{{ include "headwater.name" (index . 0) }}-{{ (index . 1).name }}-{{ (index . 2).name }}
{{- end -}}

{{/* Servers of a replica set. Takes a generation. */}}
{{- define "headwater.numServers" -}}
{{ div (sub (add (int .shards) (int .shardsPerServer)) 1) (int .shardsPerServer) }}
{{- end -}}

{{/* Labels that only servers of one generation of a corpus have. Takes (list root corpus generation). */}}
{{- define "headwater.generationSelector" -}}
{{ include "headwater.selector" (list (index . 0) "shard-server") }}
headwater/corpus: {{ (index . 1).name }}
headwater/generation: {{ (index . 2).name }}
{{- end -}}
