package krakensim

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddOrderTakesWhatThePaperAccountKnows(t *testing.T) {
	placed := func(order string) string {
		return `{"error":[],"result":{"txid":["*"],"descr":{"order":"` + order + `"}}}`
	}
	refused := func(refusal string) string { return `{"error":["` + refusal + `"]}` }
	invalid := func(field string) string { return refused("EGeneral:Invalid arguments:" + field) }
	usual := placed("buy 0.01000000 XBTUSD @ limit 20000.0")

	tests := map[string]struct {
		fields []string // beside, or instead of, those of place
		want   string
	}{
		"a limit order":                {nil, usual},
		"a pair by its id":             {[]string{"pair", "XXBTZUSD"}, usual},
		"a pair by its name":           {[]string{"pair", "XBT/USD"}, usual},
		"a market order":               {[]string{"ordertype", "market"}, placed("buy 0.01000000 XBTUSD @ market")},
		"another pair":                 {[]string{"pair", "ETHUSD", "type", "sell", "price", "2500.5"}, placed("sell 0.01000000 ETHUSD @ limit 2500.50")},
		"a post-only order":            {[]string{"oflags", "post"}, usual},
		"flags that are usual":         {[]string{"oflags", "fciq,nompp"}, usual},
		"to fill now or never":         {[]string{"timeinforce", "IOC"}, usual},
		"a userref":                    {[]string{"userref", "-7"}, usual},
		"the client's own id":          {[]string{"cl_ord_id", "6d1b345e-2821-40e2-ad83-4ecb18a06876"}, usual},
		"a field nobody knows":         {[]string{"position", "0"}, usual}, // knowm/XChange sends it
		"defaults of Kraken's":         {[]string{"trigger", "last", "reduce_only", "false", "stptype", "cancel-newest", "timeinforce", "GTC", "validate", "false"}, usual},
		"defaults from Python":         {[]string{"starttm", "0", "expiretm", "0", "validate", "False", "reduce_only", "False"}, usual},
		"defaults from XChange":        {[]string{"close", "{}"}, usual},
		"leverage that is none":        {[]string{"leverage", "none"}, usual},
		"no pair":                      {[]string{"pair", ""}, refused("EQuery:Unknown asset pair")},
		"a pair that isn't here":       {[]string{"pair", "DOTUSD"}, refused("EQuery:Unknown asset pair")},
		"no type":                      {[]string{"ordertype", ""}, invalid("ordertype")},
		"a stop order":                 {[]string{"ordertype", "stop-loss"}, invalid("ordertype")},
		"no volume":                    {[]string{"volume", ""}, invalid("volume")},
		"a volume in words":            {[]string{"volume", "one"}, invalid("volume")},
		"more than there is":           {[]string{"volume", "6"}, refused("EOrder:Insufficient funds")},
		"no price":                     {[]string{"price", ""}, invalid("price")},
		"a relative price":             {[]string{"price", "+5"}, invalid("price")},
		"a second price":               {[]string{"price2", "21000"}, invalid("price2")},
		"leverage":                     {[]string{"leverage", "2"}, refused("EOrder:Cannot open position")},
		"to reduce a position":         {[]string{"reduce_only", "true"}, refused("EOrder:Reduce only:No position exists")},
		"to reduce, or not":            {[]string{"reduce_only", "maybe"}, invalid("reduce_only")},
		"a self-trade rule that isn't": {[]string{"stptype", "cancel-all"}, invalid("stptype")},
		"another trigger":              {[]string{"trigger", "index"}, invalid("trigger")},
		"a conditional close":          {[]string{"close[ordertype]", "limit", "close[price]", "30000"}, invalid("close[ordertype]")},
		"to start later":               {[]string{"starttm", "+5"}, invalid("starttm")},
		"to end by itself":             {[]string{"timeinforce", "GTD", "expiretm", "+60"}, invalid("expiretm")},
		"a deadline":                   {[]string{"deadline", "2000-01-01T00:00:02Z"}, usual}, // two seconds from now
		"a deadline that is too near":  {[]string{"deadline", "2000-01-01T00:00:01.9Z"}, invalid("deadline")},
		"a deadline that has passed":   {[]string{"deadline", "1999-12-31T23:59:59Z"}, refused("EService:Deadline elapsed")},
		"an iceberg's tip":             {[]string{"displayvol", "0.001"}, invalid("displayvol")},
		"a flag that isn't":            {[]string{"oflags", "fciq,fast"}, invalid("oflags")},
		"a userref of 33 bits":         {[]string{"userref", "4294967296"}, invalid("userref")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // it is 2000-01-01T00:00:00Z
				x := New(exampleKey)
				fields := append([]string{"pair", "XBTUSD", "type", "buy", "ordertype", "limit", "volume", "0.01", "price", "20000"}, test.fields...)
				got := ask(t, x, "AddOrder", fields...)
				wiretest.Matches(t, test.want, got.body)
				fields = append(fields, "validate", "true")
				// Validated, it is refused for the same reasons, and never placed.
				x = New(exampleKey)
				validated := ask(t, x, "AddOrder", fields...)
				assert.Equal(t, got.Error, validated.Error)
				assert.NotContains(t, validated.body, "txid")
				assert.Equal(t, `{"error":[],"result":{"open":{}}}`, ask(t, x, "OpenOrders").body)
			})
		})
	}
}

func TestValidateIsTrueOrFalse(t *testing.T) {
	x := New(exampleKey)
	for _, validate := range []string{"1", "maybe"} {
		got := ask(t, x, "AddOrder", "pair", "XBTUSD", "type", "buy", "ordertype", "limit", "volume", "0.01", "price", "20000",
			"validate", validate)
		assert.Equal(t, []string{"EGeneral:Invalid arguments:validate"}, got.Error)
	}
	place(t, x, "validate", "False")
}

func TestOrdersCanBeGivenInJSON(t *testing.T) {
	x := New(exampleKey)
	q := newRequest("/0/private/AddOrder", 1)
	q.header.Set("Content-Type", jsonType)
	q.body = `{"nonce":1,"pair":"XBTUSD","type":"buy","ordertype":"limit","volume":"0.01","price":"20000","userref":7,"validate":false,"leverage":null}`
	wiretest.Matches(t, `{"error":[],"result":{"txid":["*"],"descr":{"order":"buy 0.01000000 XBTUSD @ limit 20000.0"}}}`,
		q.do(t, x.Transport()).body)

	q = newRequest("/0/private/CancelOrder", 2)
	q.header.Set("Content-Type", jsonType)
	q.body = `{"nonce":2,"txid":7}`
	assert.Equal(t, `{"error":[],"result":{"count":1}}`, q.do(t, x.Transport()).body)
}

func TestOrdersAreCanceledByAnyOfTheirNames(t *testing.T) {
	x := New(exampleKey)
	first := place(t, x, "userref", "7")
	place(t, x, "userref", "7")
	place(t, x, "cl_ord_id", "mine")
	place(t, x)
	for _, test := range []struct {
		fields []string
		want   string
	}{
		{[]string{"txid", first}, `{"error":[],"result":{"count":1}}`},
		{[]string{"txid", first}, `{"error":["EOrder:Unknown order"]}`},
		{[]string{"txid", "7"}, `{"error":[],"result":{"count":1}}`},
		{[]string{"txid", "7"}, `{"error":["EOrder:Unknown order"]}`},
		{[]string{"cl_ord_id", "mine"}, `{"error":[],"result":{"count":1}}`},
		{[]string{"cl_ord_id", "mine"}, `{"error":["EOrder:Unknown order"]}`},
		{[]string{"txid", "OABCDE-FGHIJ-KLMNOP"}, `{"error":["EOrder:Unknown order"]}`},
		{[]string{"txid", "XXXX-XXXX-XXXXX"}, `{"error":["EOrder:Invalid order"]}`},
		{[]string{"txid", "0"}, `{"error":["EOrder:Unknown order"]}`}, // which would be all without a userref
		{[]string{"txid", first, "cl_ord_id", "mine"}, `{"error":["EGeneral:Invalid arguments"]}`},
		{nil, `{"error":["EGeneral:Invalid arguments:txid"]}`},
	} {
		assert.Equal(t, test.want, ask(t, x, "CancelOrder", test.fields...).body, test.fields)
	}
	place(t, x)
	assert.Equal(t, `{"error":[],"result":{"count":2}}`, ask(t, x, "CancelAll").body)
	assert.Equal(t, `{"error":[],"result":{"count":0}}`, ask(t, x, "CancelAll").body)
}

func TestTheDeadMansSwitchCancelsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		open := func() string { return ask(t, x, "OpenOrders").body }
		const none = `{"error":[],"result":{"open":{}}}`
		place(t, x)
		for _, timeout := range []string{"", "-1", "86400", "1.5", "soon"} {
			assert.Equal(t, []string{"EGeneral:Invalid arguments:timeout"}, ask(t, x, "CancelAllOrdersAfter", "timeout", timeout).Error)
		}
		assert.Equal(t, `{"error":[],"result":{"currentTime":"2000-01-01T00:00:00Z","triggerTime":"2000-01-01T00:01:00Z"}}`,
			ask(t, x, "CancelAllOrdersAfter", "timeout", "60").body)
		assert.Equal(t, `{"error":[],"result":{"currentTime":"2000-01-01T00:00:00Z","triggerTime":"0"}}`,
			ask(t, x, "CancelAllOrdersAfter", "timeout", "0").body)
		time.Sleep(time.Hour)
		assert.NotEqual(t, none, open())
		ask(t, x, "CancelAllOrdersAfter", "timeout", "60")
		time.Sleep(61 * time.Second)
		assert.Equal(t, none, open())
	})
}

func TestAnAmendedOrderKeepsItsID(t *testing.T) {
	x := New(exampleKey)
	id := place(t, x, "cl_ord_id", "mine")
	for _, test := range []struct {
		fields []string
		want   string
	}{
		{[]string{"txid", id, "order_qty", "0.02", "post_only", "true"}, `{"error":[],"result":{"amend_id":"*"}}`},
		{[]string{"cl_ord_id", "mine", "limit_price", "20001.5", "pair", "XBTUSD"}, `{"error":[],"result":{"amend_id":"*"}}`},
		{[]string{"txid", id}, `{"error":["EOrder:No amendable parameters specified"]}`},
		{[]string{"order_qty", "0.02"}, `{"error":["EGeneral:Invalid arguments:txid"]}`},
		{[]string{"txid", id, "order_qty", "0.02", "pair", "ETHUSD"}, `{"error":["EGeneral:Invalid arguments:pair"]}`},
		{[]string{"txid", id, "order_qty", "0.02", "pair", "DOTUSD"}, `{"error":["EQuery:Unknown asset pair"]}`},
		{[]string{"txid", id, "cl_ord_id", "mine", "order_qty", "0.02"}, `{"error":["EGeneral:Invalid arguments"]}`},
		{[]string{"txid", "OABCDE-FGHIJ-KLMNOP", "order_qty", "0.02"}, `{"error":["EOrder:Unknown order"]}`},
		{[]string{"cl_ord_id", "yours", "order_qty", "0.02"}, `{"error":["EOrder:Unknown order"]}`},
		{[]string{"txid", id, "order_qty", "6"}, `{"error":["EOrder:Insufficient funds"]}`},
		{[]string{"txid", id, "order_qty", "all"}, `{"error":["EGeneral:Invalid arguments:order_qty"]}`},
		{[]string{"txid", id, "limit_price", "-100"}, `{"error":["EGeneral:Invalid arguments:limit_price"]}`},
		{[]string{"txid", id, "order_qty", "0.02", "post_only", "maybe"}, `{"error":["EGeneral:Invalid arguments:post_only"]}`},
		{[]string{"txid", id, "order_qty", "0.02", "deadline", "1999-12-31T23:59:59Z"}, `{"error":["EService:Deadline elapsed"]}`},
		{[]string{"txid", id, "trigger_price", "100"}, `{"error":["EGeneral:Invalid arguments:trigger_price"]}`},
	} {
		wiretest.Matches(t, test.want, ask(t, x, "AmendOrder", test.fields...).body)
	}
	wiretest.Matches(t, `{"result":{"open":{"`+id+`":{"vol":"0.02000000","misc":"amended",
		"descr":{"price":"20001.5","order":"buy 0.02000000 XBTUSD @ limit 20001.5"}}}}}`, ask(t, x, "OpenOrders").body)
}

func TestTradingTakesThePermissionsThatKrakensPagesName(t *testing.T) {
	for method, any := range map[string][]string{
		"TradeBalance":         {permission.QueryOpenTrades},
		"OpenOrders":           {permission.QueryOpenTrades},
		"ClosedOrders":         {permission.QueryClosedTrades},
		"QueryOrders":          {permission.QueryOpenTrades, permission.QueryClosedTrades},
		"TradesHistory":        {permission.QueryClosedTrades},
		"AddOrder":             {permission.ModifyTrades},
		"AmendOrder":           {permission.ModifyTrades, permission.CloseTrades},
		"CancelOrder":          {permission.ModifyTrades, permission.CloseTrades},
		"CancelAll":            {permission.ModifyTrades, permission.CloseTrades},
		"CancelAllOrdersAfter": {permission.ModifyTrades, permission.CloseTrades},
	} {
		for _, one := range permission.Default() {
			key := exampleKey
			key.Permissions = []string{one}
			got := ask(t, New(key), method)
			denied := len(got.Error) == 1 && got.Error[0] == "EGeneral:Permission denied"
			assert.Equal(t, !slices.Contains(any, one), denied, method+" with "+one)
		}
	}
}

func TestOrdersAreNotOnTheCallCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := exampleKey
		key.Tier = TierStarter
		x := New(key)
		for i := range 30 {
			id := place(t, x, "userref", strconv.Itoa(i))
			require.Empty(t, ask(t, x, "CancelOrder", "txid", id).Error)
		}
		for range 7 { // 14 of 15
			require.Empty(t, ask(t, x, "TradesHistory").Error)
		}
		require.Empty(t, ask(t, x, "OpenOrders").Error)
		assert.Equal(t, []string{"EAPI:Rate limit exceeded"}, ask(t, x, "ClosedOrders").Error)
	})
}
