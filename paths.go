package krakensecrets

import (
	"net/http"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
)

// This file holds what the path_*.go files share.

// operationPrefix starts the operation IDs of the OpenAPI document.
const operationPrefix = "kraken"

// fieldName is the path parameter that names an account.
const fieldName = "name"

// accountPaths gives a path both its forms: without a name for the default account, and with one.
func accountPaths(base string, path framework.Path) []*framework.Path {
	unnamed, named := path, path
	// No trailing slash: a policy on "ws-token/*" must not open the default account.
	unnamed.Pattern = base + "$"
	_, rule := account.ValidName("")
	named.Pattern = base + "/" + framework.GenericNameRegex(fieldName) + "$"
	named.Fields = map[string]*framework.FieldSchema{
		fieldName: {
			Type:        framework.TypeString,
			Description: "Name of the account: " + rule + ". Case matters, as it does in policies.",
			Required:    true,
		},
	}
	for name, schema := range path.Fields {
		named.Fields[name] = schema
	}
	attributes := *path.DisplayAttrs
	attributes.OperationSuffix = "named-" + attributes.OperationSuffix
	named.DisplayAttrs = &attributes
	return []*framework.Path{&unnamed, &named}
}

// accountName is the account that a request is about, "" for the default account.
func accountName(data *framework.FieldData) string {
	if _, named := data.Schema[fieldName]; !named {
		return ""
	}
	return data.Get(fieldName).(string)
}

// onActiveNode makes an operation run on the one node that may write storage and keep the nonce.
func onActiveNode(operation framework.PathOperation) *framework.PathOperation {
	operation.ForwardPerformanceStandby = true
	operation.ForwardPerformanceSecondary = true
	return &operation
}

func noContent() map[int][]framework.Response {
	return map[int][]framework.Response{http.StatusNoContent: {{Description: "No Content"}}}
}
