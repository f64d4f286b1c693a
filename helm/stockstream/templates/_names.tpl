{{/* Names and labels. A component's context is (dict "root" $ "component" "worker" "values" .Values.worker). */}}

{{- define "stockstream.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "stockstream.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := include "stockstream.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "stockstream.componentName" -}}
{{- printf "%s-%s" (include "stockstream.fullname" .root) .component }}
{{- end }}

{{/* What selects the pods of a release, of one component where the context names one. */}}
{{- define "stockstream.releaseSelector" -}}
app.kubernetes.io/name: {{ include "stockstream.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "stockstream.selector" -}}
{{ include "stockstream.releaseSelector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* No version among a pod's labels: an upgrade that changes nothing of a pod must not restart it. */}}
{{- define "stockstream.podLabels" -}}
{{ include "stockstream.selector" . }}
app.kubernetes.io/part-of: stockstream
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "stockstream.labels" -}}
{{ include "stockstream.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* metadata of an object of a component: name, namespace, labels, annotations. */}}
{{- define "stockstream.metadata" -}}
name: {{ .name | default (include "stockstream.componentName" .) }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "stockstream.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "stockstream.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "stockstream.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "stockstream.image" -}}
{{- $image := .Values.image }}
{{- $repository := required "image.repository: the registry and name you pushed the image to, for example registry.example.com/stockstream; nobody publishes it for you" $image.repository }}
{{- $name := printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) }}
{{- if $image.digest }}{{ printf "%s@%s" $name $image.digest }}{{ else }}{{ $name }}{{ end }}
{{- end }}

{{/* The components that are deployed, by name: what the chart's loops go through. */}}
{{- define "stockstream.components" -}}
{{- $all := dict "worker" .Values.worker }}
{{- if .Values.api.enabled }}{{ $_ := set $all "api" .Values.api }}{{ end }}
{{- if .Values.redisView.enabled }}{{ $_ := set $all "redis-view" .Values.redisView }}{{ end }}
{{- if .Values.erp.enabled }}{{ $_ := set $all "erp" .Values.erp }}{{ end }}
{{- if .Values.webhooks.enabled }}{{ $_ := set $all "webhooks" .Values.webhooks }}{{ end }}
{{- if .Values.shop.enabled }}{{ $_ := set $all "shop" .Values.shop }}{{ end }}
{{- toYaml $all }}
{{- end }}

{{/* A document as given: YAML text (--set-file keeps its comments) or a mapping, whose whole numbers stay whole. */}}
{{- define "stockstream.document" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{/* A setting as text; a whole number from a values file is a float to the template. */}}
{{- define "stockstream.text" -}}
{{- if kindIs "float64" . }}{{ printf "%.0f" . }}{{ else }}{{ toString . }}{{ end }}
{{- end }}
