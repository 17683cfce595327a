package feed

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

const v2BatchBuy = `"order_type":"limit","side":"buy","order_qty":0.5,"limit_price":20000`

// batch is the parameters of a batch_add with the orders given.
func batch(orders ...string) string {
	return `"symbol":"BTC/USD","orders":[{` + strings.Join(orders, `},{`) + `}]`
}

func TestV2PlacesABatchInItsOrder(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	c.subscribe("executions", ``)
	answer, sent := c.call("batch_add", batch(v2BatchBuy+`,"order_userref":1`, v2BatchBuy+`,"limit_price":100,"cl_ord_id":"b"`, v2BatchBuy))
	open := openOrders(f)
	require.Len(t, open, 3)
	wiretest.Exactly(t, `{"method":"batch_add","success":true,"time_in":"*","time_out":"*","result":[{"order_id":"`+open[0].ID+`","order_userref":1},
		{"order_id":"`+open[1].ID+`","cl_ord_id":"b"},{"order_id":"`+open[2].ID+`"}]}`, answer)
	assert.Equal(t, 100.0, open[1].Price)
	assert.Len(t, sent, 6)
}

func TestV2TakesABatchOfFifteen(t *testing.T) {
	f := New()
	small := `"order_type":"limit","side":"buy","order_qty":0.001,"limit_price":20000`
	answer, _ := newV2Client(t, f).call("batch_add", batch(slices.Repeat([]string{small}, maxBatchAdd)...))
	wiretest.Matches(t, `{"success":true}`, answer)
	assert.Len(t, openOrders(f), maxBatchAdd)
}

func TestV2RefusesOneOfABatchForWhatTheAccountHas(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	answer, _ := c.call("batch_add", batch(v2BatchBuy+`,"order_qty":50`, v2BatchBuy, v2BatchBuy+`,"cl_ord_id":"b"`, v2BatchBuy+`,"cl_ord_id":"b"`))
	open := openOrders(f)
	require.Len(t, open, 2)
	wiretest.Exactly(t, `{"method":"batch_add","success":false,"time_in":"*","time_out":"*","result":[{"error":"EOrder:Insufficient funds"},
		{"order_id":"`+open[0].ID+`"},{"order_id":"`+open[1].ID+`","cl_ord_id":"b"},
		{"error":"EGeneral:Invalid arguments:cl_ord_id not unique"}]}`, answer)
}

func TestV2RefusesAWholeBatchForAnOrderThatIsWrong(t *testing.T) {
	for params, want := range map[string]string{
		batch(v2BatchBuy): "EGeneral:Invalid arguments:orders",
		batch(strings.Split(strings.Repeat(v2BatchBuy+";", 16), ";")[:16]...): "EGeneral:Invalid arguments:orders",
		batch(v2BatchBuy, v2BatchBuy+`,"limit_price":-1`):                     "EGeneral:Invalid arguments:price",
		batch(v2BatchBuy, v2BatchBuy+`,"order_qty":"1"`):                      "Order_qty field must be a number_float",
		batch(v2BatchBuy, v2BatchBuy+`,"symbol":"BTC/USD"`):                   "Unsupported field: 'symbol' for the given msg type: batch add",
		batch(v2BatchBuy, v2BatchBuy+`,"triggers":{}`):                        "EGeneral:Invalid arguments:triggers",
		batch(v2BatchBuy, `"order_type":"limit","side":"buy","order_qty":1`):  "Limit_price(s) not found",
		batch(v2BatchBuy, ``):                                                                    "Order_type(s) not found",
		`"symbol":"BTC/USD","orders":[1,2]`:                                                      "Orders field must be an array",
		`"symbol":"BTC/USD","orders":{}`:                                                         "Orders field must be an array",
		`"symbol":"BTC/USD","orders":[null,null]`:                                                "Order_type(s) not found",
		batch(v2BatchBuy, v2BatchBuy) + `,"symbol":"XBT/USD"`:                                    "EQuery:Unknown asset pair",
		batch(v2BatchBuy, v2BatchBuy) + `,"deadline":"soon"`:                                     "EGeneral:Invalid arguments:deadline",
		batch(v2BatchBuy, v2BatchBuy+`,"order_qty":50`) + `,"validate":true`:                     "EOrder:Insufficient funds",
		batch(v2BatchBuy+`,"order_qty":3`, v2BatchBuy+`,"order_qty":3`) + `,"validate":true`:     "EOrder:Insufficient funds", // for both
		batch(v2BatchBuy+`,"cl_ord_id":"b"`, v2BatchBuy+`,"cl_ord_id":"b"`) + `,"validate":true`: "EGeneral:Invalid arguments:cl_ord_id not unique",
	} {
		t.Run(want, func(t *testing.T) {
			f := New()
			answer, rest := newV2Client(t, f).call("batch_add", params)
			wiretest.Exactly(t, fmt.Sprintf(`{"method":"batch_add","success":false,"error":%q,"time_in":"*","time_out":"*"}`, want), answer)
			assert.Empty(t, rest)
			assert.Empty(t, openOrders(f))
		})
	}
}

func TestV2ValidatesABatch(t *testing.T) {
	f := New()
	answer, _ := newV2Client(t, f).call("batch_add", batch(v2BatchBuy, v2BatchBuy)+`,"validate":true`)
	wiretest.Exactly(t, `{"method":"batch_add","success":true,"time_in":"*","time_out":"*",
		"result":[{"validation":"Validated Successfully"},{"validation":"Validated Successfully"}]}`, answer)
	assert.Empty(t, openOrders(f))
}

func TestV2CancelsABatch(t *testing.T) {
	f := New()
	c := newV2Client(t, f)
	id := c.add(``)
	c.add(`,"order_userref":7`)
	c.add(`,"order_userref":7`)
	c.add(`,"cl_ord_id":"mine"`)
	c.add(``)
	answer, _ := c.call("batch_cancel", `"orders":["`+id+`","7","OXXXXX-XXXXX-XXXXXX"],"cl_ord_id":["mine","other"]`)
	wiretest.Exactly(t, `{"method":"batch_cancel","success":true,"result":{"count":4},"time_in":"*","time_out":"*"}`, answer)
	assert.Len(t, openOrders(f), 1)

	many := strings.Repeat(`"1",`, 50)
	for params, want := range map[string]string{
		`"orders":["` + id + `","8"]`:           "EOrder:Unknown order",
		`"orders":["1"]`:                        "EGeneral:Invalid arguments:orders",
		`"orders":[` + many + `"1"]`:            "EGeneral:Invalid arguments:orders",
		`"orders":[1,2]`:                        "Orders field must be an array",
		`"orders":["1"],"cl_ord_id":["x"]`:      "EOrder:Unknown order",
		`"orders":[` + many[:len(many)-1] + `]`: "EOrder:Unknown order",
	} {
		answer, _ := c.call("batch_cancel", params)
		wiretest.Matches(t, fmt.Sprintf(`{"success":false,"error":%q}`, want), answer)
	}
}
