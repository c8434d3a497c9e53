{{/* What the schema cannot say of the values: ends the rendering with what was found, and what was expected. */}}
{{- define "headwater.checks" -}}
{{- $corpora := list -}}
{{- $served := false -}}
{{- range $corpus := .Values.corpora -}}
{{- if has $corpus.name $corpora -}}
{{- fail (printf "corpora: %s stands there twice, expected each name once; give it another generation instead" $corpus.name) -}}
{{- end -}}
{{- $corpora = append $corpora $corpus.name -}}
{{- $generations := list -}}
{{- range $generation := $corpus.generations -}}
{{- if has $generation.name $generations -}}
{{- fail (printf "corpus %s: generation %s stands there twice, expected each name once" $corpus.name $generation.name) -}}
{{- end -}}
{{- $generations = append $generations $generation.name -}}
{{- end -}}
{{- if $corpus.active -}}
{{- $served = true -}}
{{- if not (has $corpus.active $generations) -}}
{{- fail (printf "corpus %s: active is %s, expected one of its generations: %s" $corpus.name $corpus.active (join ", " $generations)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $served -}}
{{- fail "corpora: none has an active generation, expected at least one that coordinators can serve" -}}
{{- end -}}
{{- if gt (int .Values.coordinator.minReplicas) (int .Values.coordinator.maxReplicas) -}}
{{- fail (printf "coordinator: minReplicas is %d, expected at most maxReplicas, which is %d" (int .Values.coordinator.minReplicas) (int .Values.coordinator.maxReplicas)) -}}
{{- end -}}
{{- $toEnd := add 20 (div (.Values.coordinator.settings.max_timeout_ms | default 120000 | int) 1000) -}}
{{- if lt (int .Values.coordinator.terminationGracePeriodSeconds) (int $toEnd) -}}
{{- fail (printf "coordinator: terminationGracePeriodSeconds is %d, expected at least %d: a request may take max_timeout_ms, and stopping 20 s more" (int .Values.coordinator.terminationGracePeriodSeconds) (int $toEnd)) -}}
{{- end -}}
{{- end -}}
