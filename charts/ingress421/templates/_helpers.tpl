{{- define "ingress421.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "ingress421.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "ingress421.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The name of cluster-wide objects: two releases in two namespaces must not collide. */}}
{{- define "ingress421.clusterName" -}}
{{- $full := include "ingress421.fullname" . -}}
{{- if eq $full .Release.Namespace -}}
{{- $full -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace $full | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ingress421.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ingress421.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ingress421.labels" -}}
{{ include "ingress421.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ingress421.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ingress421.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ingress421.image" -}}
{{- $image := .Values.image -}}
{{- $name := $image.repository -}}
{{- with $image.registry -}}{{- $name = printf "%s/%s" . $name -}}{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The namespaces watched, as a JSON list: those asked for, the release's own and that of a guarded controller. */}}
{{- define "ingress421.namespaces" -}}
{{- if .Values.namespaces -}}
{{- $more := list .Release.Namespace -}}
{{- if .Values.guard.classes -}}
{{- $more = append $more (splitList "/" .Values.guard.upstream | first) -}}
{{- end -}}
{{- concat .Values.namespaces $more | uniq | sortAlpha | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{/* Nine tenths of a Kubernetes quantity, in bytes. */}}
{{- define "ingress421.goMemLimit" -}}
{{- $quantity := toString . -}}
{{- $number := regexFind "^[0-9]+" $quantity -}}
{{- $unit := trimPrefix $number $quantity -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- if or (eq $number "") (not (hasKey $factors $unit)) -}}
{{- fail (printf "resources.limits.memory %q: write a whole number of bytes, k, M, G, Ki, Mi or Gi" $quantity) -}}
{{- end -}}
{{- div (mul (int64 $number) (get $factors $unit) 9) 10 -}}
{{- end -}}

{{/* Rules for what is read in each namespace that is watched. */}}
{{- define "ingress421.namespacedRules" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [services, secrets]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
{{- if .Values.guard.classes }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get, list, watch]
{{- end }}
- apiGroups: [ingress421.dev]
  resources: [authoritypolicies]
  verbs: [get, list, watch]
- apiGroups: [ingress421.dev]
  resources: [authoritypolicies/status]
  verbs: [update, patch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [update, patch]
{{ include "ingress421.eventRules" . }}
{{- end -}}

{{- define "ingress421.eventRules" -}}
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- define "ingress421.classRules" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [get, list, watch]
{{- end -}}
