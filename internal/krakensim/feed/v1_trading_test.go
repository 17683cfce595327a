package feed

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestV1ValidatesAnOrderWithoutPlacingIt(t *testing.T) {
	c := newV1Client(t, New())
	for _, value := range []string{`"true"`, `true`} {
		c.exchange(v1Add(`,"validate":`+value),
			`{"descr":"buy 1.00000000 ETHUSD @ limit 2000.00","event":"addOrderStatus","status":"ok"}`)
	}
	c.exchange(v1Add(`,"validate":true,"volume":"1000"`),
		`{"errorMessage":"EOrder:Insufficient funds","event":"addOrderStatus","status":"error"}`)
	assert.Zero(t, c.open())
	c.add(`,"validate":"false"`)
	assert.Equal(t, 1, c.open())
}

func TestV1RefusesOrdersInKrakensWords(t *testing.T) {
	tests := map[string]struct{ fields, refusal string }{
		"a market of v2's":               {`,"pair":"BTC/USD"`, "EQuery:Unknown asset pair"},
		"a volume that is no number":     {`,"volume":"NaN"`, "EGeneral:Invalid arguments:volume"},
		"a price relative to the market": {`,"price":"+2%"`, "EGeneral:Invalid arguments:price"},
		"a second price":                 {`,"price2":"1900"`, "EGeneral:Invalid arguments:price2"},
		"leverage":                       {`,"leverage":"2"`, "EOrder:Cannot open position"},
		"margin":                         {`,"margin":true`, "EOrder:Cannot open position"},
		"a position to reduce":           {`,"reduce_only":true`, "EOrder:Reduce only:No position exists"},
		"a fee in the base currency":     {`,"oflags":"post,fcib"`, "EGeneral:Invalid arguments:oflags"},
		"a start":                        {`,"starttm":"+5"`, "EGeneral:Invalid arguments:starttm"},
		"an end":                         {`,"expiretm":"+5"`, "EGeneral:Invalid arguments:expiretm"},
		"an order that follows":          {`,"close[ordertype]":"limit"`, "EGeneral:Invalid arguments:close[ordertype]"},
		"a trader within the account":    {`,"sender_sub_id":"x"`, "EGeneral:Invalid arguments:sender_sub_id"},
		"a self trade prevention":        {`,"stp_type":"x"`, "EGeneral:Invalid arguments:stp_type"},
		"a reference that is no number":  {`,"userref":"x"`, "EGeneral:Invalid arguments:userref"},
		"two references":                 {`,"cl_ord_id":"x","userref":"1"`, "EGeneral:Invalid arguments"},
		"a deadline":                     {`,"deadline":"x"`, "EGeneral:Invalid arguments:deadline"},
		"a deadline that has passed":     {`,"deadline":"2026-01-01T00:00:00Z"`, "EService:Deadline elapsed"},
	}
	f := New()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newV1Client(t, f)
			c.exchange(v1Add(test.fields), `{"errorMessage":"`+test.refusal+`","event":"addOrderStatus","status":"error"}`)
			assert.Zero(t, c.open())
		})
	}
}

func TestV1TakesFieldsThatChangeNothing(t *testing.T) {
	c := newV1Client(t, New())
	c.add(`,"price2":"0","leverage":"none","margin":false,"reduce_only":false,"oflags":"fciq,nompp","starttm":"0",` +
		`"expiretm":"0","stp_type":"cancel_both","timeinforce":"GTC"`)
	c.add(`,"oflags":""`)
	assert.Equal(t, 2, c.open())
}

func TestV1EditsByCancelingAndReplacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newV1Client(t, New())
		c.add(`,"userref":"3"`)
		c.send(subscribeOpenOrders)
		c.exchange(`{"event":"editOrder","reqid":3,"token":"TOKEN","orderid":"O1","pair":"ETH/USD","price":"1900.5","volume":"2","oflags":"post","newuserref":"666"}`,
			`{"descr":"buy 2.00000000 ETHUSD @ limit 1900.50","event":"editOrderStatus","originaltxid":"O1","reqid":3,"status":"ok","txid":"O2"}`,
			`[[{"O1":{"avg_price":"0.00000","cancel_reason":"Order replaced","cost":"0.00000","fee":"0.00000","lastupdated":"946684800.000000","status":"canceled","userref":3,"vol_exec":"0.00000000"}}],"openOrders",{"sequence":2}]`,
			`[[{"O2":{"avg_price":"0.00000","cost":"0.00000","descr":{"close":null,"leverage":null,"order":"buy 2.00000000 ETH/USD @ limit 1900.50000","ordertype":"limit","pair":"ETH/USD","price":"1900.50000","price2":"0.00000","type":"buy"},"expiretm":null,"fee":"0.00000","limitprice":"0.00000","misc":"","oflags":"fciq,post","opentm":"946684800.000000","refid":null,"starttm":null,"status":"pending","stopprice":"0.00000","timeinforce":"GTC","userref":666,"vol":"2.00000000","vol_exec":"0.00000000"}}],"openOrders",{"sequence":3}]`,
			`[[{"O2":{"status":"open","userref":666}}],"openOrders",{"sequence":4}]`)

		c.exchange(`{"event":"editOrder","token":"TOKEN","orderid":"666","pair":"ETH/USD","price":"1800","validate":"true"}`,
			`{"descr":"buy 2.00000000 ETHUSD @ limit 1800.00","event":"editOrderStatus","status":"ok"}`)
		assert.Equal(t, 1, c.open())
	})
}

func TestV1RefusesEditsInKrakensWords(t *testing.T) {
	tests := map[string]struct{ fields, refusal string }{
		"an unknown order":              {`,"orderid":"OXXXXX-XXXXX-XXXXXX"`, "EOrder:Unknown order"},
		"no order's id":                 {`,"orderid":"x"`, "EOrder:Invalid order"},
		"several orders":                {`,"orderid":"7"`, "EOrder:Unknown order"},
		"no order's reference":          {`,"orderid":"0"`, "EOrder:Unknown order"},
		"an unknown market":             {`,"pair":"XRP/USD"`, "EQuery:Unknown asset pair"},
		"another market":                {`,"pair":"XBT/USD"`, "EGeneral:Invalid arguments:pair"},
		"a part of it is filled":        {`,"orderid":"O2"`, "EGeneral:Invalid arguments:volume"},
		"more than there is":            {`,"volume":"1000"`, "EOrder:Insufficient funds"},
		"a price that is no number":     {`,"price":"x"`, "EGeneral:Invalid arguments:price"},
		"a second price":                {`,"price2":"1"`, "EGeneral:Invalid arguments:price2"},
		"a flag":                        {`,"oflags":"fcib"`, "EGeneral:Invalid arguments:oflags"},
		"a reference that is no number": {`,"newuserref":"x"`, "EGeneral:Invalid arguments:newuserref"},
		"to validate only":              {`,"volume":"1000","validate":true`, "EOrder:Insufficient funds"},
	}
	f := New()
	c := newV1Client(t, f)
	for range 2 {
		c.add(`,"userref":"7"`)
	}
	require.NoError(t, f.Fill(c.id("O2"), 0.5, 0))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c.exchange(`{"event":"editOrder","token":"TOKEN","orderid":"O1","pair":"ETH/USD"`+test.fields+`}`,
				`{"errorMessage":"`+test.refusal+`","event":"editOrderStatus","status":"error"}`)
			assert.Equal(t, 2, c.open())
		})
	}
}

func TestV1AmendsAnOrderThatStaysTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newV1Client(t, New())
		c.add(`,"cl_ord_id":"mine"`)
		c.send(subscribeOpenOrders)
		c.exchange(`{"event":"amendOrder","token":"TOKEN","cl_ord_id":"mine","limit_price":"1900","volume":"2","post_only":true,"pair":"ETH/USD"}`,
			`{"amend_id":"T1","cl_ord_id":"mine","event":"amendOrderStatus","status":"ok"}`,
			`[[{"O1":{"amend_reason":"User requested","amended":true,"avg_price":"0.00000","cl_ord_id":"mine","cost":"0.00000","descr":{"close":null,"leverage":null,"order":"buy 2.00000000 ETH/USD @ limit 1900.00000","ordertype":"limit","pair":"ETH/USD","price":"1900.00000","price2":"0.00000","type":"buy"},"expiretm":null,"fee":"0.00000","lastupdated":"946684800.000000","limitprice":"0.00000","misc":"","oflags":"fciq","opentm":"946684800.000000","refid":null,"starttm":null,"status":"open","stopprice":"0.00000","timeinforce":"GTC","userref":0,"vol":"2.00000000","vol_exec":"0.00000000"}}],"openOrders",{"sequence":2}]`)
		sent := c.send(`{"event":"amendOrder","token":"TOKEN","txid":"O1","volume":"3"}`)
		assert.JSONEq(t, `{"amend_id":"T2","event":"amendOrderStatus","status":"ok","txid":"O1"}`, c.named(sent[0]))

		for fields, refusal := range map[string]string{
			``:                                    "EGeneral:Invalid arguments:txid",
			`,"cl_ord_id":"yours"`:                "EOrder:Unknown order",
			`,"txid":"x"`:                         "EOrder:Invalid order",
			`,"txid":"OXXXXX-XXXXX-XXXXXX"`:       "EOrder:Unknown order",
			`,"txid":"O1"`:                        "EOrder:No amendable parameters specified",
			`,"txid":"O1","cl_ord_id":"mine"`:     "EGeneral:Invalid arguments",
			`,"txid":"O1","pair":"XBT/USD"`:       "EGeneral:Invalid arguments:pair",
			`,"txid":"O1","trigger_price":"1"`:    "EGeneral:Invalid arguments:trigger_price",
			`,"txid":"O1","display_volume":"1"`:   "EGeneral:Invalid arguments:display_volume",
			`,"txid":"O1","limit_price":"-1"`:     "EGeneral:Invalid arguments:limit_price",
			`,"txid":"O1","volume":"1000"`:        "EOrder:Insufficient funds",
			`,"txid":"O1","deadline":"yesterday"`: "EGeneral:Invalid arguments:deadline",
		} {
			c.exchange(`{"event":"amendOrder","token":"TOKEN"`+fields+`}`,
				`{"errorMessage":"`+refusal+`","event":"amendOrderStatus","status":"error"}`)
		}
	})
}

func TestV1AnswersOnceForEachOrderCanceled(t *testing.T) {
	const ok, unknown = `{"event":"cancelOrderStatus","reqid":1234,"status":"ok"}`,
		`{"errorMessage":"EOrder:Unknown order","event":"cancelOrderStatus","reqid":1234,"status":"error"}`
	c := newV1Client(t, New())
	for _, fields := range []string{``, `,"userref":"7"`, `,"userref":"7"`, `,"cl_ord_id":"mine"`, ``} {
		c.add(fields)
	}
	cancel := func(what string) string {
		return `{"event":"cancelOrder","reqid":1234,"token":"TOKEN"` + what + `}`
	}
	c.exchange(cancel(`,"txid":["O1","O1","OXXXXX-XXXXX-XXXXXX"]`), ok, unknown, unknown)
	c.exchange(cancel(`,"txid":["7","8","0"]`), ok, ok, unknown, unknown)
	c.exchange(cancel(`,"cl_ord_id":["mine","yours"]`), ok, unknown)
	c.exchange(cancel(`,"txid":[]`),
		`{"errorMessage":"EGeneral:Invalid arguments:txid","event":"cancelOrderStatus","reqid":1234,"status":"error"}`)
	assert.Equal(t, 1, c.open())
}

func TestV1CancelsAllOrders(t *testing.T) {
	c := newV1Client(t, New())
	c.add("")
	c.add("")
	c.exchange(`{"event":"cancelAll","reqid":1,"token":"TOKEN"}`, `{"count":2,"event":"cancelAllStatus","reqid":1,"status":"ok"}`)
	c.exchange(`{"event":"cancelAll","token":"TOKEN"}`, `{"count":0,"event":"cancelAllStatus","status":"ok"}`)
	assert.Zero(t, c.open())
}

func TestV1CancelsAllOrdersAfterATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		defer f.Close()
		c := newV1Client(t, f)
		c.add("")
		time.Sleep(100 * time.Millisecond)
		c.exchange(`{"event":"cancelAllOrdersAfter","reqid":1608543428050,"timeout":60,"token":"TOKEN"}`,
			`{"currentTime":"2000-01-01T00:00:01Z","event":"cancelAllOrdersAfterStatus","reqid":1608543428050,"status":"ok","triggerTime":"2000-01-01T00:01:01Z"}`)
		c.exchange(`{"event":"cancelAllOrdersAfter","timeout":0,"token":"TOKEN"}`,
			`{"currentTime":"2000-01-01T00:00:01Z","event":"cancelAllOrdersAfterStatus","status":"ok","triggerTime":"0"}`)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		assert.Equal(t, 1, c.open(), "it was switched off")

		c.send(`{"event":"cancelAllOrdersAfter","timeout":60,"token":"TOKEN"}`)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Zero(t, c.open())
		for _, timeout := range []string{"-1", "86400"} {
			c.exchange(`{"event":"cancelAllOrdersAfter","timeout":`+timeout+`,"token":"TOKEN"}`,
				`{"errorMessage":"EGeneral:Invalid arguments:timeout","event":"cancelAllOrdersAfterStatus","status":"error"}`)
		}
	})
}
