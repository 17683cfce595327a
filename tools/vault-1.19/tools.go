//go:build tools

// Package tools pins the oldest Vault server that make compatibility tests with.
package tools

import _ "github.com/hashicorp/vault"
