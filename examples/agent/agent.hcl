# Vault Agent keeps a WebSocket token for Kraken in a file, for an application that needn't know Vault. docs/agent.md
# explains it. Run it in this directory, with Vault's address in VAULT_ADDR:
#
#   vault agent -config=agent.hcl

# Log in by AppRole. Without the last line Agent would delete the file secret-id once it has read it, and after a restart it
# couldn't log in. wrapped.hcl is another way.
auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "role-id"
      secret_id_file_path                 = "secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

# Read a token anew so often. There is no lease on it that could tell; Agent takes 85 to 95 % of this.
template_config {
  static_secret_render_interval = "5m"
}

# Put it into ws-token.json, whole or not at all, readable by Agent's user only.
template {
  source               = "ws-token.json.tpl"
  destination          = "ws-token.json"
  perms                = "0600"
  error_on_missing_key = true

  # Run this after each change. An application that reads the file whenever it connects needs nothing of the kind.
  exec {
    command = ["./on-new-token"]
    timeout = "10s"
  }
}
