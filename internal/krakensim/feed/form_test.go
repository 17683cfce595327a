package feed

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

// TestV2LooksAtEachField has an order that could be placed, but for one field, which is there twice: the last one counts.
func TestV2LooksAtEachField(t *testing.T) {
	for field, want := range map[string]string{
		`"token":5`:                         `Token field must be a string`,
		`"order_qty":"1"`:                   `Order_qty field must be a number_float`,
		`"order_qty":null`:                  `Order_qty field must be a number_float`,
		`"limit_price":"1"`:                 `Limit_price field must be a number_float`,
		`"limit_price":1e400`:               `Limit_price field must be a number_float`,
		`"side":1`:                          `Side field must be a string`,
		`"post_only":"true"`:                `Post_only field must be a boolean`,
		`"validate":1`:                      `Validate field must be a boolean`,
		`"order_userref":1.5`:               `Order_userref field must be a number_integer`,
		`"order_userref":"1"`:               `Order_userref field must be a number_integer`,
		`"triggers":1`:                      `Triggers field must be an object`,
		`"price":1`:                         `Unsupported field: 'price' for the given msg type: add order`,
		`"userref":1`:                       `Unsupported field: 'userref' for the given msg type: add order`,
		`"leverage":2`:                      `Unsupported field: 'leverage' for the given msg type: add order`,
		`"triggers":{"price":1}`:            `EGeneral:Invalid arguments:triggers`,
		`"conditional":{}`:                  `EGeneral:Invalid arguments:conditional`,
		`"margin":true`:                     `EOrder:Cannot open position`,
		`"reduce_only":true`:                `EOrder:Reduce only:No position exists`,
		`"display_qty":0.1`:                 `EGeneral:Invalid arguments:display_qty`,
		`"cash_order_qty":10`:               `EGeneral:Invalid arguments:cash_order_qty`,
		`"expire_time":"2030-01-01T0:0:0Z"`: `EGeneral:Invalid arguments:expire_time`,
		`"time_in_force":"gtd"`:             `EGeneral:Invalid arguments:time_in_force`,
		`"time_in_force":"GTC"`:             `EGeneral:Invalid arguments:time_in_force`,
		`"limit_price_type":"pct"`:          `EGeneral:Invalid arguments:limit_price_type`,
		`"fee_preference":"base"`:           `EGeneral:Invalid arguments:fee_preference`,
		`"stp_type":"cancel-newest"`:        `EGeneral:Invalid arguments:stp_type`,
		`"cl_ord_id":"a","order_userref":1`: `EGeneral:Invalid arguments`,
		`"margin":false`:                    ``,
		`"no_mpp":true`:                     ``,
		`"stp_type":"cancel_both"`:          ``,
		`"limit_price_type":"static"`:       ``,
		`"limit_price":21000`:               ``,
	} {
		t.Run(field, func(t *testing.T) {
			f := New()
			c := newV2Client(t, f)
			sent := c.ask(`{"method":"add_order","params":{` + v2Buy + `,"token":"TOKEN",` + field + `}}`)
			require.Len(t, sent, 1)
			if want == "" {
				wiretest.Matches(t, `{"success":true}`, sent[0])
				return
			}
			wiretest.Exactly(t, fmt.Sprintf(`{"method":"add_order","success":false,"error":%q,"time_in":"*","time_out":"*"}`, want), sent[0])
			assert.Empty(t, openOrders(f))
		})
	}
}

func TestV2NamesAFieldThatIsMissing(t *testing.T) {
	for _, test := range []struct{ method, params, want string }{
		{"add_order", `"symbol":"BTC/USD","side":"buy","order_qty":1`, "Order_type(s) not found"},
		{"add_order", `"symbol":"BTC/USD","order_type":"limit","order_qty":1`, "Side(s) not found"},
		{"add_order", `"symbol":"BTC/USD","order_type":"limit","side":"buy"`, "Order_qty(s) not found"},
		{"add_order", `"order_type":"limit","side":"buy","order_qty":1`, "Symbol(s) not found"},
		{"add_order", `"symbol":"BTC/USD","order_type":"limit","side":"buy","order_qty":1`, "Limit_price(s) not found"},
		{"amend_order", `"limit_price":1`, "Order_id(s) not found"},
		{"edit_order", `"symbol":"BTC/USD"`, "Order_id(s) not found"},
		{"edit_order", `"order_id":"O"`, "Symbol(s) not found"},
		{"cancel_order", ``, "Order_id(s) not found"},
		{"cancel_order", `"order_id":[]`, "Order_id(s) not found"},
		{"cancel_all_orders_after", ``, "Timeout(s) not found"},
		{"batch_add", `"symbol":"BTC/USD"`, "Orders(s) not found"},
		{"batch_add", `"orders":[]`, "Symbol(s) not found"},
	} {
		t.Run(test.method+" "+test.want, func(t *testing.T) {
			answer, _ := newV2Client(t, New()).call(test.method, test.params)
			wiretest.Matches(t, fmt.Sprintf(`{"method":%q,"success":false,"error":%q}`, test.method, test.want), answer)
		})
	}
}

func TestADeadlineIsHalfASecondAheadAtLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is 2000-01-01T00:00:00Z
		for deadline, want := range map[string]string{
			"2000-01-01T00:00:00.499Z": `{"error":"EGeneral:Invalid arguments:deadline"}`,
			"2000-01-01T00:00:00.5Z":   `{"success":true}`,
		} {
			answer, _ := newV2Client(t, New()).call("add_order", v2Buy+`,"deadline":"`+deadline+`"`)
			wiretest.Matches(t, want, answer)
		}
	})
}

func TestV2LooksAtTheDeadline(t *testing.T) {
	for _, test := range []struct{ method, params string }{
		{"add_order", v2Buy},
		{"amend_order", `"cl_ord_id":"x"`},
		{"edit_order", `"order_id":"x","symbol":"BTC/USD"`},
		{"batch_add", batch(v2BatchBuy, v2BatchBuy)},
	} {
		answer, _ := newV2Client(t, New()).call(test.method, test.params+`,"deadline":"2000-01-01T00:00:00.000Z"`)
		wiretest.Matches(t, `{"success":false,"error":"EService:Deadline elapsed"}`, answer)
	}
}

// TestWhatIsWrongIsToldInOneOrder has requests with everything wrong: a field's type, a value, the deadline and the token. Each
// is put right in turn.
func TestWhatIsWrongIsToldInOneOrder(t *testing.T) {
	const v1Order = `{"event":"addOrder","token":"x","pair":"ETH/USD","type":"buy","ordertype":"limit","volume":"1","price":"x"`
	const v2OrderForm = `{"method":"add_order","params":{"token":"x","symbol":"BTC/USD","order_type":"limit","side":"hold","order_qty":1`
	for _, step := range []struct{ v1, v2, want string }{
		{`,"oflags":1,"stp_type":"x","deadline":"x"`, `,"post_only":1,"stp_type":"x","deadline":"x"`, "field must be"},
		{`,"stp_type":"x","deadline":"x"`, `,"stp_type":"x","deadline":"x"`, "EGeneral:Invalid arguments:stp_type"},
		{`,"deadline":"x"`, `,"deadline":"x"`, "EGeneral:Invalid arguments:deadline"},
		{``, ``, "ESession:Invalid session"},
	} {
		first := newBench(New(), v1{}).receive([]byte(v1Order + step.v1 + `}`))
		second := newBench(New(), v2{}).receive([]byte(v2OrderForm + step.v2 + `}}`))
		assert.Contains(t, first[0], step.want)
		assert.Contains(t, second[0], step.want)
	}
}
