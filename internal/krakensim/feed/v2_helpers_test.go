package feed

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// v2Client is a client of v2 with a token. TOKEN in what it sends stands for that.
type v2Client struct {
	bench
	t     *testing.T
	token string
}

func newV2Client(t *testing.T, f *Feed) v2Client {
	return v2Client{newBench(f, v2{}), t, f.NewToken(trader)}
}

// ask sends a message, and returns what comes back.
func (c v2Client) ask(message string) []string {
	c.t.Helper()
	return c.receive([]byte(strings.ReplaceAll(message, "TOKEN", c.token)))
}

// call is ask for a method with the parameters given and the token; the first message that comes back is its answer.
func (c v2Client) call(method, params string) (answer string, rest []string) {
	c.t.Helper()
	if params != "" {
		params += ","
	}
	sent := c.ask(`{"method":"` + method + `","params":{` + params + `"token":"TOKEN"}}`)
	require.NotEmpty(c.t, sent)
	return sent[0], sent[1:]
}

// add places an order for bitcoins with the fields given beside, and returns its id. What is told of it goes by.
func (c v2Client) add(fields string) string {
	c.t.Helper()
	answer, _ := c.call("add_order", v2Buy+fields)
	var placed struct {
		Result struct {
			OrderID string `json:"order_id"`
		}
	}
	require.NoError(c.t, json.Unmarshal([]byte(answer), &placed))
	require.Regexp(c.t, orderID, placed.Result.OrderID, answer)
	return placed.Result.OrderID
}

// subscribe subscribes, and returns the answer and the snapshot, if any.
func (c v2Client) subscribe(channel, options string) []string {
	c.t.Helper()
	answer, rest := c.call("subscribe", `"channel":"`+channel+`"`+options)
	return append([]string{answer}, rest...)
}

const v2Buy = `"symbol":"BTC/USD","order_type":"limit","side":"buy","order_qty":0.5,"limit_price":20000`
