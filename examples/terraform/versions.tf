terraform {
  required_version = ">= 1.10.0" # ephemeral resources; of OpenTofu, 1.11.0

  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.9.0" # the ephemeral vault_generic_endpoint
    }
  }
}
