package feed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

func TestV1RefusesSubscriptionsInKrakensWords(t *testing.T) {
	tests := map[string]struct{ message, want string }{
		"an unknown channel": {`{"event":"subscribe","reqid":3,"subscription":{"name":"x","token":"TOKEN"}}`,
			`{"errorMessage":"Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com","event":"subscriptionStatus","reqid":3,"status":"error","subscription":{"name":"x","token":"TOKEN"}}`},
		"a public channel": {`{"event":"subscribe","pair":["XBT/USD"],"subscription":{"name":"ticker"}}`,
			`{"errorMessage":"Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com","event":"subscriptionStatus","status":"error","subscription":{"name":"ticker"}}`},
		"no name": {`{"event":"unsubscribe","subscription":{}}`,
			`{"errorMessage":"Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com","event":"subscriptionStatus","status":"error","subscription":{}}`},
		"no token": {`{"event":"subscribe","subscription":{"name":"ownTrades"}}`,
			`{"errorMessage":"ESession:Invalid session","event":"subscriptionStatus","status":"error","subscription":{"name":"ownTrades"}}`},
		"an unknown token": {`{"event":"subscribe","subscription":{"name":"openOrders","token":"x"}}`,
			`{"errorMessage":"ESession:Invalid session","event":"subscriptionStatus","status":"error","subscription":{"name":"openOrders","token":"x"}}`},
		"not subscribed": {`{"event":"unsubscribe","subscription":{"name":"openOrders","token":"TOKEN"}}`,
			`{"errorMessage":"Subscription Not Found","event":"subscriptionStatus","status":"error","subscription":{"name":"openOrders","token":"TOKEN"}}`},
		"a private channel of a pair": {`{"event":"subscribe","pair":["XBT/USD"],"subscription":{"name":"ownTrades","token":"TOKEN"}}`,
			`{"errorMessage":"Pair field unsupported for this subscription type","event":"subscriptionStatus","status":"error","subscription":{"name":"ownTrades","token":"TOKEN"}}`},
		"an option of the other channel": {`{"event":"subscribe","subscription":{"name":"openOrders","snapshot":false,"token":"TOKEN"}}`,
			`{"errorMessage":"Unsupported field: 'snapshot' for the given msg type: subscribe","event":"subscriptionStatus","status":"error","subscription":{"name":"openOrders","snapshot":false,"token":"TOKEN"}}`},
		"an option that is no boolean": {`{"event":"subscribe","subscription":{"name":"openOrders","ratecounter":1,"token":"TOKEN"}}`,
			`{"errorMessage":"Ratecounter field must be a boolean","event":"subscriptionStatus","status":"error","subscription":{"name":"openOrders","ratecounter":1,"token":"TOKEN"}}`},
	}
	f := New()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { newV1Client(t, f).exchange(test.message, test.want) })
	}
}

func TestV1SubscribesOnce(t *testing.T) {
	c := newV1Client(t, New())
	c.exchange(`{"event":"subscribe","reqid":0,"subscription":{"name":"openOrders","token":"TOKEN"}}`,
		`{"channelName":"openOrders","event":"subscriptionStatus","reqid":0,"status":"subscribed","subscription":{"maxratecount":180,"name":"openOrders"}}`,
		`[[],"openOrders",{"sequence":1}]`)
	c.exchange(subscribeOpenOrders,
		`{"errorMessage":"Already subscribed","event":"subscriptionStatus","status":"error","subscription":{"name":"openOrders","token":"TOKEN"}}`)
	c.exchange(subscribeOwnTrades,
		`{"channelName":"ownTrades","event":"subscriptionStatus","status":"subscribed","subscription":{"name":"ownTrades"}}`,
		`[[],"ownTrades",{"sequence":1}]`)
	c.exchange(`{"event":"unsubscribe","reqid":1,"subscription":{"name":"openOrders","token":"TOKEN"}}`,
		`{"channelName":"openOrders","event":"subscriptionStatus","reqid":1,"status":"unsubscribed","subscription":{"name":"openOrders"}}`)
	c.add("")
	c.gets()
}

func TestV1LeavesTheSnapshotOfTradesOut(t *testing.T) {
	for _, value := range []string{`false`, `"false"`} {
		c := newV1Client(t, New())
		c.exchange(`{"event":"subscribe","subscription":{"name":"ownTrades","snapshot":`+value+`,"token":"TOKEN"}}`,
			`{"channelName":"ownTrades","event":"subscriptionStatus","status":"subscribed","subscription":{"name":"ownTrades"}}`)
	}
}

// The messages wanted have the form of those recorded from Kraken in kraken-async-rs and GoCryptoTrader.
func TestV1TellsTheLifeOfAnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		c := newV1Client(t, f)
		c.send(subscribeOpenOrders)
		c.send(subscribeOwnTrades)

		c.exchange(`{"event":"addOrder","reqid":5,"token":"TOKEN","pair":"XBT/USD","type":"sell","ordertype":"limit","price":"50000","volume":"0.5"}`,
			`{"descr":"sell 0.50000000 XBTUSD @ limit 50000.0","event":"addOrderStatus","reqid":5,"status":"ok","txid":"O1"}`,
			`[[{"O1":{"avg_price":"0.00000","cost":"0.00000","descr":{"close":null,"leverage":null,"order":"sell 0.50000000 XBT/USD @ limit 50000.00000","ordertype":"limit","pair":"XBT/USD","price":"50000.00000","price2":"0.00000","type":"sell"},"expiretm":null,"fee":"0.00000","limitprice":"0.00000","misc":"","oflags":"fciq","opentm":"946684800.000000","refid":null,"starttm":null,"status":"pending","stopprice":"0.00000","timeinforce":"GTC","userref":0,"vol":"0.50000000","vol_exec":"0.00000000"}}],"openOrders",{"sequence":2}]`,
			`[[{"O1":{"status":"open","userref":0}}],"openOrders",{"sequence":3}]`)

		time.Sleep(time.Second)
		require.NoError(t, f.Fill(c.id("O1"), 0.1, 50_001))
		c.gets(
			`[[{"O1":{"avg_price":"50001.00000","cost":"5000.10000","fee":"12.50025","userref":0,"vol_exec":"0.10000000"}}],"openOrders",{"sequence":4}]`,
			`[[{"T1":{"cost":"5000.10000","fee":"12.50025","margin":"0.00000","ordertxid":"O1","ordertype":"limit","pair":"XBT/USD","postxid":"TKH2SE-M7IF5-CFI7LT","price":"50001.00000","time":"946684801.000000","type":"sell","vol":"0.10000000"}}],"ownTrades",{"sequence":2}]`)

		other := newV1Client(t, f)
		other.names = c.names
		other.exchange(subscribeOpenOrders,
			`{"channelName":"openOrders","event":"subscriptionStatus","status":"subscribed","subscription":{"maxratecount":180,"name":"openOrders"}}`,
			`[[{"O1":{"avg_price":"50001.00000","cost":"5000.10000","descr":{"close":null,"leverage":null,"order":"sell 0.50000000 XBT/USD @ limit 50000.00000","ordertype":"limit","pair":"XBT/USD","price":"50000.00000","price2":"0.00000","type":"sell"},"expiretm":null,"fee":"12.50025","limitprice":"0.00000","misc":"","oflags":"fciq","opentm":"946684800.000000","refid":null,"starttm":null,"status":"open","stopprice":"0.00000","timeinforce":"GTC","userref":0,"vol":"0.50000000","vol_exec":"0.10000000"}}],"openOrders",{"sequence":1}]`)

		require.NoError(t, f.Fill(c.id("O1"), 0, 0))
		c.gets(
			`[[{"O1":{"avg_price":"50000.20000","cost":"25000.10000","fee":"62.50025","userref":0,"vol_exec":"0.50000000"}}],"openOrders",{"sequence":5}]`,
			`[[{"T2":{"cost":"20000.00000","fee":"50.00000","margin":"0.00000","ordertxid":"O1","ordertype":"limit","pair":"XBT/USD","postxid":"TKH2SE-M7IF5-CFI7LT","price":"50000.00000","time":"946684801.000000","type":"sell","vol":"0.40000000"}}],"ownTrades",{"sequence":3}]`,
			`[[{"O1":{"avg_price":"50000.20000","cost":"25000.10000","fee":"62.50025","lastupdated":"946684801.000000","status":"closed","userref":0,"vol_exec":"0.50000000"}}],"openOrders",{"sequence":6}]`)

		other.bench.sent()
		other.exchange(subscribeOwnTrades,
			`{"channelName":"ownTrades","event":"subscriptionStatus","status":"subscribed","subscription":{"name":"ownTrades"}}`,
			`[[{"T2":{"cost":"20000.00000","fee":"50.00000","margin":"0.00000","ordertxid":"O1","ordertype":"limit","pair":"XBT/USD","postxid":"TKH2SE-M7IF5-CFI7LT","price":"50000.00000","time":"946684801.000000","type":"sell","vol":"0.40000000"}},{"T1":{"cost":"5000.10000","fee":"12.50025","margin":"0.00000","ordertxid":"O1","ordertype":"limit","pair":"XBT/USD","postxid":"TKH2SE-M7IF5-CFI7LT","price":"50001.00000","time":"946684801.000000","type":"sell","vol":"0.10000000"}}],"ownTrades",{"sequence":1}]`)
	})
}

func TestV1TellsWhatAnOrderIsCalled(t *testing.T) {
	f := New()
	c := newV1Client(t, f)
	c.send(subscribeOpenOrders)
	c.send(subscribeOwnTrades)
	sent := c.send(v1Add(`,"cl_ord_id":"mine","oflags":"post,nompp"`))
	require.Len(t, sent, 3)
	assert.Contains(t, sent[0], `"cl_ord_id":"mine"`)
	assert.Contains(t, sent[1], `"cl_ord_id":"mine"`)
	assert.Contains(t, sent[1], `"oflags":"fciq,post"`)
	c.named(sent[0])
	require.NoError(t, f.Fill(c.id("O1"), 0, 0))
	assert.Contains(t, c.bench.sent()[1], `"cl_ord_id":"mine"`)

	c.add(`,"userref":"7"`)
	require.NoError(t, f.Fill(c.id("O2"), 0, 0))
	assert.Contains(t, c.bench.sent()[1], `"userref":7`)
	snapshot := newV1Client(t, f).send(subscribeOwnTrades)[1]
	assert.NotContains(t, snapshot, "userref", "only updates have it")
	assert.NotContains(t, snapshot, "cl_ord_id", "only updates have it")
}

func TestV1ShowsTheLastFiftyTrades(t *testing.T) {
	f := New()
	with(f, func(account *paper.Account) {
		o, err := account.Place(order, time.Now())
		require.NoError(t, err)
		for range maxTradesShown + 1 {
			_, err := account.Fill(o.ID, 0.001, 0, time.Now())
			require.NoError(t, err)
		}
	})
	c := newV1Client(t, f)
	snapshot := c.send(subscribeOwnTrades)[1]
	assert.Equal(t, maxTradesShown, strings.Count(snapshot, "ordertxid"))
	with(f, func(account *paper.Account) {
		trades := account.Trades()
		assert.NotContains(t, snapshot, trades[0].ID)
		assert.True(t, strings.HasPrefix(snapshot, fmt.Sprintf(`[[{"%s"`, trades[maxTradesShown].ID)), "the last one first")
	})
}

func TestV1TellsTheRateCounterToWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		c := newV1Client(t, f)
		c.exchange(`{"event":"subscribe","subscription":{"name":"openOrders","ratecounter":"true","token":"TOKEN"}}`,
			`{"channelName":"openOrders","event":"subscriptionStatus","status":"subscribed","subscription":{"maxratecount":180,"name":"openOrders"}}`,
			`[[],"openOrders",{"sequence":1}]`)
		c.add("")
		c.exchange(`{"event":"cancelOrder","token":"TOKEN","txid":["O1"]}`,
			`{"event":"cancelOrderStatus","status":"ok"}`,
			`[[{"O1":{"avg_price":"0.00000","cancel_reason":"User requested","cost":"0.00000","fee":"0.00000","lastupdated":"946684800.000000","ratecount":9,"status":"canceled","userref":0,"vol_exec":"0.00000000"}}],"openOrders",{"sequence":4}]`)
		c.add("")
		other := newV1Client(t, f)
		assert.NotContains(t, other.send(subscribeOpenOrders)[1], "ratecount")
	})
}
