//go:build tools

// Package tools pins the Vault server that development and tests run against.
package tools

import _ "github.com/hashicorp/vault"
