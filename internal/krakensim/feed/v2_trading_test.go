package feed

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestV2PlacesAnOrder(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	answer, _ := c.call("add_order", v2Buy+`,"order_userref":5`)
	wiretest.Exactly(t, `{"method":"add_order","success":true,"result":{"order_id":"*","order_userref":5},"time_in":"*","time_out":"*"}`, answer)
	o := openOrders(f)[0]
	assert.Contains(t, answer, o.ID)
	assert.Equal(t, []any{"BTC/USD", "buy", "limit", 0.5, 20_000.0, int64(5), false},
		[]any{o.Pair.Symbol, o.Side, o.Type, o.Quantity, o.Price, o.Userref, o.PostOnly})
}

func TestV2OnlyValidates(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	id := c.add(``)
	before := openOrders(f)
	for _, test := range []struct{ method, params, want string }{
		{"add_order", v2Buy + `,"cl_ord_id":"mine","validate":true`, `"success":true,"result":{"order_id":"","cl_ord_id":"mine"}`},
		{"add_order", `"symbol":"BTC/USD","order_type":"limit","side":"buy","order_qty":50,"limit_price":20000,"validate":true`,
			`"success":false,"error":"EOrder:Insufficient funds"`},
		{"edit_order", `"symbol":"BTC/USD","order_id":"` + id + `","limit_price":1000,"validate":true`,
			`"success":true,"result":{"order_id":"","original_order_id":"` + id + `"}`},
		{"edit_order", `"symbol":"BTC/USD","order_id":"` + id + `","limit_price":-1,"validate":true`,
			`"success":false,"error":"EGeneral:Invalid arguments:price"`},
	} {
		answer, rest := c.call(test.method, test.params)
		wiretest.Exactly(t, fmt.Sprintf(`{"method":%q,"time_in":"*","time_out":"*",%s}`, test.method, test.want), answer)
		assert.Empty(t, rest)
	}
	assert.Equal(t, before, openOrders(f))
}

func TestV2AmendsAnOrderInItsPlace(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	id := c.add(`,"cl_ord_id":"mine"`)
	answer, _ := c.call("amend_order", `"order_id":"`+id+`","order_qty":1.5,"symbol":"BTC/USD"`)
	wiretest.Exactly(t, `{"method":"amend_order","success":true,"result":{"amend_id":"*","order_id":"`+id+`"},"time_in":"*","time_out":"*"}`, answer)
	answer, _ = c.call("amend_order", `"cl_ord_id":"mine","limit_price":20000.5,"limit_price_type":"static","post_only":true`)
	wiretest.Exactly(t, `{"method":"amend_order","success":true,"result":{"amend_id":"*","cl_ord_id":"mine"},"time_in":"*","time_out":"*"}`, answer)
	o := openOrders(f)[0]
	assert.Equal(t, []any{id, "mine", 1.5, 20_000.5, false}, []any{o.ID, o.ClientID, o.Quantity, o.Price, o.PostOnly})
}

func TestV2EditsAnOrderByAnother(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	id := c.add(`,"order_userref":5`)
	c.subscribe("executions", ``)
	answer, sent := c.call("edit_order", `"order_id":"`+id+`","symbol":"BTC/USD","limit_price":19000,"order_userref":6`)
	o := openOrders(f)[0]
	wiretest.Exactly(t, `{"method":"edit_order","success":true,"result":{"order_id":"`+o.ID+`","original_order_id":"`+id+`"},"time_in":"*","time_out":"*"}`, answer)
	assert.NotEqual(t, id, o.ID)
	assert.Equal(t, []any{0.5, 19_000.0, int64(6)}, []any{o.Quantity, o.Price, o.Userref})
	require.Len(t, sent, 3)
	wiretest.Matches(t, `{"data":[{"order_id":"`+id+`","exec_type":"canceled","reason":"Order replaced"}]}`, sent[0])
	wiretest.Matches(t, `{"data":[{"order_id":"`+o.ID+`","exec_type":"pending_new"}]}`, sent[1])
	wiretest.Matches(t, `{"data":[{"order_id":"`+o.ID+`","exec_type":"new"}]}`, sent[2])
}

func TestV2RefusesToTradeInKrakensWords(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	id := c.add(`,"cl_ord_id":"mine"`)
	before := openOrders(f)
	const nobody = `"order_id":"OXXXXX-XXXXX-XXXXXX"`
	this := `"order_id":"` + id + `"`
	for name, test := range map[string]struct{ method, params, want string }{
		"an unknown token":             {"cancel_all", `"token":"x"`, "ESession:Invalid session"},
		"an unknown market":            {"add_order", v2Buy + `,"symbol":"XBT/USD"`, "EQuery:Unknown asset pair"},
		"more than there is":           {"add_order", v2Buy + `,"order_qty":1001`, "EOrder:Insufficient funds"},
		"to amend nobody's order":      {"amend_order", nobody + `,"order_qty":1`, "EOrder:Unknown order"},
		"to amend by no known name":    {"amend_order", `"cl_ord_id":"x","order_qty":1`, "EOrder:Unknown order"},
		"to amend by two names":        {"amend_order", this + `,"cl_ord_id":"mine","order_qty":1`, "EGeneral:Invalid arguments"},
		"to amend what is no id":       {"amend_order", `"order_id":"x","order_qty":1`, "EOrder:Invalid order"},
		"to amend nothing":             {"amend_order", this, "EOrder:No amendable parameters specified"},
		"to amend by what is the same": {"amend_order", this + `,"order_qty":0.5`, "EOrder:No amendable parameters specified"},
		"to amend in another market":   {"amend_order", this + `,"order_qty":1,"symbol":"ETH/USD"`, "EGeneral:Invalid arguments:pair"},
		"to amend a trigger":           {"amend_order", this + `,"trigger_price":1`, "EGeneral:Invalid arguments:trigger_price"},
		"to amend and only validate":   {"amend_order", this + `,"validate":true`, "Unsupported field: 'validate' for the given msg type: amend order"},
		"to edit nobody's order":       {"edit_order", nobody + `,"symbol":"BTC/USD"`, "EOrder:Unknown order"},
		"to edit by a name":            {"edit_order", this + `,"symbol":"BTC/USD","cl_ord_id":"mine"`, "Unsupported field: 'cl_ord_id' for the given msg type: edit order"},
		"to edit in another market":    {"edit_order", this + `,"symbol":"ETH/USD"`, "EGeneral:Invalid arguments:pair"},
		"to edit to reduce":            {"edit_order", this + `,"symbol":"BTC/USD","reduce_only":true`, "EOrder:Reduce only:No position exists"},
		"to edit in no known market":   {"edit_order", this + `,"symbol":"X/USD"`, "EQuery:Unknown asset pair"},
	} {
		t.Run(name, func(t *testing.T) {
			sent := c.ask(`{"method":"` + test.method + `","params":{"token":"TOKEN",` + test.params + `}}`)
			require.Len(t, sent, 1)
			wiretest.Exactly(t, fmt.Sprintf(`{"method":%q,"success":false,"error":%q,"time_in":"*","time_out":"*"}`, test.method, test.want), sent[0])
		})
	}
	assert.Equal(t, before, openOrders(f))
}

func TestV2TradesWithThePermissionsThatItTakes(t *testing.T) {
	const denied = `{"success":false,"error":"EGeneral:Permission denied"}`
	batch := `"symbol":"BTC/USD","orders":[{` + v2BatchBuy + `},{` + v2BatchBuy + `}]`
	for method, test := range map[string]struct{ params, modify, close string }{
		"add_order":               {v2Buy, `{"success":true}`, denied},
		"amend_order":             {`"cl_ord_id":"x","order_qty":1`, `{"error":"EOrder:Unknown order"}`, `{"error":"EOrder:Unknown order"}`},
		"edit_order":              {`"order_id":"x","symbol":"BTC/USD"`, denied, denied},
		"cancel_order":            {`"order_id":["x"]`, `{"error":"EOrder:Invalid order"}`, `{"error":"EOrder:Invalid order"}`},
		"cancel_all":              {``, `{"success":true}`, `{"success":true}`},
		"cancel_all_orders_after": {`"timeout":0`, `{"success":true}`, `{"success":true}`},
		"batch_add":               {batch, denied, denied},
		"batch_cancel":            {`"orders":["1","2"]`, `{"error":"EOrder:Unknown order"}`, `{"error":"EOrder:Unknown order"}`},
	} {
		f := New()
		for allowed, want := range map[string]string{permission.ModifyTrades: test.modify, permission.CloseTrades: test.close, permission.QueryFunds: denied} {
			c := newV2Client(t, f)
			c.token = f.NewToken(Holder{APIKey: trader.APIKey, Permissions: []string{allowed}})
			answer, _ := c.call(method, test.params)
			wiretest.Matches(t, want, answer)
		}
	}
}
