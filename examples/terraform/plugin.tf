# The plugin's file lies in the plugin directory of every Vault server already, under a name with its version.

variable "plugin_version" {
  type        = string
  description = "Version of the plugin, with its leading v."
  default     = "v0.1.0"
}

variable "plugin_sha256" {
  type        = string
  description = "The binary's own checksum, from the release's SHA256SUMS."
}

resource "vault_plugin" "kraken" {
  type    = "secret"
  name    = "vault-plugin-secrets-kraken"
  command = "vault-plugin-secrets-kraken_${var.plugin_version}"
  version = var.plugin_version
  sha256  = var.plugin_sha256
}

# All mounts run this version. After a change of it, reload: vault plugin reload -plugin=vault-plugin-secrets-kraken
resource "vault_plugin_pinned_version" "kraken" {
  type    = vault_plugin.kraken.type
  name    = vault_plugin.kraken.name
  version = vault_plugin.kraken.version
}
