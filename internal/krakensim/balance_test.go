package krakensim

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheTradeBalanceIsInOneAsset(t *testing.T) {
	x := New(exampleKey)
	assert.Equal(t, `{"error":[],"result":{"c":"0.0000","e":"325000.0000","eb":"325000.0000","m":"0.0000","mf":"325000.0000",`+
		`"mfo":"325000.0000","n":"0.0000","tb":"325000.0000","uv":"0.0000","v":"0.0000"}}`, ask(t, x, "TradeBalance").body)
	place(t, x)
	assert.Equal(t, `{"error":[],"result":{"c":"0.0000000000","e":"6.5000000000","eb":"6.5000000000","m":"0.0000000000",`+
		`"mf":"6.5000000000","mfo":"6.5000000000","n":"0.0000000000","tb":"6.5000000000","uv":"0.0040000000","v":"0.0000000000"}}`,
		ask(t, x, "TradeBalance", "asset", "XBT").body)
	assert.Equal(t, ask(t, x, "TradeBalance", "asset", "XXBT").Result, ask(t, x, "TradeBalance", "asset", "XBT").Result)
	assert.Equal(t, []string{"EQuery:Unknown asset"}, ask(t, x, "TradeBalance", "asset", "DOT").Error)
}
