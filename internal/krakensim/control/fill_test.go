package control

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnOrderIsFilled(t *testing.T) {
	b := newBench(t)
	placed := b.call("AddOrder", "pair=XBTUSD", "type=buy", "ordertype=limit", "price=100", "volume=2")
	require.Empty(t, placed.Error)
	id := placed.Result["txid"].([]any)[0].(string)
	open := func() map[string]any {
		order, _ := b.call("OpenOrders").Result["open"].(map[string]any)[id].(map[string]any)
		return order
	}
	b.done("POST fill", `{"order_id":"`+id+`","quantity":0.5,"price":90}`)
	assert.Equal(t, "0.50000000", open()["vol_exec"])
	assert.Equal(t, "90.0", open()["price"])

	for _, refused := range []struct{ what, want string }{
		{`"quantity":1.6`, `"error":"EGeneral:Invalid arguments:volume"`}, // more than is left
		{`"price":100.1`, `"error":"EGeneral:Invalid arguments:price"`},   // worse than the order's limit
	} {
		status, text := b.command("POST fill", `{"order_id":"`+id+`",`+refused.what+`}`)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, text, refused.want)
		assert.Equal(t, "0.50000000", open()["vol_exec"], "nothing is done")
	}

	b.done("POST fill", `{"order_id":"`+id+`"}`)
	assert.Empty(t, open())
}
