package krakensim

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestBalanceIsThatOfThePaperAccount(t *testing.T) {
	x := New(exampleKey)
	wiretest.Matches(t, `{"error":[],"result":{"ZUSD":"100000.0000","XXBT":"2.0000000000","XETH":"50.0000000000"}}`,
		newRequest("/0/private/Balance", 1).do(t, x.Transport()).body)
	wiretest.Matches(t, `{"error":[],"result":{"ZUSD":{"balance":"100000.0000","hold_trade":"0.0000"}}}`,
		newRequest("/0/private/BalanceEx", 2).do(t, x.Transport()).body)
}

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
