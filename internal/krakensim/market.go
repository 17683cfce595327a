package krakensim

import "strconv"

// asset is something an account holds. Kraken has three names for it: the id of REST, the code of WebSocket v2, and
// the one in the pairs of WebSocket v1.
type asset struct {
	id       string
	code     string
	decimals int
	balance  float64 // what every paper account holds
}

var assets = []asset{
	{id: "ZUSD", code: "USD", decimals: 4, balance: 100_000},
	{id: "XXBT", code: "BTC", decimals: 10, balance: 2},
	{id: "XETH", code: "ETH", decimals: 10, balance: 50},
}

// amount writes a quantity of the asset as Kraken's REST API does.
func (a asset) amount(quantity float64) string {
	return strconv.FormatFloat(quantity, 'f', a.decimals, 64)
}

// pair is a market.
type pair struct {
	symbol      string // of WebSocket v2
	wsname      string // of WebSocket v1
	altname     string // in the description of an order
	base, quote string // codes
	decimals    int    // of the price
}

var pairs = []pair{
	{symbol: "BTC/USD", wsname: "XBT/USD", altname: "XBTUSD", base: "BTC", quote: "USD", decimals: 1},
	{symbol: "ETH/USD", wsname: "ETH/USD", altname: "ETHUSD", base: "ETH", quote: "USD", decimals: 2},
}

// assetsJSON and assetPairsJSON are what Kraken's public methods answer for the markets above.
const assetsJSON = `{
"ZUSD":{"aclass":"currency","altname":"USD","decimals":4,"display_decimals":2,"collateral_value":1.0,"status":"enabled"},
"XXBT":{"aclass":"currency","altname":"XBT","decimals":10,"display_decimals":5,"collateral_value":1.0,"status":"enabled"},
"XETH":{"aclass":"currency","altname":"ETH","decimals":10,"display_decimals":5,"collateral_value":1.0,"status":"enabled"}
}`

const assetPairsJSON = `{
"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","aclass_base":"currency","base":"XXBT","aclass_quote":"currency",
"quote":"ZUSD","lot":"unit","cost_decimals":5,"pair_decimals":1,"lot_decimals":8,"lot_multiplier":1,
"leverage_buy":[2,3,4,5],"leverage_sell":[2,3,4,5],"fees":[[0,0.4],[10000,0.35],[50000,0.24]],
"fees_maker":[[0,0.25],[10000,0.2],[50000,0.14]],"fee_volume_currency":"ZUSD","margin_call":80,"margin_stop":40,
"ordermin":"0.00005","costmin":"0.5","tick_size":"0.1","status":"online","long_position_limit":250,
"short_position_limit":200},
"XETHZUSD":{"altname":"ETHUSD","wsname":"ETH/USD","aclass_base":"currency","base":"XETH","aclass_quote":"currency",
"quote":"ZUSD","lot":"unit","cost_decimals":6,"pair_decimals":2,"lot_decimals":8,"lot_multiplier":1,
"leverage_buy":[2,3,4,5],"leverage_sell":[2,3,4,5],"fees":[[0,0.4],[10000,0.35],[50000,0.24]],
"fees_maker":[[0,0.25],[10000,0.2],[50000,0.14]],"fee_volume_currency":"ZUSD","margin_call":80,"margin_stop":40,
"ordermin":"0.001","costmin":"0.5","tick_size":"0.01","status":"online","long_position_limit":4000,
"short_position_limit":3000}
}`
