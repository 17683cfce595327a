package feed

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestV2TellsTheBalances(t *testing.T) {
	c := newV2Client(t, New())
	sent := c.subscribe("balances", ``)
	require.Len(t, sent, 2)
	wiretest.Exactly(t, `{"channel":"balances","type":"snapshot","sequence":1,"data":[
		{"asset":"USD","asset_class":"currency","balance":100000,"wallets":[{"type":"spot","id":"main","balance":100000}]},
		{"asset":"BTC","asset_class":"currency","balance":2,"wallets":[{"type":"spot","id":"main","balance":2}]},
		{"asset":"ETH","asset_class":"currency","balance":50,"wallets":[{"type":"spot","id":"main","balance":50}]}]}`, sent[1])

	sent = newV2Client(t, New()).subscribe("balances", `,"snapshot":false`)
	require.Len(t, sent, 1)
	wiretest.Matches(t, `{"success":true,"result":{"channel":"balances","snapshot":false}}`, sent[0])
}

// TestV2TellsOfEachLineOfTheLedger has the example of Kraken's page: both sides of a trade, in a message each, with its id.
func TestV2TellsOfEachLineOfTheLedger(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	c.subscribe("balances", ``)
	id := c.add(``)
	assert.Empty(t, c.sent(), "an order moves no money")
	require.NoError(t, f.Fill(id, 0.1, 0))
	sent := c.sent()
	require.Len(t, sent, 2)
	trade := trades(f)[0].ID
	wiretest.Exactly(t, `{"channel":"balances","type":"update","sequence":2,"data":[{"ledger_id":"*","ref_id":"`+trade+`","timestamp":"*",
		"type":"trade","category":"trade","asset":"BTC","asset_class":"currency","wallet_type":"spot","wallet_id":"main",
		"amount":0.1,"fee":0,"balance":2.1}]}`, sent[0])
	wiretest.Exactly(t, `{"channel":"balances","type":"update","sequence":3,"data":[{"ledger_id":"*","ref_id":"`+trade+`","timestamp":"*",
		"type":"trade","category":"trade","asset":"USD","asset_class":"currency","wallet_type":"spot","wallet_id":"main",
		"amount":-2000,"fee":5,"balance":97995}]}`, sent[1])
	c.call("cancel_all", ``)
	assert.Empty(t, c.sent())
}

func TestV2TellsOfATradeBeforeTheBalances(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	id := c.add(``)
	c.subscribe("balances", ``)
	c.subscribe("executions", ``)
	require.NoError(t, f.Fill(id, 0, 0))
	sent := c.sent()
	require.Len(t, sent, 4)
	wiretest.Matches(t, `{"channel":"executions","data":[{"exec_type":"trade"}]}`, sent[0])
	wiretest.Matches(t, `{"channel":"balances","data":[{"asset":"BTC"}]}`, sent[1])
	wiretest.Matches(t, `{"channel":"balances","data":[{"asset":"USD"}]}`, sent[2])
	wiretest.Matches(t, `{"channel":"executions","data":[{"exec_type":"filled"}]}`, sent[3])
}
