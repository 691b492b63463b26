{{- define "image" -}}
{{ .Values.image.repository }}{{ with .Values.image.tag }}:{{ . }}{{ end }}
{{- end }}
{{- define "nodes" -}}
{{- range .Values.networkPolicy.nodes }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}
