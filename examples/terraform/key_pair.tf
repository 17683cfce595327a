# The pair is ephemeral, so it is in no state and no plan. (The resource vault_generic_endpoint would put api_secret into both.) The write runs at each plan and
# apply from the second on. That does no harm: a write that changes nothing asks Kraken nothing and stores nothing. Leave this file out to write the pair by hand.

variable "api_key" {
  type        = string
  description = "Public key of the API key at Kraken."
}

variable "api_secret" {
  type        = string
  description = "Its private key. Give it by TF_VAR_api_secret or a prompt, not in a file."
  sensitive   = true
  ephemeral   = true
}

ephemeral "vault_generic_endpoint" "config" {
  mount_id = vault_mount.kraken.id # so that it waits for the mount
  path     = "${vault_mount.kraken.path}/config"

  data_json = jsonencode({
    api_key    = var.api_key
    api_secret = var.api_secret
    tier       = "starter"
    cache_ttl  = "5m"
  })

  write_fields = ["pair_written_at"]
}
