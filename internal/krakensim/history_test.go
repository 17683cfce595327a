package krakensim

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// In a bubble of testing/synctest it is 946684800 Unix seconds at first.
func TestClosedOrdersAreThoseOfAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		a := place(t, x) // opened at 0 s
		time.Sleep(10 * time.Second)
		b := place(t, x) // opened at 10 s
		time.Sleep(10 * time.Second)
		require.Empty(t, ask(t, x, "CancelOrder", "txid", a).Error) // closed at 20 s
		time.Sleep(10 * time.Second)
		require.Empty(t, ask(t, x, "CancelOrder", "txid", b).Error) // closed at 30 s

		at := func(seconds float64) string { return strconv.FormatFloat(946684800+seconds, 'f', -1, 64) }
		for _, test := range []struct {
			fields []string
			want   []string
		}{
			{[]string{"start", at(-1)}, []string{a, b}},
			{[]string{"start", at(29.9)}, []string{b}},
			{[]string{"start", at(30)}, nil}, // exclusive
			{[]string{"end", at(0)}, []string{a}},
			{[]string{"end", at(-0.1)}, nil},
			{[]string{"start", at(5), "end", at(15)}, []string{b}},
			{[]string{"start", at(5), "end", at(15), "closetime", "both"}, []string{b}},
			{[]string{"start", at(15), "end", at(25)}, []string{a}},
			{[]string{"start", at(15), "end", at(25), "closetime", "open"}, nil},
			{[]string{"end", at(10), "closetime", "open"}, []string{a, b}}, // inclusive
			{[]string{"start", at(20), "closetime", "close"}, []string{b}},
			{[]string{"start", a, "closetime", "open"}, []string{b}}, // an id stands for when it was opened
			{[]string{"end", a, "closetime", "open"}, []string{a}},
			{[]string{"end", "99999999999999999999"}, []string{a, b}},
		} {
			assert.ElementsMatch(t, test.want, found(t, ask(t, x, "ClosedOrders", test.fields...), "closed"), test.fields)
		}
		for _, fields := range [][]string{{"start", "OABCDE-FGHIJ-KLMNOP"}, {"end", "yesterday"}, {"end", "1e9"}, {"ofs", "-1"}, {"ofs", "x"},
			{"closetime", "later"}, {"without_count", "x"}} {
			assert.Equal(t, []string{"EGeneral:Invalid arguments:" + fields[0]}, ask(t, x, "ClosedOrders", fields...).Error)
		}
	})
}

func TestFiftyAreAnsweredAtATimeTheLatestFirst(t *testing.T) {
	x := New(exampleKey)
	first := place(t, x)
	for range 51 {
		place(t, x)
	}
	require.Empty(t, ask(t, x, "CancelAll").Error)

	latest := found(t, ask(t, x, "ClosedOrders"), "closed")
	assert.Len(t, latest, 50)
	assert.NotContains(t, latest, first)
	rest := ask(t, x, "ClosedOrders", "ofs", "50")
	wiretest.Matches(t, `{"result":{"count":52,"closed":{"`+first+`":{}}}}`, rest.body)
	assert.Len(t, found(t, rest, "closed"), 2)
	assert.Equal(t, `{"error":[],"result":{"closed":{},"count":52}}`, ask(t, x, "ClosedOrders", "ofs", "52").body)
	assert.Equal(t, `{"error":[],"result":{"closed":{}}}`, ask(t, x, "ClosedOrders", "ofs", "99", "without_count", "true").body)
}

// The fields, their types and their decimals are those of an answer recorded from the real API in 2025 (knowm/XChange).
func TestATradeHasTheFieldsThatKrakensHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		id := place(t, x, "type", "sell", "price", "40000")
		require.NoError(t, x.Fill(id, 0.004, 0))
		got := ask(t, x, "TradesHistory")
		ids := found(t, got, "trades")
		require.Len(t, ids, 1)
		assert.JSONEq(t, `{"error":[],"result":{"count":1,"trades":{"`+ids[0]+`":{
			"ordertxid":"`+id+`","postxid":"TKH2SE-M7IF5-CFI7LT","pair":"XXBTZUSD","aclass":"forex","time":946684800.000000,
			"type":"sell","ordertype":"limit","price":"40000.00000","cost":"160.00000","fee":"0.40000","vol":"0.00400000",
			"margin":"0.00000","leverage":"0","misc":"","trade_id":1,"maker":true}}}}`, got.body)
		wiretest.Matches(t, `{"result":{"trades":{"`+ids[0]+`":{"ledgers":["*","*"]}}}}`, ask(t, x, "TradesHistory", "ledgers", "true").body)

		time.Sleep(time.Second)
		require.NoError(t, x.Fill(id, 0.006, 0))
		for _, test := range []struct {
			fields []string
			want   int
		}{
			{nil, 2},
			{[]string{"start", ids[0]}, 1},
			{[]string{"end", ids[0]}, 1},
			{[]string{"start", "946684801"}, 0},
			{[]string{"type", "no position"}, 2},
			{[]string{"type", "closed position"}, 0},
			{[]string{"ofs", "1"}, 1},
		} {
			assert.Len(t, found(t, ask(t, x, "TradesHistory", test.fields...), "trades"), test.want, test.fields)
		}
		for _, name := range []string{"type", "ledgers", "start"} {
			assert.Equal(t, []string{"EGeneral:Invalid arguments:" + name}, ask(t, x, "TradesHistory", name, "x").Error)
		}
	})
}
