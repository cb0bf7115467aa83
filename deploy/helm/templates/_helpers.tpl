{{/* The paths of a flow and of the files that it extends, one a line. */}}
{{- define "flowrun.chain" -}}
{{- $text := .files.Get .path -}}
{{- if not $text }}{{ fail (printf "%s: there is no such file in the chart" .path) }}{{ end -}}
{{ .path }}
{{ with (fromYaml $text).extends -}}
{{- include "flowrun.chain" (dict "files" $.files "path" (clean (printf "%s/%s" (dir $.path) .))) }}
{{- end }}
{{- end }}

{{/* A flow merged with the files that it extends, as YAML. */}}
{{- define "flowrun.merged" -}}
{{- $own := fromYaml (.files.Get .path) -}}
{{- if $own.extends -}}
{{- $base := clean (printf "%s/%s" (dir .path) $own.extends) -}}
{{- $own = mergeOverwrite (fromYaml (include "flowrun.merged" (dict "files" .files "path" $base))) $own -}}
{{- end -}}
{{ toYaml $own }}
{{- end }}

{{/* A URI without variables: each is its default. */}}
{{- define "flowrun.uri" -}}
{{- $uri := . -}}
{{- if kindIs "map" . }}{{ $uri = .uri }}{{ end -}}
{{ regexReplaceAll "\\$\\{\\w+(:[-?]([^}]*))?\\}" (toString $uri) "${2}" }}
{{- end }}

{{- define "flowrun.labels" -}}
app.kubernetes.io/name: flowrun
app.kubernetes.io/instance: {{ . | quote }}
{{- end }}

{{/* What both containers have. */}}
{{- define "flowrun.container" -}}
image: {{ .image | quote }}
workingDir: /flows
{{- with .variables }}
env:
  {{- range . }}
  - name: {{ .name | quote }}
    valueFrom:
      secretKeyRef:
        name: {{ $.name }}-env
        key: {{ .name | quote }}
        {{- if .optional }}
        optional: true
        {{- end }}
  {{- end }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: flow
    mountPath: /etc/flowrun
    readOnly: true
  - name: tmp
    mountPath: /tmp
  {{- if .mounted }}
  - name: files
    mountPath: /flows
  {{- end }}
{{- end }}

{{- define "flowrun.pod" -}}
metadata:
  labels:
    {{- include "flowrun.labels" .name | nindent 4 }}
  annotations:
    flowrun/checksum: {{ .checksum }}
    prometheus.io/scrape: "true"
    prometheus.io/port: "9100"
    prometheus.io/path: /metrics
spec:
  {{- if eq .kind "Job" }}
  restartPolicy: Never
  {{- end }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ .grace }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          app.kubernetes.io/name: flowrun
  {{- if .gpu }}
  tolerations:
    - key: nvidia.com/gpu
      operator: Exists
  {{- end }}
  initContainers:
    - name: validate
      command: [flowrun, validate, --imports, {{ printf "/etc/flowrun/%s" .entry | quote }}]
      {{- include "flowrun.container" . | nindent 6 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
  containers:
    - name: flowrun
      command: [flowrun, run, {{ printf "/etc/flowrun/%s" .entry | quote }}, --set, "metrics.address=0.0.0.0:9100", --log-format, json]
      {{- include "flowrun.container" . | nindent 6 }}
      ports:
        - name: metrics
          containerPort: 9100
      startupProbe:
        httpGet: {path: /livez, port: metrics}
        periodSeconds: 2
        timeoutSeconds: 3
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 6
      {{- if eq .kind "Deployment" }}
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- end }}
      resources:
        {{- $resources := deepCopy .resources }}
        {{- if .gpu }}{{ $_ := set $resources "limits" (merge (dict "nvidia.com/gpu" 1) (default dict $resources.limits)) }}{{ end }}
        {{- toYaml $resources | nindent 8 }}
  volumes:
    - name: flow
      configMap:
        name: {{ .name | quote }}
        {{- if .items }}
        items:
          {{- range $path, $key := .items }}
          - key: {{ $key | quote }}
            path: {{ $path | quote }}
          {{- end }}
        {{- end }}
    - name: tmp
      emptyDir: {}
    {{- if .mounted }}
    - name: files
      persistentVolumeClaim:
        claimName: {{ .claim }}
    {{- end }}
{{- end }}
