package feed

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

// report is a message of executions with one report.
func report(kind string, sequence int, fields string) string {
	return fmt.Sprintf(`{"channel":"executions","type":%q,"sequence":%d,"data":[{%s}]}`, kind, sequence, fields)
}

func TestV2TellsOfAnOrderFromItsBeginningToItsEnd(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	c.subscribe("executions", ``)
	answer, sent := c.call("add_order", `"symbol":"BTC/USD","order_type":"limit","side":"sell","order_qty":0.25,"limit_price":90000,
		"cl_ord_id":"mine","post_only":true`)
	wiretest.Exactly(t, `{"method":"add_order","success":true,"time_in":"*","time_out":"*","result":{"order_id":"*","cl_ord_id":"mine"}}`, answer)
	id := openOrders(f)[0].ID
	mine := `"order_id":"` + id + `","cl_ord_id":"mine","timestamp":"*",`
	require.Len(t, sent, 2)
	wiretest.Exactly(t, report("update", 2, mine+`"exec_type":"pending_new","order_status":"pending_new","symbol":"BTC/USD","side":"sell",
		"order_type":"limit","order_qty":0.25,"limit_price":90000,"limit_price_type":"static","stop_price":0,"time_in_force":"GTC",
		"post_only":true,"cum_cost":0,"fee_usd_equiv":0,"fee_ccy_pref":"fciq"`), sent[0])
	wiretest.Exactly(t, report("update", 3, mine+`"exec_type":"new","order_status":"new"`), sent[1])

	require.NoError(t, f.Fill(id, 0.1, 0))
	first := trades(f)[0].ID
	sent = c.sent()
	require.Len(t, sent, 1)
	wiretest.Exactly(t, report("update", 4, mine+`"exec_type":"trade","order_status":"partially_filled","symbol":"BTC/USD","side":"sell",
		"order_type":"limit","exec_id":"`+first+`","trade_id":1,"last_qty":0.1,"last_price":90000,"cost":9000,"liquidity_ind":"m",
		"fees":[{"asset":"USD","qty":22.5}],"cum_qty":0.1,"cum_cost":9000,"avg_price":90000,"fee_usd_equiv":22.5`), sent[0])

	_, sent = c.call("amend_order", `"order_id":"`+id+`","limit_price":90004`)
	require.Len(t, sent, 1)
	wiretest.Exactly(t, report("update", 5, mine+`"exec_type":"amended","order_status":"partially_filled","amended":true,"reason":"User requested",
		"order_qty":0.25,"cum_qty":0.1,"limit_price":90004,"limit_price_type":"static"`), sent[0])

	require.NoError(t, f.Fill(id, 0, 0))
	sent = c.sent()
	require.Len(t, sent, 2)
	wiretest.Matches(t, report("update", 6, mine+`"exec_type":"trade","order_status":"partially_filled","trade_id":2,"last_qty":0.15,
		"cum_qty":0.25`), sent[0])
	wiretest.Exactly(t, report("update", 7, mine+`"exec_type":"filled","order_status":"filled","cum_qty":0.25,"cum_cost":22500.6,
		"avg_price":90002.4,"fee_usd_equiv":56.2515`), sent[1])
}

func TestV2TellsWhyAnOrderWasCanceled(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	id := c.add(`,"order_userref":7`)
	require.NoError(t, f.Fill(id, 0.1, 0))
	c.subscribe("executions", ``)
	_, sent := c.call("cancel_order", `"order_id":["`+id+`"]`)
	require.Len(t, sent, 1)
	wiretest.Exactly(t, report("update", 2, `"order_id":"`+id+`","order_userref":7,"timestamp":"*","exec_type":"canceled","order_status":"canceled",
		"cum_qty":0.1,"cum_cost":2000,"avg_price":20000,"fee_usd_equiv":5,"reason":"User requested","cancel_reason":"User requested"`), sent[0])

	for _, fields := range []string{`"order_type":"market"`, `"order_type":"limit","limit_price":20000,"time_in_force":"ioc"`} {
		_, sent = c.call("add_order", `"symbol":"BTC/USD","side":"buy","order_qty":0.5,`+fields)
		require.Len(t, sent, 3)
		wiretest.Matches(t, `{"data":[{"exec_type":"pending_new"}]}`, sent[0])
		wiretest.Matches(t, `{"data":[{"exec_type":"new"}]}`, sent[1])
		wiretest.Matches(t, `{"data":[{"exec_type":"canceled","order_userref":0,"reason":"Order has no counterparty"}]}`, sent[2])
	}
}

func TestV2SnapshotsOrdersAndTrades(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	done, open := c.add(`,"cl_ord_id":"done"`), c.add(``)
	require.NoError(t, f.Fill(done, 0, 0))
	require.NoError(t, f.Fill(open, 0.1, 0))
	c.call("amend_order", `"order_id":"`+open+`","limit_price":20001`)

	order := `{"order_id":"` + open + `","order_userref":0,"timestamp":"*","exec_type":"new","order_status":"partially_filled",
		"symbol":"BTC/USD","side":"buy","order_type":"limit","order_qty":0.5,"limit_price":20001,"limit_price_type":"static","stop_price":0,
		"time_in_force":"GTC","fee_ccy_pref":"fciq","amended":true,"cum_qty":0.1,"cum_cost":2000,"avg_price":20000,"fee_usd_equiv":5}`
	trades := `{"order_id":"` + open + `","order_userref":0,"timestamp":"*","exec_type":"trade","order_status":"partially_filled",
		"symbol":"BTC/USD","side":"buy","order_type":"limit","exec_id":"*","trade_id":2,"last_qty":0.1,"last_price":20000,"cost":2000,
		"liquidity_ind":"m","fee_usd_equiv":5,"fees":[{"asset":"USD","qty":5}]},
		{"order_id":"` + done + `","cl_ord_id":"done","timestamp":"*","exec_type":"trade","order_status":"filled",
		"symbol":"BTC/USD","side":"buy","order_type":"limit","exec_id":"*","trade_id":1,"last_qty":0.5,"last_price":20000,"cost":10000,
		"liquidity_ind":"m","fee_usd_equiv":25,"fees":[{"asset":"USD","qty":25}]}`
	for options, test := range map[string]struct{ echoed, data string }{
		``:                    {`"snapshot":true`, order},
		`,"snap_orders":true`: {`"snapshot":true,"snap_orders":true`, order},
		`,"snap_trades":true`: {`"snapshot":true,"snap_trades":true`, order + `,` + trades},
		`,"snap_orders":false,"snap_trades":true`:  {`"snapshot":true,"snap_orders":false,"snap_trades":true`, trades},
		`,"snapshot_trades":true`:                  {`"snapshot":true`, trades},
		`,"snapshot":false`:                        {`"snapshot":false`, ``},
		`,"snap_orders":false`:                     {`"snapshot":false,"snap_orders":false`, ``},
		`,"snapshot":false,"snap_orders":true`:     {`"snapshot":true,"snap_orders":true`, order},
		`,"snap_orders":false,"order_status":true`: {`"snapshot":false,"snap_orders":false`, ``},
	} {
		t.Run(options, func(t *testing.T) {
			sent := newV2Client(t, f).subscribe("executions", options)
			wiretest.Exactly(t, `{"method":"subscribe","success":true,"time_in":"*","time_out":"*","result":{"channel":"executions",
				"maxratecount":180,"warnings":"*",`+test.echoed+`}}`, sent[0])
			if test.data == `` {
				assert.Len(t, sent, 1)
				return
			}
			require.Len(t, sent, 2)
			wiretest.Exactly(t, `{"channel":"executions","type":"snapshot","sequence":1,"data":[`+test.data+`]}`, sent[1])
		})
	}
}

func TestV2SnapshotsTheLastFiftyTrades(t *testing.T) {
	f := New()
	with(f, func(account *paper.Account) {
		for range 51 {
			r := order
			r.Quantity, r.Price = 0.001, 1000
			o, err := account.Place(r, time.Now())
			require.NoError(t, err)
			_, err = account.Fill(o.ID, 0, 0, time.Now())
			require.NoError(t, err)
		}
	})
	got := wiretest.Matches(t, `{"type":"snapshot"}`, newV2Client(t, f).subscribe("executions", `,"snap_trades":true`)[1])
	data := got.(map[string]any)["data"].([]any)
	require.Len(t, data, 50)
	assert.EqualValues(t, 51, data[0].(map[string]any)["trade_id"])
	assert.EqualValues(t, 2, data[49].(map[string]any)["trade_id"])
}

func TestV2SnapshotsTheLastOrderFirst(t *testing.T) {
	c := newV2Client(t, New())
	first, last := c.add(``), c.add(``)
	wiretest.Matches(t, `{"data":[{"order_id":"`+last+`"},{"order_id":"`+first+`"}]}`, c.subscribe("executions", ``)[1])
}

func TestV2TellsABriefSubscriberOnlyWhenOrdersOpenAndClose(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	c.subscribe("executions", `,"order_status":false`)
	answer, sent := c.call("add_order", v2Buy)
	wiretest.Matches(t, `{"success":true}`, answer)
	require.Len(t, sent, 1)
	wiretest.Matches(t, `{"sequence":2,"data":[{"exec_type":"new"}]}`, sent[0])
	id := openOrders(f)[0].ID
	_, sent = c.call("amend_order", `"order_id":"`+id+`","order_qty":1`)
	assert.Empty(t, sent)
	require.NoError(t, f.Fill(id, 0.5, 0))
	assert.Empty(t, c.sent())
	require.NoError(t, f.Fill(id, 0, 0))
	sent = c.sent()
	require.Len(t, sent, 1)
	wiretest.Matches(t, `{"sequence":3,"data":[{"exec_type":"filled"}]}`, sent[0])
}
