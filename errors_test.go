package krakensecrets

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// krakenSays is a fault that answers one of Kraken's error strings, for good.
func krakenSays(message string) krakensim.Fault { return krakensim.Fault{Errors: []string{message}} }

// TestErrors is the contract's table: what Kraken does, the HTTP code of the answer, what the message tells, and how
// many calls one read costs at most.
func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		fault krakensim.Fault
		code  int
		want  []string
		calls int // exactly; 0: several
	}{
		"invalid key":              {krakenSays("EAPI:Invalid key"), 400, []string{"Kraken answered EAPI:Invalid key.", "IP allow-list", "kraken/config again"}, 1},
		"invalid signature":        {krakenSays("EAPI:Invalid signature"), 400, []string{"EAPI:Invalid signature.", "private key doesn't belong", "second factor"}, 1},
		"no permission":            {krakenSays("EGeneral:Permission denied"), 400, []string{"EGeneral:Permission denied.", `Enable "Access WebSockets API"`}, 1},
		"invalid nonce, always":    {krakenSays("EAPI:Invalid nonce"), 400, []string{"EAPI:Invalid nonce.", "in use elsewhere"}, 2},
		"an error nobody knows":    {krakenSays("EFuture:New"), 400, []string{"EFuture:New.", "look it up"}, 1},
		"rate limit":               {krakenSays("EAPI:Rate limit exceeded"), 429, []string{"EAPI:Rate limit exceeded.", "Read again in 5 s."}, 1},
		"rate limit with a wait":   {krakensim.Fault{Status: 429, Header: http.Header{"Retry-After": {"42"}}}, 429, []string{"Read again in 42 s."}, 1},
		"lockout":                  {krakenSays("EGeneral:Temporary lockout"), 429, []string{"EGeneral:Temporary lockout.", "Read again in 900 s."}, 1},
		"unavailable":              {krakenSays("EService:Unavailable"), 503, []string{"EService:Unavailable.", "Read again later"}, 0},
		"HTML from the CDN":        {krakensim.Fault{Status: 520}, 503, []string{"HTTP 520"}, 0},
		"connections drop":         {krakensim.Fault{Drop: true}, 503, []string{"connection broke"}, 0},
		"no answer":                {krakensim.Fault{Hang: true}, 504, []string{"No answer within request_timeout", "raise request_timeout in kraken/config"}, 1},
		"HTML as if all were well": {krakensim.Fault{Body: "<html>hello</html>", ContentType: "text/html"}, 502, []string{"doesn't speak Kraken's API", "Check api_url"}, 1},
		"no token":                 {krakensim.Fault{Body: `{"error":[],"result":{}}`}, 502, []string{"no token"}, 1},
		"a redirect":               {krakensim.Fault{Status: 302, Header: http.Header{"Location": {"https://elsewhere.example"}}}, 502, []string{"redirects (HTTP 302)"}, 1},
		"an endless answer":        {krakensim.Fault{Oversize: 10 << 20}, 502, []string{"not Kraken's JSON"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newBubbleEngine(t)
				e.configure("", nil)
				e.sim.ForgetCalls()
				e.sim.Misbehave(test.fault)
				began := time.Now()
				_, err := e.read("ws-token")
				requireCode(t, test.code, err)
				assert.LessOrEqual(t, time.Since(began), 10*time.Second, "request_timeout")
				for _, want := range test.want {
					assert.Contains(t, err.Error(), want)
				}
				assert.NotContains(t, err.Error(), "html")
				assert.NotContains(t, err.Error(), "%!", "fmt's complaints")
				assert.NotContains(t, err.Error(), "CONFIG")
				if test.calls > 0 {
					assert.Equal(t, test.calls, e.calls())
				} else {
					assert.Greater(t, e.calls(), 2, "what is transient is tried again")
				}
				e.sim.Behave()
			})
		})
	}
}

func TestTransientFailuresHeal(t *testing.T) {
	for name, fault := range map[string]krakensim.Fault{
		"unavailable":        {Errors: []string{"EService:Unavailable"}, Times: 2},
		"HTTP 502":           {Status: 502, Times: 2},
		"connections drop":   {Drop: true, Times: 2},
		"answers cut off":    {Truncate: true, Times: 2},
		"an invalid nonce":   {Errors: []string{"EAPI:Invalid nonce"}, Times: 1},
		"processed and lost": {Drop: true, Process: true, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newBubbleEngine(t)
				e.configure("", nil)
				e.sim.Misbehave(fault)
				e.mustRead("ws-token")
			})
		})
	}
}

func TestAServerThatIsNotTrusted(t *testing.T) {
	key := krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}
	for name, test := range map[string]struct {
		options krakensim.Options
		noCA    bool
		want    string
	}{
		"an unknown authority": {krakensim.Options{TLS: true}, true, "unknown authority"},
		"the name of another":  {krakensim.Options{TLS: true, ServerName: "elsewhere.example"}, false, "for another host"},
	} {
		t.Run(name, func(t *testing.T) {
			test.options.Keys = []krakensim.Key{key}
			sim, err := krakensim.Start(test.options)
			require.NoError(t, err)
			defer sim.Close()
			e := startEngine(t, sim.Exchange, sim.RESTURL(), account.Options{})
			fields := e.pair(nil)
			if !test.noCA {
				fields[account.FieldCACert] = sim.CACertPEM()
			}
			_, err = e.write("config", fields)
			requireCode(t, http.StatusBadGateway, err)
			assert.Contains(t, err.Error(), test.want)
			assert.Contains(t, err.Error(), "nothing was sent")
			assert.Zero(t, e.calls())
		})
	}
}

func TestAPrivateGatewayIsTrustedByItsCA(t *testing.T) {
	sim, err := krakensim.Start(krakensim.Options{TLS: true, Keys: []krakensim.Key{{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}}})
	require.NoError(t, err)
	defer sim.Close()
	e := startEngine(t, sim.Exchange, sim.RESTURL(), account.Options{})
	e.configure("", map[string]any{account.FieldCACert: "\n" + sim.CACertPEM() + "\n"})
	e.mustRead("ws-token")
}

// TestErrorsHoldNoSecret collects every message that bad luck with Kraken can cause.
func TestErrorsHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		e.configure("", map[string]any{account.FieldOTPPassword: "open sesame", account.FieldVerify: false})
		for _, fault := range []krakensim.Fault{
			krakenSays("EAPI:Invalid key"), {Hang: true}, {Drop: true}, {Status: 500}, {Body: "{"}, {Status: 403},
		} {
			e.sim.Misbehave(fault)
			for _, operation := range []func() error{
				func() error { _, err := e.read("ws-token"); return err },
				func() error { _, err := e.write("ws-token", nil); return err },
				func() error { _, err := e.read("key-info"); return err },
				func() error { _, err := e.write("config", map[string]any{account.FieldTier: "pro"}); return err },
			} {
				err := operation()
				require.Error(t, err)
				for _, secret := range []string{krakensim.ExampleAPISecret, "sesame", "nonce="} {
					assert.NotContains(t, err.Error(), secret)
				}
			}
			e.sim.Behave()
			time.Sleep(time.Minute)
		}
	})
}

func TestSentences(t *testing.T) {
	assert.Equal(t, "Held back.", sentence("held back"))
	assert.True(t, strings.HasSuffix(sentence(errors.New("x").Error()), "X."))
}
