{{/* What a component may speak to. An empty "to" opens the port to every destination; name peers to narrow it. */}}

{{/* The port of a URL, from the URL or its scheme. */}}
{{- define "stockstream.urlPort" -}}
{{- $url := urlParse . }}
{{- if regexMatch ":[0-9]+$" $url.host }}{{ regexFind "[0-9]+$" $url.host }}
{{- else }}{{ get (dict "https" "443" "http" "80" "redis" "6379" "rediss" "6379") $url.scheme | default "443" }}{{ end }}
{{- end }}

{{/* One rule: (dict "to" peers "ports" list of numbers as text). */}}
{{- define "stockstream.egressRule" -}}
- ports:
    {{- range uniq .ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Ports of the ERP systems as a JSON list of text: of the routing where there is one, as the process reads it, else of
erp.url. A system whose files lie in a directory has none. */}}
{{- define "stockstream.erpPorts" -}}
{{- $policy := .root.Values.networkPolicy }}
{{- $routing := .values.routing }}
{{- $ports := list }}
{{- if $routing.existingConfigMap }}
{{- if not (or $policy.erp.extraPorts $policy.extraEgress) }}
{{- fail (printf "networkPolicy.erp.extraPorts: Helm cannot read the ConfigMap %s (erp.routing.existingConfigMap), so name the ports of all its systems, for example [443, 22] (22 for SFTP); without them the connector reaches no ERP" $routing.existingConfigMap) }}
{{- end }}
{{- else if $routing.document }}
{{- $document := include "stockstream.document" $routing.document | fromYaml }}
{{- with get $document "Error" }}{{ fail (printf "erp.routing.document: %s" .) }}{{ end }}
{{- range $name, $system := get $document "systems" | default dict }}
{{- if kindIs "map" $system }}
{{- if eq (get $system "adapter" | default "odata") "csv" }}
{{- with get $system "sftp" }}{{ $ports = append $ports (get . "port" | default 22 | include "stockstream.text") }}{{ end }}
{{- else }}
{{- with get $system "url" }}{{ $ports = append $ports (include "stockstream.urlPort" .) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- else }}
{{- with .values.url }}{{ $ports = append $ports (include "stockstream.urlPort" .) }}{{ end }}
{{- end }}
{{- range $policy.erp.extraPorts }}{{ $ports = append $ports (include "stockstream.text" .) }}{{ end }}
{{- $ports | uniq | toJson }}
{{- end }}

{{- define "stockstream.egress" -}}
{{- $policy := .root.Values.networkPolicy }}
{{- $values := .root.Values }}
- ports: # names are resolved before anything else
    - port: {{ $policy.dns.port }}
      protocol: UDP
    - port: {{ $policy.dns.port }}
      protocol: TCP
  to:
    {{- toYaml $policy.dns.to | nindent 4 }}
{{- $brokers := list }}
{{- range splitList "," $values.kafka.bootstrapServers }}
{{- $brokers = append $brokers (regexFind "[0-9]+$" (trim .)) }}
{{- end }}
{{- range $policy.kafka.extraPorts }}{{ $brokers = append $brokers (include "stockstream.text" .) }}{{ end }}
{{ include "stockstream.egressRule" (dict "to" $policy.kafka.to "ports" (without $brokers "")) }}
{{ include "stockstream.egressRule" (dict "to" $policy.registry.to "ports" (list (include "stockstream.urlPort" $values.registry.url))) }}
{{- if include "stockstream.usesRedis" . }}
{{ include "stockstream.egressRule" (dict "to" $policy.redis.to "ports" (list (include "stockstream.urlPort" $values.redis.url))) }}
{{- end }}
{{- if and (include "stockstream.usesSasl" .root) (eq $values.kafka.sasl.mechanism "OAUTHBEARER") }}
{{ include "stockstream.egressRule" (dict "to" $policy.identityProvider.to "ports" (list (include "stockstream.urlPort" $values.kafka.sasl.tokenUrl))) }}
{{- end }}
{{- $settings := mergeOverwrite (deepCopy $values.settings) (.values.settings | default dict) }}
{{- $keys := get $settings "STOCKSTREAM_API_JWT_JWKS" | default "" }}
{{- if and (eq .component "api") (hasPrefix "http" $keys) }}
{{ include "stockstream.egressRule" (dict "to" $policy.identityProvider.to "ports" (list (include "stockstream.urlPort" $keys))) }}
{{- end }}
{{- if eq .component "erp" }}
{{- with include "stockstream.erpPorts" . | fromJsonArray }}
{{ include "stockstream.egressRule" (dict "to" $policy.erp.to "ports" .) }}
{{- end }}
{{- end }}
{{- if eq .component "shop" }}
{{ include "stockstream.egressRule" (dict "to" $policy.shop.to "ports" (list (include "stockstream.urlPort" .values.url))) }}
{{- end }}
{{- if eq .component "webhooks" }}
{{ include "stockstream.egressRule" (dict "to" $policy.webhooks.to "ports" $policy.webhooks.ports) }}
{{- end }}
{{- if and $values.tracing.endpoint (ne .component "setup") }}
{{ include "stockstream.egressRule" (dict "to" $policy.collector.to "ports" (list (include "stockstream.urlPort" $values.tracing.endpoint))) }}
{{- end }}
{{- with $policy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}
