# For a secret ID that is delivered anew for each start of Vault Agent, and is good for one login only:
#
#   vault agent -config=agent.hcl -config=wrapped.hcl
#
# The file secret-id holds a wrapping token. Agent unwraps it once, and deletes the file.
auto_auth {
  method "approle" {
    config = {
      role_id_file_path                = "role-id"
      secret_id_file_path              = "secret-id"
      secret_id_response_wrapping_path = "auth/approle/role/trader/secret-id"
    }
  }
}
