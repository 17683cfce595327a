package krakensim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The known answer of Kraken's authentication guide.
func TestSignatureIsThatOfKrakensGuide(t *testing.T) {
	body := "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
	want := "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
	assert.Equal(t, want, signature(ExampleAPISecret, "/0/private/AddOrder", "1616492376594", []byte(body)))
	assert.Len(t, ExampleAPIKey, 56)
}

func TestPrivateRequestsAreChecked(t *testing.T) {
	const seed = "JBSWY3DPEHPK3PXP"
	code := func(at time.Time) string {
		code, err := totp.GenerateCode(seed, at)
		require.NoError(t, err)
		return code
	}
	asJSON := func(q *request, body string) {
		q.body = body
		q.header.Set("Content-Type", "application/json; charset=utf-8")
	}
	tests := map[string]struct {
		key    func(k *Key)
		change func(q *request)
		want   string // Kraken's error string; "" if the request is good
		status int    // if not 200
		keeps  bool   // the nonce isn't used up
	}{
		"a good request":            {},
		"a form without its type":   {change: func(q *request) { q.header.Del("Content-Type") }},
		"JSON, nonce a number":      {change: func(q *request) { asJSON(q, `{"nonce": 5}`) }},
		"JSON, nonce a string":      {change: func(q *request) { asJSON(q, `{"nonce":"5"}`) }},
		"JSON without its type":     {change: func(q *request) { asJSON(q, `{"nonce":"5"}`); q.header.Del("Content-Type") }},
		"parameters nobody expects": {change: func(q *request) { q.body += "&x=&y" }},
		"a form that can't be read": {change: func(q *request) { q.body += "&validate=tr%ue" },
			want: "EGeneral:Invalid arguments", keeps: true},
		"a field twice": {change: func(q *request) { q.body += "&volume=1&volume=2" },
			want: "EGeneral:Invalid arguments", keeps: true},
		"a field twice, in JSON": {change: func(q *request) { asJSON(q, `{"nonce":5,"volume":1,"volume":2}`) },
			want: "EGeneral:Invalid arguments", keeps: true},
		"JSON that doesn't end": {change: func(q *request) { asJSON(q, `{"nonce":5`) },
			want: "EGeneral:Invalid arguments", keeps: true},
		"more than JSON": {change: func(q *request) { asJSON(q, `{"nonce":5}{"nonce":6}`) },
			want: "EGeneral:Invalid arguments", keeps: true},
		"JSON that is no object": {change: func(q *request) { asJSON(q, `["nonce",5]`) },
			want: "EGeneral:Invalid arguments", keeps: true},
		"fields beside the body": {change: func(q *request) { q.signedPath = q.path; q.path += "?validate=true" },
			want: "EGeneral:Invalid arguments", keeps: true},
		"GET": {change: func(q *request) { q.method = http.MethodGet },
			want: "EGeneral:Invalid method", keeps: true},
		"no User-Agent": {change: func(q *request) { q.header["User-Agent"] = []string{""} },
			status: http.StatusForbidden, keeps: true},
		"another content type": {change: func(q *request) { q.header.Set("Content-Type", "text/plain") },
			want: "EGeneral:Invalid arguments", keeps: true},
		"an unknown method": {change: func(q *request) { q.path = "/0/private/GetWebsocketToken" },
			want: "EGeneral:Unknown method", status: http.StatusNotFound, keeps: true},
		"a path prefix": {change: func(q *request) { q.path = "/kraken" + tokenPath },
			want: "EGeneral:Unknown method", status: http.StatusNotFound, keeps: true},
		"no key":         {change: func(q *request) { q.apiKey = "" }, want: "EAPI:Invalid key", keeps: true},
		"an unknown key": {change: func(q *request) { q.apiKey = "other" }, want: "EAPI:Invalid key", keeps: true},
		"an expired key": {key: func(k *Key) { k.ValidUntil = time.Now().Add(-time.Second) },
			want: "EAPI:Invalid key", keeps: true},
		"another secret": {change: func(q *request) { q.apiSecret = "c2VjcmV0" },
			want: "EAPI:Invalid signature", keeps: true},
		"a key whose secret isn't base64": {key: func(k *Key) { k.APISecret = "?" },
			change: func(q *request) { q.apiSecret = "?" }, want: "EAPI:Invalid signature", keeps: true},
		"another path signed": {change: func(q *request) { q.signedPath = "/x" + q.path },
			want: "EAPI:Invalid signature", keeps: true},
		"another body signed": {change: func(q *request) { q.signedBody = q.body; q.body += "&a=b" },
			want: "EAPI:Invalid signature", keeps: true},
		"no nonce": {change: func(q *request) { q.nonce, q.body = "", "a=b" },
			want: "EAPI:Invalid nonce", keeps: true},
		"a nonce that is no integer": {change: func(q *request) { q.nonce, q.body = "5e3", "nonce=5e3" },
			want: "EAPI:Invalid nonce", keeps: true},
		"a nonce of 65 bits": {
			change: func(q *request) { q.nonce = "18446744073709551616"; q.body = "nonce=" + q.nonce },
			want:   "EAPI:Invalid nonce", keeps: true},
		"the largest nonce": {
			change: func(q *request) { q.nonce = "18446744073709551615"; q.body = "nonce=" + q.nonce }},
		"the nonce before": {change: func(q *request) { q.nonce, q.body = "4", "nonce=4" },
			want: "EAPI:Invalid nonce", keeps: true},
		"a password": {key: func(k *Key) { k.OTPPassword = "p&w" },
			change: func(q *request) { q.body += "&" + form("otp", "p&w") }},
		"no password": {key: func(k *Key) { k.OTPPassword = "p&w" },
			want: "EGeneral:Permission denied", keeps: true},
		"an empty password": {key: func(k *Key) { k.OTPPassword = "p&w" },
			change: func(q *request) { q.body += "&otp=" }, want: "EAPI:Invalid signature", keeps: true},
		"a wrong password": {key: func(k *Key) { k.OTPPassword = "p&w" },
			change: func(q *request) { q.body += "&otp=pw" }, want: "EAPI:Invalid signature", keeps: true},
		"an authenticator's code": {key: func(k *Key) { k.TOTPSecret = seed },
			change: func(q *request) { q.body += "&otp=" + code(time.Now()) }},
		"its code of half a minute ago": {key: func(k *Key) { k.TOTPSecret = seed },
			change: func(q *request) { q.body += "&otp=" + code(time.Now().Add(-30*time.Second)) }},
		"its code of two minutes ago": {key: func(k *Key) { k.TOTPSecret = seed },
			change: func(q *request) { q.body += "&otp=" + code(time.Now().Add(-2*time.Minute)) },
			want:   "EAPI:Invalid signature", keeps: true},
		"no code": {key: func(k *Key) { k.TOTPSecret = seed },
			want: "EGeneral:Permission denied", keeps: true},
		"a code that nobody asked for": {change: func(q *request) { q.body += "&otp=123456" },
			want: "EAPI:Invalid key", keeps: true},
		"a key that may not": {key: func(k *Key) { k.Permissions = []string{permission.QueryFunds} },
			want: "EGeneral:Permission denied"},
		"a key that may nothing asks about itself": {key: func(k *Key) { k.Permissions = []string{} },
			change: func(q *request) { q.path = "/0/private/GetApiKeyInfo" }},
		"a key that may not ask for its balance": {key: func(k *Key) { k.Permissions = []string{} },
			change: func(q *request) { q.path = "/0/private/Balance" }, want: "EGeneral:Permission denied"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // for the authenticator's clock to stand still
				key := exampleKey
				if test.key != nil {
					test.key(&key)
				}
				x := New(key)
				x.SetLastNonce(ExampleAPIKey, 4)
				q := newRequest(tokenPath, 5)
				if test.change != nil {
					test.change(q)
				}
				got := q.do(t, x.Transport())

				if test.status == 0 {
					test.status = http.StatusOK
				}
				assert.Equal(t, test.status, got.status)
				assert.NotContains(t, got.body, ExampleAPISecret)
				if test.want != "" {
					assert.Equal(t, []string{test.want}, got.Error)
				} else if test.status == http.StatusOK {
					assert.Empty(t, got.Error)
					assert.NotEmpty(t, got.Result)
					assert.Equal(t, "application/json", got.header.Get("Content-Type"))
				}
				if test.keeps {
					assert.EqualValues(t, 4, x.LastNonce(ExampleAPIKey))
				} else {
					assert.Greater(t, x.LastNonce(ExampleAPIKey), uint64(4))
				}
			})
		})
	}
}

func TestTokensAreUniqueAndLongEnough(t *testing.T) {
	x := New(exampleKey)
	got := newRequest(tokenPath, 1).do(t, x.Transport())
	wiretest.Matches(t, `{"error":[],"result":{"token":"*","expires":900}}`, got.body)
	first, second := mintToken(t, x), mintToken(t, x)
	assert.NotEqual(t, first, second)
	assert.Len(t, first, 43)
}

func TestKeyInfoTellsOfTheKeyThatSigns(t *testing.T) {
	key := exampleKey
	key.ValidUntil = time.Unix(4102444800, 0)
	permissions := `["query-funds","query-open-trades","query-closed-trades","modify-trades","close-trades","create-ws-token"]`
	got := newRequest("/0/private/GetApiKeyInfo", 77).do(t, New(key).Transport())
	wiretest.Matches(t, `{"error":[],"result":{"api_key_name":"example","api_key":"`+ExampleAPIKey+`","nonce":"77","nonce_window":"0",
		"permissions":`+permissions+`,"iban":"*","valid_until":"4102444800","query_from":"0","query_to":"0","created_time":"*",
		"modified_time":"*","ip_allowlist":[""],"last_used":"*"}}`, got.body)

	key.CamelCase = true
	got = newRequest("/0/private/GetApiKeyInfo", 78).do(t, New(key).Transport())
	wiretest.Matches(t, `{"error":[],"result":{"apiKeyName":"example","apiKey":"`+ExampleAPIKey+`","nonce":"78","nonceWindow":"0",
		"permissions":`+permissions+`,"iban":"*","validUntil":"4102444800","queryFrom":"0","queryTo":"0","createdTime":"*",
		"modifiedTime":"*","ipAllowlist":[""],"lastUsed":"*"}}`, got.body)
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

func TestBalanceIsThatOfThePaperAccount(t *testing.T) {
	x := New(exampleKey)
	wiretest.Matches(t, `{"error":[],"result":{"ZUSD":"100000.0000","XXBT":"2.0000000000","XETH":"50.0000000000"}}`,
		newRequest("/0/private/Balance", 1).do(t, x.Transport()).body)
	wiretest.Matches(t, `{"error":[],"result":{"ZUSD":{"balance":"100000.0000","hold_trade":"0.0000"}}}`,
		newRequest("/0/private/BalanceEx", 2).do(t, x.Transport()).body)
}

func TestKeysComeAndGoAndKeepTheirNonce(t *testing.T) {
	x := New()
	assert.Zero(t, x.LastNonce(ExampleAPIKey))
	x.SetKey(exampleKey)
	require.Empty(t, newRequest(tokenPath, 1000).do(t, x.Transport()).Error)
	x.RemoveKey(ExampleAPIKey)
	assert.Equal(t, []string{"EAPI:Invalid key"}, newRequest(tokenPath, 2000).do(t, x.Transport()).Error)
	x.SetKey(exampleKey)
	assert.EqualValues(t, 1000, x.LastNonce(ExampleAPIKey))
	x.SetLastNonce(ExampleAPIKey, 10)
	assert.Empty(t, newRequest(tokenPath, 11).do(t, x.Transport()).Error)
	x.RemoveKey("never seen")
}

func TestCallsAreRecordedInOrder(t *testing.T) {
	x := New(exampleKey)
	newRequest(tokenPath, 5).do(t, x.Transport())
	newRequest("/0/private/Balance", 5).do(t, x.Transport())
	newRequest("/0/public/Time", 6).do(t, x.Transport())
	calls := x.Calls()
	require.Len(t, calls, 2)
	assert.Equal(t, Call{Path: tokenPath, APIKey: ExampleAPIKey, Nonce: 5, At: calls[0].At, Status: 200, InFlight: 1}, calls[0])
	assert.Equal(t, []string{"EAPI:Invalid nonce"}, calls[1].Errors)
	x.ForgetCalls()
	assert.Empty(t, x.Calls())
}

func TestCallsSayHowManyWereInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		x.Misbehave(Fault{Times: 3, Latency: time.Second})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { newRequest(tokenPath, 1).do(t, x.Transport()) })
		}
		all.Wait()
		mintToken(t, x)
		var inFlight []int
		for _, call := range x.Calls() {
			inFlight = append(inFlight, call.InFlight)
		}
		assert.Equal(t, []int{1, 2, 3, 1}, inFlight)
	})
}

func TestLargeBodiesAreRefused(t *testing.T) {
	q := newRequest(tokenPath, 1)
	q.body = strings.Repeat("a", maxBody+1)
	assert.Equal(t, http.StatusRequestEntityTooLarge, q.do(t, New(exampleKey).Transport()).status)
	q.base = startServer(t, Options{}).RESTURL()
	// The server reads all of it, one byte too many, so the answer doesn't come too early for the client.
	assert.Equal(t, http.StatusRequestEntityTooLarge, q.do(t, newTransport(t)).status)
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		key  Key
		want string
	}{
		{exampleKey, ""},
		{Key{APISecret: ExampleAPISecret}, "API key"},
		{Key{APIKey: "k", APISecret: "not base64!"}, "base64"},
		{Key{APIKey: "k", APISecret: "AAAA", OTPPassword: "a", TOTPSecret: "b"}, "not both"},
		{Key{APIKey: "k", APISecret: "AAAA", TOTPSecret: "1"}, "base32"},
		{Key{APIKey: "k", APISecret: "AAAA", Tier: "gold"}, "starter"},
		{Key{APIKey: "k", APISecret: "AAAA", DecayStep: -1}, "decay step"},
	} {
		err := test.key.Validate()
		if test.want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, test.want)
		assert.NotContains(t, err.Error(), "not base64!")
	}
}
