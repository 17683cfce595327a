// Package permission has what an API key may be allowed to do, named as Kraken's GetApiKeyInfo names it.
package permission

import (
	"fmt"
	"slices"
	"strings"
)

// The permissions that the simulator looks at.
const (
	QueryFunds        = "query-funds"
	QueryOpenTrades   = "query-open-trades"
	QueryClosedTrades = "query-closed-trades"
	ModifyTrades      = "modify-trades"   // create and modify orders
	CloseTrades       = "close-trades"    // cancel and close orders
	WebSockets        = "create-ws-token" // "Access WebSockets API"
)

// Default returns what a trading application's key usually may: everything but move money.
func Default() []string {
	return []string{QueryFunds, QueryOpenTrades, QueryClosedTrades, ModifyTrades, CloseTrades, WebSockets}
}

// Validate says which permission is none that Kraken has.
func Validate(permissions []string) error {
	for _, one := range permissions {
		if !slices.Contains(all, one) {
			return fmt.Errorf("unknown permission %q: want some of %s", one, strings.Join(all, ", "))
		}
	}
	return nil
}

// all are those of docs.kraken.com, "Get API Key Info".
var all = []string{QueryFunds, "add-funds", "withdraw-funds", "earn-funds", QueryOpenTrades, QueryClosedTrades, ModifyTrades,
	CloseTrades, "query-ledger", "export-data", WebSockets, "add-withdraw-address", "update-withdraw-address"}

// A Need is what a call asks of a key. The zero Need is nothing.
type Need struct {
	allOf, oneOf []string
}

// AllOf is the need of all permissions given.
func AllOf(permissions ...string) Need { return Need{allOf: permissions} }

// OneOf is the need of one of the permissions given, whichever.
func OneOf(permissions ...string) Need { return Need{oneOf: permissions} }

// MetBy reports whether a key with the permissions given may call.
func (n Need) MetBy(permissions []string) bool {
	has := func(one string) bool { return slices.Contains(permissions, one) }
	lacks := func(one string) bool { return !has(one) }
	return !slices.ContainsFunc(n.allOf, lacks) && (n.oneOf == nil || slices.ContainsFunc(n.oneOf, has))
}

// What trading asks for, as docs.kraken.com has it for REST's methods of the same kind ("Add Order", "Edit Order", …).
var (
	ToPlace   = AllOf(ModifyTrades)
	ToReplace = AllOf(ModifyTrades, CloseTrades) // edit; a batch too
	ToChange  = OneOf(ModifyTrades, CloseTrades) // amend or cancel
)
