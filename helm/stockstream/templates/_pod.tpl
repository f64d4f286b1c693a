{{/* The pod of a component: what all of them share. "command" are its arguments, "env" its own variables as YAML. */}}

{{- define "stockstream.env" -}}
- name: STOCKSTREAM_APP
  value: {{ .root.Values.app | quote }}
- name: STOCKSTREAM_CHANNELS
  value: /etc/stockstream/channels/{{ .root.Values.channels.key }}
- name: STOCKSTREAM_DATA_DIR
  value: /var/lib/stockstream
{{ include "stockstream.accessEnv" . | trim }}
{{- with .root.Values.tracing }}
{{- if .endpoint }}
- name: STOCKSTREAM_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: STOCKSTREAM_OTLP_RATIO
  value: {{ .ratio | quote }}
{{- end }}
{{- end }}
{{- with .env }}
{{ . }}
{{- end }}
{{- $settings := mergeOverwrite (deepCopy .root.Values.settings) (.values.settings | default dict) }}
{{- range $name, $value := $settings }}
- name: {{ $name }}
  value: {{ include "stockstream.text" $value | quote }}
{{- end }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "stockstream.podAnnotations" -}}
{{- $all := dict }}
{{- $files := dict "channels" .root.Values.channels.document }}
{{- if eq .component "webhooks" }}{{ $_ := set $files "subscriptions" .values.subscriptions.document }}{{ end }}
{{- if eq .component "erp" }}{{ $_ := set $files "erp-routing" .values.routing.document }}{{ end }}
{{- range $name, $document := $files }}
{{- if $document }}{{ $_ := set $all (printf "checksum/%s" $name) (include "stockstream.document" $document | sha256sum) }}{{ end }}
{{- end }}
{{- $all = merge $all (.values.podAnnotations | default dict) (.root.Values.podAnnotations | default dict) (.root.Values.commonAnnotations | default dict) }}
{{- with $all }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* A container; "name", "program" (else stockstream), "command", "ports" and "probes" (both YAML, may be empty) in the context. */}}
{{- define "stockstream.container" -}}
- name: {{ .name | default .component }}
  image: {{ include "stockstream.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: {{ .program | default (list "stockstream") | toJson }}
  args: {{ toJson .command }}
  env:
    {{- include "stockstream.env" . | nindent 4 }}
  {{- with .values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .ports }}
  ports:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .probes }}
  {{- . | nindent 2 }}
  {{- end }}
  resources:
    {{- toYaml .values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .root.Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: data
      mountPath: /var/lib/stockstream
    - name: tmp
      mountPath: /tmp
    {{- if include "stockstream.keepsFiles" . }}
    - name: erp-files
      mountPath: /var/lib/stockstream/erp
    {{- end }}
    {{- range $name, $_ := include "stockstream.declarations" . | fromJson }}
    - name: {{ $name }}
      mountPath: /etc/stockstream/{{ $name }}
      readOnly: true
    {{- end }}
    {{- range $name, $_ := include "stockstream.secrets" . | fromJson }}
    - name: secret-{{ $name }}
      mountPath: /etc/stockstream/secrets/{{ $name }}
      readOnly: true
    {{- end }}
    {{- with .values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Whether a component's files outlive its pod: only posting files do, whose copies and marks stand nowhere else. */}}
{{- define "stockstream.keepsFiles" -}}
{{- if and (eq .component "erp") .values.persistence.enabled }}true{{ end }}
{{- end }}

{{- define "stockstream.volumes" -}}
{{- if include "stockstream.keepsFiles" . }}
- name: erp-files
  persistentVolumeClaim:
    claimName: {{ .values.persistence.existingClaim | default (printf "%s-files" (include "stockstream.componentName" .)) }}
{{- end }}
- name: data
  emptyDir:
    sizeLimit: {{ .root.Values.dataDir.sizeLimit }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .root.Values.tmp.sizeLimit }}
{{- range $name, $file := include "stockstream.declarations" . | fromJson }}
- name: {{ $name }}
  configMap:
    name: {{ $file.configMap }}
    items:
      - key: {{ $file.key }}
        path: {{ $file.key }}
{{- end }}
{{- range $name, $mount := include "stockstream.secrets" . | fromJson }}
- name: secret-{{ $name }}
  secret:
    secretName: {{ $mount.secret }}
    defaultMode: 288 # 0440: the pod's group reads it
    {{- with $mount.keys }}
    items:
      {{- range . }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
    {{- end }}
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* spec of a pod without its containers; "serviceAccount" in the context where it is not the release's. */}}
{{- define "stockstream.podSpec" -}}
serviceAccountName: {{ .serviceAccount | default (include "stockstream.serviceAccountName" .root) }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  {{- include "stockstream.volumes" . | nindent 2 }}
{{- end }}

{{- define "stockstream.topologySpread" -}}
{{- $constraints := .values.topologySpreadConstraints | default .root.Values.topologySpreadConstraints }}
{{- $selector := include "stockstream.selector" . | fromYaml }}
{{- range $constraints }}
{{- $one := deepCopy . }}
{{- if not (hasKey $one "labelSelector") }}{{ $_ := set $one "labelSelector" (dict "matchLabels" $selector) }}{{ end }}
- {{ toYaml $one | nindent 2 | trim }}
{{- end }}
{{- end }}

{{- define "stockstream.healthPort" -}}
- name: health
  containerPort: {{ .root.Values.ports.health }}
  protocol: TCP
{{- end }}

{{/* Probes on the health server; "startupPath" says what a start must reach: /readyz waits for recovery. */}}
{{- define "stockstream.probes" -}}
startupProbe:
  httpGet: {path: {{ .startupPath | default "/livez" }}, port: health}
  {{- toYaml .values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /livez, port: health}
  {{- toYaml .values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: health}
  {{- toYaml .values.probes.readiness | nindent 2 }}
{{- end }}

{{/* How many pods there are to be; of an autoscaled component nothing: the number is not the chart's. But an upgrade that
left the field out would have the API server put 1 in its place until the autoscaler acts, so where Helm can see the
cluster, what runs stays. `helm template` sees none and renders the same every time. */}}
{{- define "stockstream.replicas" -}}
{{- if not .autoscaled }}{{ .values.replicas }}
{{- else }}
{{- $live := lookup "apps/v1" "Deployment" .root.Release.Namespace (include "stockstream.componentName" .) }}
{{- with $live }}{{ include "stockstream.text" (dig "spec" "replicas" "" .) }}{{ end }}
{{- end }}
{{- end }}

{{/* A Deployment of a component; "autoscaled" leaves the number to an autoscaler. */}}
{{- define "stockstream.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "stockstream.metadata" . | nindent 2 }}
spec:
  {{- with include "stockstream.replicas" . }}
  replicas: {{ . }}
  {{- end }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: {{ .values.progressDeadlineSeconds }}
  minReadySeconds: {{ .values.minReadySeconds }}
  strategy:
    {{- toYaml .values.strategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "stockstream.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "stockstream.podLabels" . | nindent 8 }}
        {{- with merge (dict) (.values.podLabels | default dict) (.root.Values.podLabels | default dict) }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with include "stockstream.podAnnotations" . }}
      annotations:
        {{- . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "stockstream.podSpec" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
      {{- with include "stockstream.topologySpread" . }}
      topologySpreadConstraints:
        {{- . | trim | nindent 8 }}
      {{- end }}
      containers:
        {{- $ports := include "stockstream.healthPort" . }}
        {{- if .ports }}{{ $ports = printf "%s\n%s" .ports $ports }}{{ end }}
        {{- $probes := include "stockstream.probes" . }}
        {{- if .lifecycle }}{{ $probes = printf "%s\n%s" $probes .lifecycle }}{{ end }}
        {{- $_ := set (set . "ports" $ports) "probes" $probes }}
        {{- include "stockstream.container" . | nindent 8 }}
{{- end }}
