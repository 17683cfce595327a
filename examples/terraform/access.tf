resource "vault_policy" "trader" {
  name = "trader"

  policy = <<-END
    path "${vault_mount.kraken.path}/ws-token" {
      capabilities = ["read"]
    }
  END
}

resource "vault_auth_backend" "approle" {
  type = "approle"
}

resource "vault_approle_auth_backend_role" "trader" {
  backend        = vault_auth_backend.approle.path
  role_name      = "trader"
  token_policies = [vault_policy.trader.name]
  token_ttl      = 3600
}
