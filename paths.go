package krakensecrets

import (
	"maps"
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
	maps.Copy(named.Fields, path.Fields)
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

// errorCodes are the HTTP codes of this engine's errors, and what they stand for. Vault has some of its own: 403 without a permission, for example.
var errorCodes = map[int]string{
	http.StatusBadRequest:          "Somebody must do something: not configured, disabled, a bad value, or a refusal of Kraken's.",
	http.StatusNotFound:            "There is none.",
	http.StatusTooManyRequests:     "Kraken isn't asked for now, to keep to its limits. The message says how long.",
	http.StatusInternalServerError: "Vault's storage failed.",
	http.StatusBadGateway:          "What answered isn't Kraken, isn't trusted, or refuses this server's address.",
	http.StatusServiceUnavailable:  "Kraken, or the way to it, is down, or the mount is being closed. Try again later.",
	http.StatusGatewayTimeout:      "No answer within request_timeout.",
}

// withErrors adds errors to the responses of an operation. Their body is Vault's usual one.
func withErrors(responses map[int][]framework.Response, codes ...int) map[int][]framework.Response {
	for _, code := range codes {
		responses[code] = []framework.Response{{Description: errorCodes[code]}}
	}
	return responses
}

// asksKraken are the errors of an operation that may ask Kraken.
var asksKraken = []int{
	http.StatusBadRequest, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}
