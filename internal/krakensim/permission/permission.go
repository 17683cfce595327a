// Package permission has what an API key may be allowed to do, named as Kraken's GetApiKeyInfo names it.
package permission

// The permissions that the simulator looks at, and one that it only tells of.
const (
	QueryFunds        = "query-funds"
	WithdrawFunds     = "withdraw-funds"
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
