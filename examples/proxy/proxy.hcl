# Vault Proxy logs in for the applications of a host, so that reading a token is a plain GET without any login:
#
#   vault proxy -config=proxy.hcl
#   curl http://127.0.0.1:8100/v1/kraken/ws-token
#
# Run it in the directory with role-id and secret-id, with Vault's address in VAULT_ADDR. Whoever can connect to the
# listener can read tokens.

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "role-id"
      secret_id_file_path                 = "secret-id"
      remove_secret_id_file_after_reading = false # it is needed again after a restart
    }
  }
}

# Add the proxy's Vault token to requests that have none.
api_proxy {
  use_auto_auth_token = true
}

listener "tcp" {
  address     = "127.0.0.1:8100"
  tls_disable = true
}

# Hand on errors at once. The proxy would repeat a failed read for up to a minute, and then say nothing of why it failed.
vault {
  retry {
    num_retries = -1
  }
}
