resource "vault_mount" "kraken" {
  path        = "kraken"
  type        = vault_plugin_pinned_version.kraken.name
  description = "Tokens for Kraken's private WebSocket feeds"
  # Only where another place than https://api.kraken.com is used:
  # options = { allowed_api_urls = "https://gateway.example.com" }
}
