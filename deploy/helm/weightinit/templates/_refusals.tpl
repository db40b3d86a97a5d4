{{- /* A time as the server reads it, in milliseconds. */ -}}
{{- define "weightinit.milliseconds" -}}
{{- $unit := dict "ms" 1 "" 1000 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- mul (toString . | regexFind "^[0-9]+") (get $unit (toString . | regexFind "[a-z]*$")) -}}
{{- end }}

{{- /* What values.schema.json cannot say: values that do not go together. */ -}}
{{- define "weightinit.refusals" -}}
{{- if and .Values.tls.clientCA (not .Values.tls.secretName) -}}
{{- fail "tls.clientCA wants tls.secretName: without it the server speaks plaintext and asks no one for a certificate" -}}
{{- end -}}
{{- if and .Values.tokens.secretName (not .Values.tls.secretName) (not .Values.tokens.plaintext) -}}
{{- fail "tokens.secretName wants tls.secretName, since tokens would cross the network in plaintext; where something else encrypts it, say tokens.plaintext=true" -}}
{{- end -}}
{{- $drain := index .Values.config "drain-delay" | default "5s" -}}
{{- $grace := index .Values.config "shutdown-grace" | default "30s" -}}
{{- $stop := add (include "weightinit.milliseconds" $drain) (include "weightinit.milliseconds" $grace) -}}
{{- if ge $stop (mul 1000 .Values.terminationGracePeriodSeconds) -}}
{{- fail (printf "terminationGracePeriodSeconds is %v, and must be more than config.drain-delay (%v) and config.shutdown-grace (%v) together" .Values.terminationGracePeriodSeconds $drain $grace) -}}
{{- end -}}
{{- end }}
