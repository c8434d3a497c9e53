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
{{- end -}}
