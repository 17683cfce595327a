package paper

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var now = time.Unix(1_700_000_000, 0)

// buy is an order for bitcoins, and sell one for ether.
var (
	buy  = Request{Pair: Pairs[0], Side: "buy", Type: "limit", Quantity: 0.5, Price: 20_000}
	sell = Request{Pair: Pairs[1], Side: "sell", Type: "limit", Quantity: 10, Price: 3_000.5}
)

func with(r Request, change func(r *Request)) Request {
	change(&r)
	return r
}

// place places an order that can be placed, and forgets the events.
func place(t *testing.T, a *Account, r Request) Order {
	t.Helper()
	o, err := a.Place(r, now)
	require.NoError(t, err)
	a.TakeEvents()
	return o
}

// happened is the account's events, in short.
func happened(a *Account) (types []EventType) {
	for _, e := range a.TakeEvents() {
		types = append(types, e.Type)
	}
	return types
}

func TestOrdersAreRefusedInKrakensWords(t *testing.T) {
	for name, test := range map[string]struct {
		request Request
		want    Refusal // "" if it can be placed
	}{
		"a good one":                    {buy, ""},
		"a side that there isn't":       {with(buy, func(r *Request) { r.Side = "hold" }), "EGeneral:Invalid arguments:type"},
		"a type that there isn't":       {with(buy, func(r *Request) { r.Type = "iceberg" }), "EGeneral:Invalid arguments:ordertype"},
		"a time in force":               {with(buy, func(r *Request) { r.TimeInForce = "GTD" }), "EGeneral:Invalid arguments:timeinforce"},
		"post only, and not to rest":    {with(buy, func(r *Request) { r.PostOnly, r.TimeInForce = true, "IOC" }), "EGeneral:Invalid arguments:post_only"},
		"a client's UUID":               {with(buy, func(r *Request) { r.ClientID = "6d1b345e-2821-40e2-ad83-4ecb18a06876" }), ""},
		"the same without dashes":       {with(buy, func(r *Request) { r.ClientID = "da8e4ad59b78481c93e589746b0cf91f" }), ""},
		"a client's text":               {with(buy, func(r *Request) { r.ClientID = "arb-20240509-00010" }), ""},
		"a client's text, too long":     {with(buy, func(r *Request) { r.ClientID = "arb-20240509-000100" }), "EGeneral:Invalid arguments:cl_ord_id"},
		"a client's number, too large":  {with(buy, func(r *Request) { r.Userref = 1 << 31 }), "EGeneral:Invalid arguments:userref"},
		"the least of them":             {with(buy, func(r *Request) { r.Userref = -1 << 31 }), ""},
		"both of a client's ids":        {with(buy, func(r *Request) { r.ClientID, r.Userref = "arb", 1 }), "EGeneral:Invalid arguments"},
		"post only, at market":          {with(buy, func(r *Request) { r.PostOnly, r.Type = true, "market" }), "EGeneral:Invalid arguments:post_only"},
		"with what isn't there":         {with(buy, func(r *Request) { r.Margin = true }), "EOrder:Cannot open position"},
		"to reduce what isn't there":    {with(buy, func(r *Request) { r.ReduceOnly = true }), "EOrder:Reduce only:No position exists"},
		"no volume":                     {with(buy, func(r *Request) { r.Quantity = 0 }), Invalid("volume")},
		"less than nothing":             {with(buy, func(r *Request) { r.Quantity = -1 }), Invalid("volume")},
		"at less than nothing":          {with(buy, func(r *Request) { r.Price = -1 }), Invalid("price")},
		"a side in capitals":            {with(buy, func(r *Request) { r.Side = "Buy" }), Invalid("type")},
		"no number":                     {with(buy, func(r *Request) { r.Quantity = math.NaN() }), Invalid("volume")},
		"less than a volume can tell":   {with(buy, func(r *Request) { r.Quantity = 1e-9 }), Invalid("volume")},
		"no price":                      {with(buy, func(r *Request) { r.Price = 0 }), Invalid("price")},
		"a price between two ticks":     {with(buy, func(r *Request) { r.Price = 20_000.05 }), "EOrder:Invalid price:XBTUSD price can only be specified up to 1 decimals."},
		"less than the least volume":    {with(buy, func(r *Request) { r.Quantity = 0.00004999 }), "EGeneral:Invalid arguments:volume minimum not met"},
		"the least volume":              {with(buy, func(r *Request) { r.Quantity = 0.00005 }), ""},
		"less than the least cost":      {with(buy, func(r *Request) { r.Price = 0.9 }), "EOrder:Cost minimum not met"},
		"more dollars than there are":   {with(buy, func(r *Request) { r.Quantity = 5 }), "EOrder:Insufficient funds"},
		"more than any number":          {with(buy, func(r *Request) { r.Quantity, r.Price = 1e308, 1e308 }), Invalid("volume")},
		"dearer than anything":          {with(sell, func(r *Request) { r.Price = 1e9 + 1 }), Invalid("price")},
		"market, and affordable":        {with(buy, func(r *Request) { r.Type, r.Quantity = "market", 1.99 }), ""}, // of 50,000 dollars each
		"market, and not affordable":    {with(buy, func(r *Request) { r.Type, r.Quantity = "market", 2 }), "EOrder:Insufficient funds"},
		"the last of the dollars":       {with(buy, func(r *Request) { r.Quantity = 4.98753117 }), ""}, // 99,750.62 and a fee of 249.38
		"a bit more, for the fee":       {with(buy, func(r *Request) { r.Quantity = 4.9875312 }), "EOrder:Insufficient funds"},
		"all the ether":                 {with(sell, func(r *Request) { r.Quantity = 50 }), ""},
		"more ether than there is":      {with(sell, func(r *Request) { r.Quantity = 50.00000001 }), "EOrder:Insufficient funds"},
		"market, whatever the price":    {with(buy, func(r *Request) { r.Type, r.Price = "market", -1 }), ""},
		"to be filled at once or never": {with(buy, func(r *Request) { r.TimeInForce = "IOC" }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := NewAccount()
			err := a.Check(test.request)
			assert.Empty(t, a.Open(), "to check places nothing")
			_, placed := a.Place(test.request, now)
			assert.Equal(t, err, placed, "both say the same")
			if test.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.Equal(t, test.want, err)
			assert.Empty(t, a.Open())
			assert.Empty(t, a.TakeEvents())
		})
	}
}

func TestALimitOrderRestsUntilItIsCanceled(t *testing.T) {
	a := NewAccount()
	o, err := a.Place(with(buy, func(r *Request) { r.ClientID = "mine" }), now)
	require.NoError(t, err)
	assert.Regexp(t, `^O[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}$`, o.ID)
	assert.Equal(t, []EventType{PendingNew, New}, happened(a))
	assert.Equal(t, []Order{o}, a.Open())
	assert.InDelta(t, 10_025, a.Held("USD"), 1e-9, "with the fee")
	assert.Zero(t, a.Held("BTC"))
	assert.EqualValues(t, 100_000, a.Balance("USD"), "held, not gone")
	assert.Equal(t, "buy 0.50000000 XBTUSD @ limit 20000.0", o.Describe("XBTUSD"))

	_, err = a.Place(with(sell, func(r *Request) { r.ClientID = "mine" }), now)
	assert.Equal(t, Refusal("EGeneral:Invalid arguments:cl_ord_id not unique"), err)

	later := now.Add(time.Minute)
	o, err = a.Cancel(o.ID, later)
	require.NoError(t, err)
	assert.Equal(t, []any{Canceled, "User requested", later}, []any{o.Status, o.Reason, o.Closed})
	assert.Equal(t, []EventType{WasCanceled}, happened(a))
	assert.Empty(t, a.Open())
	assert.Equal(t, []Order{o}, a.Closed())
	assert.Zero(t, a.Held("USD"))
	_, err = a.Cancel(o.ID, later)
	assert.Equal(t, UnknownOrder, err)
	_, err = a.Cancel("mine", later)
	assert.Equal(t, InvalidOrder, err)
	recalled, err := a.Recall(o.ID)
	require.NoError(t, err)
	assert.Equal(t, o, recalled)
	_, err = a.Recall("mine")
	assert.Equal(t, InvalidOrder, err)
	_, there := a.Find(o.ID)
	assert.False(t, there)
}

func TestOrdersAreCheckedAsIfTheyWerePlaced(t *testing.T) {
	a := NewAccount()
	place(t, a, with(buy, func(r *Request) { r.ClientID = "taken" }))
	before := a.Open()
	half := with(buy, func(r *Request) { r.Quantity = 2.2 }) // 44,110 of 89,975 dollars that are left
	named := with(buy, func(r *Request) { r.ClientID = "mine" })
	market := with(buy, func(r *Request) { r.Type, r.Quantity = "market", 1 }) // which holds nothing for long
	assert.NoError(t, a.Check())
	assert.NoError(t, a.Check(half, half, sell))
	assert.NoError(t, a.Check(market, market, market))
	assert.Equal(t, Refusal("EOrder:Insufficient funds"), a.Check(half, half, half))
	assert.Equal(t, Refusal("EGeneral:Invalid arguments:cl_ord_id not unique"), a.Check(named, named))
	assert.Equal(t, Refusal("EOrder:Orders limit exceeded"), a.Check(slices.Repeat([]Request{
		with(buy, func(r *Request) { r.Quantity = 0.001 })}, maxOpen)...))
	assert.Equal(t, before, a.Open())
	assert.Empty(t, a.Closed())
	assert.Empty(t, a.TakeEvents())
}

func TestWhatOneOrderHoldsAnotherCannotHave(t *testing.T) {
	for _, r := range []Request{
		with(buy, func(r *Request) { r.Quantity = 3 }),   // 60,150 of 100,000 dollars
		with(sell, func(r *Request) { r.Quantity = 30 }), // of 50
	} {
		a := NewAccount()
		first := place(t, a, r)
		_, err := a.Place(r, now)
		assert.Equal(t, Refusal("EOrder:Insufficient funds"), err)
		_, err = a.Cancel(first.ID, now)
		require.NoError(t, err)
		place(t, a, r)
	}
}

func TestWhatDoesNotRestIsCanceledAtOnce(t *testing.T) {
	for _, change := range []func(r *Request){
		func(r *Request) { r.Type = "market" },
		func(r *Request) { r.TimeInForce = "IOC" },
	} {
		a := NewAccount()
		_, err := a.Place(with(buy, change), now)
		require.NoError(t, err)
		assert.Equal(t, []EventType{PendingNew, New, WasCanceled}, happened(a))
		assert.Empty(t, a.Open())
		assert.Equal(t, "Order has no counterparty", a.Closed()[0].Reason)
	}
	assert.Equal(t, "sell 1.00000000 X @ market", Request{Side: "sell", Type: "market", Quantity: 1}.Describe("X"))
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	a := NewAccount()
	for range maxOpen {
		place(t, a, with(buy, func(r *Request) { r.Quantity, r.Price = 0.001, 1_000 }))
	}
	_, err := a.Place(buy, now)
	assert.Equal(t, Refusal("EOrder:Orders limit exceeded"), err)
	assert.NoError(t, a.Check(sell), "the limit is a pair's")
	oldest := a.Open()[0]
	edited, err := a.Edit(oldest.ID, Change{}, now)
	require.NoError(t, err, "one for another can always be had")
	assert.Equal(t, maxOpen, a.CancelAll(now))

	for range maxTrades + 1 {
		o := place(t, a, with(buy, func(r *Request) { r.Quantity, r.Price = 0.001, 1_000 }))
		_, err := a.Fill(o.ID, 0, 0, now)
		require.NoError(t, err)
	}
	assert.Len(t, a.Trades(), maxTrades)
	assert.EqualValues(t, 2, a.Trades()[0].Number)
	assert.Len(t, a.Closed(), maxClosed)
	assert.NotContains(t, a.Closed(), edited)
}

func TestAllOfAnAssetCanBeOrderedInParts(t *testing.T) {
	a := NewAccount()
	tenth := with(buy, func(r *Request) { r.Side, r.Quantity = "sell", 0.1 }) // of a bitcoin, which binary numbers don't have
	for range 20 {
		place(t, a, tenth)
	}
	assert.Equal(t, a.Balance("BTC"), a.Held("BTC"))
	assert.Equal(t, Refusal("EOrder:Insufficient funds"), a.Check(tenth))
}
