package krakensim

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The fields, their types and their decimals are those of answers recorded from the real API in 2025 (knowm/XChange).
func TestAnOrderHasTheFieldsThatKrakensHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		id := place(t, x, "userref", "7", "oflags", "post")
		assert.JSONEq(t, `{"error":[],"result":{"open":{"`+id+`":{
			"refid":null,"userref":7,"status":"open","opentm":946684800.000000,"starttm":0,"expiretm":0,
			"descr":{"pair":"XBTUSD","aclass":"forex","type":"buy","ordertype":"limit","price":"20000.0","price2":"0","leverage":"none",
				"order":"buy 0.01000000 XBTUSD @ limit 20000.0","close":""},
			"vol":"0.01000000","vol_exec":"0.00000000","cost":"0.00000","fee":"0.00000","price":"0.00000",
			"stopprice":"0.00000","limitprice":"0.00000","misc":"","oflags":"fciq,post"}}}}`, ask(t, x, "OpenOrders").body)

		require.NoError(t, x.Fill(id, 0.004, 19_000))
		wiretest.Matches(t, `{"result":{"open":{"`+id+`":{"status":"open","vol_exec":"0.00400000","cost":"76.00000","fee":"0.19000",
			"price":"19000.0","misc":"partial","trades":["*"]}}}}`, ask(t, x, "OpenOrders", "trades", "true").body)

		time.Sleep(1500 * time.Millisecond)
		require.NoError(t, x.Fill(id, 0, 0))
		assert.Equal(t, `{"error":[],"result":{"open":{}}}`, ask(t, x, "OpenOrders").body)
		assert.JSONEq(t, `{"error":[],"result":{"count":1,"closed":{"`+id+`":{
			"refid":null,"userref":7,"status":"closed","reason":null,"opentm":946684800.000000,"closetm":946684801.500000,"starttm":0,"expiretm":0,
			"descr":{"pair":"XBTUSD","aclass":"forex","type":"buy","ordertype":"limit","price":"20000.0","price2":"0","leverage":"none",
				"order":"buy 0.01000000 XBTUSD @ limit 20000.0","close":""},
			"vol":"0.01000000","vol_exec":"0.01000000","cost":"196.00000","fee":"0.49000","price":"19600.0",
			"stopprice":"0.00000","limitprice":"0.00000","misc":"","oflags":"fciq,post"}}}}`, ask(t, x, "ClosedOrders").body)
	})
}

func TestOrdersThatAreOverSayWhy(t *testing.T) {
	x := New(exampleKey)
	market := place(t, x, "ordertype", "market")
	canceled := place(t, x, "cl_ord_id", "mine")
	require.Empty(t, ask(t, x, "CancelOrder", "txid", canceled).Error)
	wiretest.Matches(t, `{"result":{"count":2,"closed":{
		"`+market+`":{"status":"canceled","reason":"*","closetm":"*","userref":0,"descr":{"price":"0","order":"buy 0.01000000 XBTUSD @ market"}},
		"`+canceled+`":{"status":"canceled","reason":"User requested","cl_ord_id":"mine"}}}}`, ask(t, x, "ClosedOrders").body)
}

// found are the ids in a list of orders or trades.
func found(t *testing.T, got reply, name string) (ids []string) {
	t.Helper()
	require.Empty(t, got.Error)
	var lists map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(got.Result, &lists))
	list := lists[name]
	if name == "" {
		list = got.Result
	}
	var infos map[string]any
	require.NoError(t, json.Unmarshal(list, &infos))
	for id := range infos {
		ids = append(ids, id)
	}
	return ids
}

func TestOrdersAreFoundByTheClientsNames(t *testing.T) {
	x := New(exampleKey)
	seven := place(t, x, "userref", "7")
	mine := place(t, x, "cl_ord_id", "mine")
	plain := place(t, x)
	for _, list := range []struct{ method, name string }{{"OpenOrders", "open"}, {"ClosedOrders", "closed"}} {
		for _, test := range []struct {
			fields []string
			want   []string
		}{
			{nil, []string{seven, mine, plain}},
			{[]string{"userref", "7"}, []string{seven}},
			{[]string{"userref", "0"}, []string{mine, plain}},
			{[]string{"cl_ord_id", "mine"}, []string{mine}},
			{[]string{"cl_ord_id", "mine", "userref", "7"}, nil},
		} {
			assert.ElementsMatch(t, test.want, found(t, ask(t, x, list.method, test.fields...), list.name), test.fields)
		}
		assert.Equal(t, []string{"EGeneral:Invalid arguments:userref"}, ask(t, x, list.method, "userref", "x").Error)
		assert.Equal(t, []string{"EGeneral:Invalid arguments:trades"}, ask(t, x, list.method, "trades", "x").Error)
		require.Empty(t, ask(t, x, "CancelAll").Error)
	}
}

func TestOrdersAreFoundByTheirIDs(t *testing.T) {
	key := exampleKey
	x := New(key)
	open, closed := place(t, x, "userref", "7"), place(t, x)
	require.Empty(t, ask(t, x, "CancelOrder", "txid", closed).Error)
	const unknown = "OABCDE-FGHIJ-KLMNOP"

	assert.ElementsMatch(t, []string{open, closed}, found(t, ask(t, x, "QueryOrders", "txid", open+", "+closed, "trades", "true"), ""))
	assert.Equal(t, []string{open}, found(t, ask(t, x, "QueryOrders", "txid", open+","+closed, "userref", "7"), ""))
	for txid, refusal := range map[string]string{
		"":                                  "EGeneral:Invalid arguments:txid",
		unknown:                             "EOrder:Unknown order",
		open + "," + unknown:                "EOrder:Unknown order",
		"7":                                 "EOrder:Invalid order",
		strings.Repeat(open+",", 50) + open: "EGeneral:Invalid arguments:txid",
	} {
		assert.Equal(t, []string{refusal}, ask(t, x, "QueryOrders", "txid", txid).Error, txid)
	}

	for mayNot, may := range map[string]string{open: closed, closed: open} {
		key.Permissions = []string{permission.QueryOpenTrades}
		if may == closed {
			key.Permissions = []string{permission.QueryClosedTrades}
		}
		x.SetKey(key)
		assert.Empty(t, ask(t, x, "QueryOrders", "txid", may).Error)
		assert.Equal(t, []string{"EGeneral:Permission denied"}, ask(t, x, "QueryOrders", "txid", may+","+mayNot).Error)
	}
}
