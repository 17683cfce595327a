{{- /* As `vault read -format=json` prints it, but for ttl, which would be wrong a moment later. */ -}}
{{- with secret "kraken/ws-token" -}}
{
  "data": {
    "token": {{ .Data.token | toJSON }},
    "expires_at": {{ .Data.expires_at | toJSON }},
    "websocket_url": {{ .Data.websocket_url | toJSON }}
  }
}
{{ end -}}
