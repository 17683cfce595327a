package feed

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestV2AnswersForEachCanceledOrder(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	first, second := c.add(``), c.add(``)
	c.add(`,"cl_ord_id":"mine"`)
	third, fourth := c.add(`,"order_userref":7`), c.add(`,"order_userref":7`)
	last := c.add(``)

	sent := c.ask(`{"method":"cancel_order","req_id":1,"params":{"token":"TOKEN","order_id":["` + first + `","OXXXXX-XXXXX-XXXXXX","` +
		second + `","` + second + `","x"]}}`)
	require.Len(t, sent, 5)
	const answer = `{"method":"cancel_order","req_id":1,"time_in":"*","time_out":"*",%s}`
	wiretest.Exactly(t, fmt.Sprintf(answer, `"success":true,"result":{"order_id":"`+first+`"}`), sent[0])
	wiretest.Exactly(t, fmt.Sprintf(answer, `"success":false,"error":"EOrder:Unknown order"`), sent[1])
	wiretest.Exactly(t, fmt.Sprintf(answer, `"success":true,"result":{"order_id":"`+second+`"}`), sent[2])
	wiretest.Exactly(t, fmt.Sprintf(answer, `"success":false,"error":"EOrder:Unknown order"`), sent[3])
	wiretest.Exactly(t, fmt.Sprintf(answer, `"success":false,"error":"EOrder:Invalid order"`), sent[4])

	sent = c.ask(`{"method":"cancel_order","params":{"token":"TOKEN","cl_ord_id":["mine","mine"]}}`)
	require.Len(t, sent, 2)
	wiretest.Matches(t, `{"success":true,"result":{"cl_ord_id":"mine"}}`, sent[0])
	wiretest.Matches(t, `{"success":false,"error":"EOrder:Unknown order"}`, sent[1])

	sent = c.ask(`{"method":"cancel_order","params":{"token":"TOKEN","order_userref":[7,8,0]}}`)
	require.Len(t, sent, 4)
	wiretest.Matches(t, `{"success":true,"result":{"order_id":"`+third+`"}}`, sent[0])
	wiretest.Matches(t, `{"success":true,"result":{"order_id":"`+fourth+`"}}`, sent[1])
	for _, unknown := range sent[2:] {
		wiretest.Matches(t, `{"success":false,"error":"EOrder:Unknown order"}`, unknown)
	}

	open := openOrders(f)
	require.Len(t, open, 1)
	assert.Equal(t, last, open[0].ID)
}

func TestV2CancelsByOneKindOfName(t *testing.T) {
	for params, want := range map[string]string{
		`"order_id":"x"`:                                     "Order_id field must be an array",
		`"order_id":[1]`:                                     "Order_id field must be an array",
		`"order_userref":["1"]`:                              "Order_userref field must be an array",
		`"order_id":["x"],"cl_ord_id":["y"]`:                 "EGeneral:Invalid arguments",
		`"order_id":["x"],"order_userref":[1]`:               "EGeneral:Invalid arguments",
		`"order_id":[],"cl_ord_id":[],"order_userref":[]`:    "Order_id(s) not found",
		`"order_id":["x"],"cl_ord_id":[],"order_userref":[]`: "EOrder:Invalid order",
	} {
		answer, rest := newV2Client(t, New()).call("cancel_order", params)
		wiretest.Matches(t, fmt.Sprintf(`{"success":false,"error":%q}`, want), answer)
		assert.Empty(t, rest)
	}
}

func TestV2CancelsAll(t *testing.T) {
	c := newV2Client(t, New())
	c.add(``)
	c.add(``)
	c.subscribe("executions", ``)
	answer, sent := c.call("cancel_all", ``)
	wiretest.Exactly(t, `{"method":"cancel_all","success":true,"result":{"count":2},"time_in":"*","time_out":"*"}`, answer)
	require.Len(t, sent, 2)
	wiretest.Matches(t, `{"data":[{"exec_type":"canceled","reason":"User requested"}]}`, sent[0])
	answer, sent = c.call("cancel_all", ``)
	wiretest.Matches(t, `{"success":true,"result":{"count":0}}`, answer)
	assert.Empty(t, sent)
}

func TestV2CancelsAllAfterATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		defer f.Close()
		c := newV2Client(t, f)
		c.add(``)
		c.subscribe("executions", ``)
		time.Sleep(time.Second + 200*time.Millisecond) // the bubble began at midnight
		answer, _ := c.call("cancel_all_orders_after", `"timeout":60`)
		wiretest.Exactly(t, `{"method":"cancel_all_orders_after","success":true,"time_in":"2000-01-01T00:00:01.200000Z","time_out":"*",
			"result":{"currentTime":"2000-01-01T00:00:02Z","triggerTime":"2000-01-01T00:01:02Z"}}`, answer)
		answer, _ = c.call("cancel_all_orders_after", `"timeout":0`)
		wiretest.Matches(t, `{"success":true,"result":{"currentTime":"2000-01-01T00:00:02Z","triggerTime":"0"}}`, answer)
		c.call("cancel_all_orders_after", `"timeout":1`)
		time.Sleep(time.Second - 1)
		synctest.Wait()
		assert.Empty(t, c.sent())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		sent := c.sent()
		require.Len(t, sent, 1, "it is time")
		wiretest.Matches(t, `{"data":[{"exec_type":"canceled","reason":"CancelAllOrdersAfter Timeout"}]}`, sent[0])
	})
	for _, timeout := range []string{"-1", "86400", "9223372036854775807"} {
		answer, _ := newV2Client(t, New()).call("cancel_all_orders_after", `"timeout":`+timeout)
		wiretest.Matches(t, `{"success":false,"error":"EGeneral:Invalid arguments:timeout"}`, answer)
	}
	answer, _ := newV2Client(t, New()).call("cancel_all_orders_after", `"timeout":"60"`)
	wiretest.Matches(t, `{"success":false,"error":"Timeout field must be a number_integer"}`, answer)
}
