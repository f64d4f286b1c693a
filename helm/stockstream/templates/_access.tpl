{{/* How a component gets in: broker, registry, Redis. Secrets are files that the settings name, never variables. */}}

{{/* Kafka access of a component: the release's, with what the component says of its own principal. As JSON. */}}
{{- define "stockstream.kafka" -}}
{{- $kafka := .root.Values.kafka }}
{{- $own := .values.kafka | default dict }}
{{- $sasl := mergeOverwrite (deepCopy $kafka.sasl) (pick $own "username" "existingSecret" "passwordKey") }}
{{- $client := mergeOverwrite (deepCopy $kafka.clientCertificate) ($own.clientCertificate | default dict) }}
{{- dict "sasl" $sasl "client" $client "ca" $kafka.ca | toJson }}
{{- end }}

{{- define "stockstream.usesSasl" -}}
{{- if hasPrefix "SASL" .Values.kafka.protocol }}true{{ end }}
{{- end }}

{{- define "stockstream.usesTls" -}}
{{- if hasSuffix "SSL" .Values.kafka.protocol }}true{{ end }}
{{- end }}

{{- define "stockstream.usesRedis" -}}
{{- if has .component (list "api" "redis-view") }}true{{ end }}
{{- end }}

{{- define "stockstream.accessEnv" -}}
{{- $values := .root.Values }}
{{- $kafka := include "stockstream.kafka" . | fromJson }}
- name: STOCKSTREAM_BOOTSTRAP
  value: {{ required "kafka.bootstrapServers: name the brokers, host:port, comma separated" $values.kafka.bootstrapServers | quote }}
- name: STOCKSTREAM_SECURITY_PROTOCOL
  value: {{ $values.kafka.protocol }}
{{- if include "stockstream.usesTls" .root }}
{{- if $kafka.ca.existingSecret }}
- name: STOCKSTREAM_SSL_CA_FILE
  value: /etc/stockstream/secrets/kafka-ca/{{ $kafka.ca.key }}
{{- end }}
{{- if $kafka.client.existingSecret }}
- name: STOCKSTREAM_SSL_CERTIFICATE_FILE
  value: /etc/stockstream/secrets/kafka-client/{{ $kafka.client.certificateKey }}
- name: STOCKSTREAM_SSL_KEY_FILE
  value: /etc/stockstream/secrets/kafka-client/{{ $kafka.client.privateKeyKey }}
{{- end }}
{{- end }}
{{- if include "stockstream.usesSasl" .root }}
- name: STOCKSTREAM_SASL_MECHANISM
  value: {{ $kafka.sasl.mechanism }}
- name: STOCKSTREAM_SASL_USERNAME
  value: {{ required "kafka.sasl.username: needed with a SASL protocol (of OAUTHBEARER the client id)" $kafka.sasl.username | quote }}
- name: STOCKSTREAM_SASL_PASSWORD_FILE
  value: /etc/stockstream/secrets/kafka-password/{{ $kafka.sasl.passwordKey }}
{{- if eq $kafka.sasl.mechanism "OAUTHBEARER" }}
- name: STOCKSTREAM_SASL_TOKEN_URL
  value: {{ required "kafka.sasl.tokenUrl: OAUTHBEARER needs the identity provider's token endpoint" $kafka.sasl.tokenUrl | quote }}
{{- with $kafka.sasl.scope }}
- name: STOCKSTREAM_SASL_SCOPE
  value: {{ . | quote }}
{{- end }}
{{- if $kafka.sasl.tokenCa.existingSecret }}
- name: STOCKSTREAM_SASL_TOKEN_CA_FILE
  value: /etc/stockstream/secrets/token-ca/{{ $kafka.sasl.tokenCa.key }}
{{- end }}
{{- end }}
{{- end }}
- name: STOCKSTREAM_REGISTRY
  value: {{ required "registry.url: the schema registry's URL (Confluent API)" $values.registry.url | quote }}
{{- if $values.registry.ca.existingSecret }}
- name: STOCKSTREAM_REGISTRY_CA_FILE
  value: /etc/stockstream/secrets/registry-ca/{{ $values.registry.ca.key }}
{{- end }}
{{- with $values.registry.clientCertificate }}
{{- if .existingSecret }}
- name: STOCKSTREAM_REGISTRY_CERTIFICATE_FILE
  value: /etc/stockstream/secrets/registry-client/{{ .certificateKey }}
- name: STOCKSTREAM_REGISTRY_KEY_FILE
  value: /etc/stockstream/secrets/registry-client/{{ .privateKeyKey }}
{{- end }}
{{- end }}
{{- if $values.registry.username }}
- name: STOCKSTREAM_REGISTRY_USERNAME
  value: {{ $values.registry.username | quote }}
- name: STOCKSTREAM_REGISTRY_PASSWORD_FILE
  value: /etc/stockstream/secrets/registry-password/{{ $values.registry.passwordKey }}
{{- end }}
{{- if include "stockstream.usesRedis" . }}
- name: STOCKSTREAM_REDIS
  value: {{ required "redis.url: the API and the Redis view need one, redis://host:6379/0" $values.redis.url | quote }}
{{- if $values.redis.ca.existingSecret }}
- name: STOCKSTREAM_REDIS_CA_FILE
  value: /etc/stockstream/secrets/redis-ca/{{ $values.redis.ca.key }}
{{- end }}
{{- with $values.redis.clientCertificate }}
{{- if .existingSecret }}
- name: STOCKSTREAM_REDIS_CERTIFICATE_FILE
  value: /etc/stockstream/secrets/redis-client/{{ .certificateKey }}
- name: STOCKSTREAM_REDIS_KEY_FILE
  value: /etc/stockstream/secrets/redis-client/{{ .privateKeyKey }}
{{- end }}
{{- end }}
{{- if $values.redis.existingSecret }}
- name: STOCKSTREAM_REDIS_PASSWORD_FILE
  value: /etc/stockstream/secrets/redis-password/{{ $values.redis.passwordKey }}
{{- end }}
{{- end }}
{{- end }}

{{/* The secrets a component mounts, as JSON: name of the mount → secret and keys (all keys where none are named). */}}
{{- define "stockstream.secrets" -}}
{{- $values := .root.Values }}
{{- $kafka := include "stockstream.kafka" . | fromJson }}
{{- $all := dict }}
{{- if include "stockstream.usesTls" .root }}
{{- with $kafka.ca.existingSecret }}{{ $_ := set $all "kafka-ca" (dict "secret" . "keys" (list $kafka.ca.key)) }}{{ end }}
{{- with $kafka.client.existingSecret }}
{{- $_ := set $all "kafka-client" (dict "secret" . "keys" (list $kafka.client.certificateKey $kafka.client.privateKeyKey)) }}
{{- end }}
{{- end }}
{{- if include "stockstream.usesSasl" .root }}
{{- $secret := required "kafka.sasl.existingSecret: the Secret with the password (of OAUTHBEARER the client secret)" $kafka.sasl.existingSecret }}
{{- $_ := set $all "kafka-password" (dict "secret" $secret "keys" (list $kafka.sasl.passwordKey)) }}
{{- if and $kafka.sasl.tokenCa.existingSecret (eq $kafka.sasl.mechanism "OAUTHBEARER") }}
{{- $_ := set $all "token-ca" (dict "secret" $kafka.sasl.tokenCa.existingSecret "keys" (list $kafka.sasl.tokenCa.key)) }}
{{- end }}
{{- end }}
{{- with $values.registry.ca.existingSecret }}
{{- $_ := set $all "registry-ca" (dict "secret" . "keys" (list $values.registry.ca.key)) }}
{{- end }}
{{- with $values.registry.clientCertificate }}
{{- if .existingSecret }}
{{- $_ := set $all "registry-client" (dict "secret" .existingSecret "keys" (list .certificateKey .privateKeyKey)) }}
{{- end }}
{{- end }}
{{- if $values.registry.username }}
{{- $secret := required "registry.existingSecret: the Secret with the password of registry.username" $values.registry.existingSecret }}
{{- $_ := set $all "registry-password" (dict "secret" $secret "keys" (list $values.registry.passwordKey)) }}
{{- end }}
{{- if include "stockstream.usesRedis" . }}
{{- with $values.redis.existingSecret }}
{{- $_ := set $all "redis-password" (dict "secret" . "keys" (list $values.redis.passwordKey)) }}
{{- end }}
{{- with $values.redis.ca.existingSecret }}
{{- $_ := set $all "redis-ca" (dict "secret" . "keys" (list $values.redis.ca.key)) }}
{{- end }}
{{- with $values.redis.clientCertificate }}
{{- if .existingSecret }}
{{- $_ := set $all "redis-client" (dict "secret" .existingSecret "keys" (list .certificateKey .privateKeyKey)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .component "api" }}
{{- with .values.keys.existingSecret }}
{{- $_ := set $all "api-keys" (dict "secret" . "keys" (list $.values.keys.key)) }}
{{- end }}
{{- with .values.jwtCa.existingSecret }}
{{- $_ := set $all "jwt-ca" (dict "secret" . "keys" (list $.values.jwtCa.key)) }}
{{- end }}
{{- end }}
{{- if has .component (list "erp" "shop" "webhooks") }}
{{- with .values.ca.existingSecret }}
{{- $_ := set $all (printf "%s-ca" $.component) (dict "secret" . "keys" (list $.values.ca.key)) }}
{{- end }}
{{- end }}
{{- if eq .component "erp" }}
{{- with .values.token.existingSecret }}
{{- $_ := set $all "erp-token" (dict "secret" . "keys" (list $.values.token.key)) }}
{{- end }}
{{- with .values.routing.existingSecret }}{{ $_ := set $all "erp" (dict "secret" . "keys" (list)) }}{{ end }}
{{- end }}
{{- if eq .component "webhooks" }}
{{- with .values.existingSecret }}{{ $_ := set $all "webhooks" (dict "secret" . "keys" (list)) }}{{ end }}
{{- end }}
{{- if eq .component "shop" }}
{{- with .values.token.existingSecret }}
{{- $_ := set $all "shop-token" (dict "secret" . "keys" (list $.values.token.key)) }}
{{- end }}
{{- end }}
{{- toJson $all }}
{{- end }}

{{/* The declarations a component mounts, as JSON: name of the mount → ConfigMap and file. */}}
{{- define "stockstream.declarations" -}}
{{- $values := .root.Values }}
{{- $name := include "stockstream.fullname" .root }}
{{- $channels := default (printf "%s-channels%s" $name (ternary "-setup" "" (eq .component "setup"))) $values.channels.existingConfigMap }}
{{- $all := dict "channels" (dict "configMap" $channels "key" $values.channels.key) }}
{{- if and (eq .component "webhooks") }}
{{- $map := default (printf "%s-subscriptions" $name) .values.subscriptions.existingConfigMap }}
{{- $_ := set $all "subscriptions" (dict "configMap" $map "key" .values.subscriptions.key) }}
{{- end }}
{{- if and (eq .component "erp") (or .values.routing.document .values.routing.existingConfigMap) }}
{{- $map := default (printf "%s-erp-routing" $name) .values.routing.existingConfigMap }}
{{- $_ := set $all "erp-routing" (dict "configMap" $map "key" .values.routing.key) }}
{{- end }}
{{- toJson $all }}
{{- end }}
