{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{/* The name of all objects: the name of the release, with the name of the chart unless it contains it. */}}
{{- define "etcd-monitor.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The labels that select the pod. */}}
{{- define "etcd-monitor.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The labels of each object. */}}
{{- define "etcd-monitor.labels" -}}
{{ include "etcd-monitor.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The file of settings from the values, with the certificate of the API if there is one. */}}
{{- define "etcd-monitor.config" -}}
{{- if not (or .Values.config.clusters .Values.config.endpoints) -}}
{{- fail "config.clusters names no cluster" -}}
{{- end -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.apiTLSSecretName -}}
{{- $_ := set $config "apiCert" "/run/secrets/api-tls/tls.crt" -}}
{{- $_ := set $config "apiKey" "/run/secrets/api-tls/tls.key" -}}
{{- end -}}
{{ toPrettyJson $config }}
{{- end -}}

{{- define "etcd-monitor.port" -}}
{{ .Values.config.apiPort | default 8080 }}
{{- end -}}
