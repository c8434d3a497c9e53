{{/* What all pods have in common: no root, no new privileges, no Kubernetes API, no variables of Services. */}}
{{- define "headwater.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "headwater.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Variables by which object storage is reached. */}}
{{- define "headwater.storageEnv" -}}
{{- range $name, $value := .Values.objectStorage.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "headwater.storageEnvFrom" -}}
{{- with .Values.objectStorage.existingSecret }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end -}}

{{/* Where pods go, of a part of the values. */}}
{{- define "headwater.placing" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Which server a pod is, and the folder of its volume that is its own. */}}
{{- define "headwater.serverEnv" -}}
- name: SERVER
  valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
- name: FOLDER
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end -}}

{{/* Volumes from which indexes are brought, where storage is one, and of files that open it. */}}
{{- define "headwater.sourceMount" -}}
{{- if .Values.objectStorage.filesSecret }}
- {name: storage, mountPath: /etc/headwater/storage, readOnly: true}
{{- end }}
{{- if .Values.sourceVolume }}
- {name: source, mountPath: /srv/source, readOnly: true}
{{- end }}
{{- end -}}

{{- define "headwater.sourceVolume" -}}
{{- with .Values.objectStorage.filesSecret }}
- name: storage
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.sourceVolume }}
- name: source
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
