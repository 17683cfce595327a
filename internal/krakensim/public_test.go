package krakensim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestPublicMethodsNeedNoKey(t *testing.T) {
	for _, test := range []struct{ path, want string }{
		{"/0/public/Time", `{"error":[],"result":{"unixtime":"*","rfc1123":"*"}}`},
		{"/0/public/SystemStatus", `{"error":[],"result":{"status":"online","timestamp":"*"}}`},
		{"/0/public/Assets?asset=XBT", `{"error":[],"result":{"XXBT":{"altname":"XBT"}}}`},
		{"/0/public/AssetPairs", `{"error":[],"result":{"XXBTZUSD":{"wsname":"XBT/USD"}}}`},
		{"/0/public/Nothing", `{"error":["EGeneral:Unknown method"]}`},
		{"/", `{"error":["EGeneral:Unknown method"]}`},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			q := newRequest(test.path, 1)
			q.method = method
			wiretest.Matches(t, test.want, q.do(t, New().Transport()).body)
		}
	}
}

func TestPublicMethodsTellOfWhatIsAskedFor(t *testing.T) {
	for fields, want := range map[string]string{ // names, or an error
		"Assets?":                           "XETH XXBT ZUSD",
		"Assets?asset=XBT,ZUSD":             "XXBT ZUSD",
		"Assets?asset=DOGE":                 "EQuery:Unknown asset",
		"Assets?asset=XBT&asset=USD":        "EGeneral:Invalid arguments",
		"Assets?asset=%zz":                  "EGeneral:Invalid arguments",
		"Assets?aclass=tokenized_asset":     "EGeneral:Invalid arguments:aclass",
		"AssetPairs?pair=ETHUSD":            "XETHZUSD",
		"AssetPairs?pair=ETH/USD&info=info": "XETHZUSD",
		"AssetPairs?pair=ETHUSD,DOGEUSD":    "EQuery:Unknown asset pair",
		"AssetPairs?info=fees":              "EGeneral:Invalid arguments:info",
	} {
		path, query, _ := strings.Cut(fields, "?")
		get, post := newRequest("/0/public/"+fields, 1), newRequest("/0/public/"+path, 1)
		get.method, get.body, post.body = http.MethodGet, "", query
		for _, q := range []*request{get, post} {
			got := q.do(t, New().Transport())
			var named map[string]any
			_ = json.Unmarshal(got.Result, &named)
			assert.Equal(t, want, strings.Join(append(got.Error, slices.Sorted(maps.Keys(named))...), " "), fields)
		}
	}
}
