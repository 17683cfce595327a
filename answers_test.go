package krakensecrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestErrors is the contract's table: what Kraken does, the HTTP code of the answer, what the message tells, and how
// many calls one read costs.
func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		fault krakensim.Fault
		code  int
		want  []string
		calls int // exactly; 0: several
	}{
		"invalid key":              {says("EAPI:Invalid key"), 400, []string{"Kraken answered EAPI:Invalid key.", "IP allow-list", "kraken/config again"}, 1},
		"invalid signature":        {says("EAPI:Invalid signature"), 400, []string{"EAPI:Invalid signature.", "private key doesn't belong", "second factor"}, 1},
		"no permission":            {says("EGeneral:Permission denied"), 400, []string{"EGeneral:Permission denied.", `Enable "Access WebSockets API"`, `"WebSocket interface - On"`, `"Get WebSocket Token"`}, 1},
		"the account is refused":   {says("EAuth:Account unconfirmed"), 400, []string{"EAuth:Account unconfirmed.", "the Kraken account that is refused, not the API key"}, 1},
		"invalid nonce, always":    {says("EAPI:Invalid nonce"), 400, []string{"EAPI:Invalid nonce, even 10 minutes ahead of the clock.", "give Vault a key of its own", "kraken/config"}, 6},
		"an error nobody knows":    {says("EFuture:New"), 400, []string{"EFuture:New.", "look it up"}, 1},
		"rate limit":               {says("EAPI:Rate limit exceeded"), 429, []string{"EAPI:Rate limit exceeded.", "Read again in 5 s."}, 1},
		"rate limit with a wait":   {krakensim.Fault{Status: 429, Header: http.Header{"Retry-After": {"42"}}}, 429, []string{"HTTP 429", "Read again in 42 s."}, 1},
		"lockout":                  {says("EGeneral:Temporary lockout"), 429, []string{"EGeneral:Temporary lockout.", "Read again in 900 s."}, 1},
		"unavailable":              {says("EService:Unavailable"), 503, []string{"EService:Unavailable.", "Read again later"}, 0},
		"HTML from the CDN":        {krakensim.Fault{Status: 520}, 503, []string{"HTTP 520"}, 0},
		"connections drop":         {krakensim.Fault{Drop: true}, 503, []string{"connection broke"}, 0},
		"answers are cut off":      {krakensim.Fault{Truncate: true}, 503, []string{"connection broke"}, 0},
		"no answer":                {krakensim.Fault{Hang: true}, 504, []string{"No answer in time:", "raise request_timeout in kraken/config"}, 1},
		"the address is refused":   {krakensim.Fault{Status: 403}, 502, []string{"HTTP 403", "refuses this Vault server's address"}, 1},
		"HTML as if all were well": {krakensim.Fault{Body: "<html>hello</html>", ContentType: "text/html"}, 502, []string{"doesn't speak Kraken's API", "Check api_url"}, 1},
		"no token":                 {krakensim.Fault{Body: `{"error":[],"result":{}}`}, 502, []string{"no token"}, 1},
		"a redirect":               {krakensim.Fault{Status: 302, Header: http.Header{"Location": {"https://elsewhere.example"}}}, 502, []string{"redirects (HTTP 302)"}, 1},
		"an endless answer":        {krakensim.Fault{Oversize: 10 << 20}, 502, []string{"not Kraken's JSON"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
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
				for _, never := range []string{"html", "%!", "CONFIG"} {
					assert.NotContains(t, err.Error(), never)
				}
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

// TestKrakensErrorStrings: each string that Kraken is known to answer, and its kin, has the code of its kind. What isn't transient isn't asked for again at once.
func TestKrakensErrorStrings(t *testing.T) {
	for message, want := range map[string]struct {
		code int
		kind string
	}{
		"EAPI:Invalid key":                             {400, "invalid_key"},
		"EAPI:Invalid signature":                       {400, "invalid_signature"},
		"EGeneral:Permission denied":                   {400, "permission_denied"},
		"EAPI:Invalid nonce":                           {400, "invalid_nonce"},
		"EAuth:Account temporary disabled":             {400, "account_refused"},
		"EAuth:Account unconfirmed":                    {400, "account_refused"},
		"EAccount:Invalid permissions":                 {400, "account_refused"},
		"EGeneral:Unknown Method":                      {400, "unexpected"},
		"EAPI:Rate limit exceeded":                     {429, "rate_limited"},
		"EAuth:Rate limit exceeded":                    {429, "rate_limited"},
		"EAuth:Too many requests":                      {429, "rate_limited"},
		"EGeneral:Too many requests":                   {429, "rate_limited"},
		"EService:Throttled":                           {429, "rate_limited"},
		"EService: Throttled: 1700000000":              {429, "rate_limited"},
		"EGeneral:Temporary lockout":                   {429, "lockout"},
		"EService:Unavailable":                         {503, "unavailable"},
		"EService:Busy":                                {503, "unavailable"},
		"EService:Deadline elapsed":                    {503, "unavailable"},
		"EService:Timeout":                             {503, "unavailable"},
		"EService:Market in cancel_only mode":          {503, "unavailable"},
		"EGeneral:Internal error":                      {503, "unavailable"},
		"EGeneral:Internal error:abc123":               {503, "unavailable"},
		"EDatabase:Internal error":                     {503, "unavailable"},
		"EDatabase: Internal error (to be deprecated)": {503, "unavailable"},
		"eservice: unavailable":                        {503, "unavailable"},
		"HTTP 408":                                     {503, "unavailable"}, "HTTP 500": {503, "unavailable"},
		"HTTP 520": {503, "unavailable"}, "HTTP 530": {503, "unavailable"},
		"HTTP 429": {429, "rate_limited"}, "HTTP 451": {502, "blocked"},
	} {
		t.Run(message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.configure("", map[string]any{account.FieldRequestTimeout: 4}) // less than any hold-off
				fault := says(message)
				if status, ok := strings.CutPrefix(message, "HTTP "); ok {
					fault = krakensim.Fault{}
					fault.Status, _ = strconv.Atoi(status)
				}
				e.sim.Misbehave(fault)
				_, err := e.read("ws-token")
				requireCode(t, want.code, err)
				assert.Contains(t, err.Error(), message)
				status := e.mustRead("status")
				assert.Equal(t, want.kind, status[fieldLastErrorKind])
				assert.Equal(t, map[string]any{want.kind: uint64(1)}, status[fieldFailures])
				if want.code == 503 {
					return
				}
				assert.Contains(t, status, fieldHeldUntil)
				e.sim.ForgetCalls()
				_, err = e.read("ws-token")
				requireCode(t, want.code, err)
				assert.Contains(t, err.Error(), message, "the cause is told again")
				assert.Zero(t, e.calls())
			})
		})
	}
}

func TestThrottledUntilATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.sim.Misbehave(krakensim.Fault{Errors: []string{fmt.Sprint("EService: Throttled: ", time.Now().Add(20*time.Second).Unix())}, Times: 1})
		_, err := e.read("ws-token")
		assert.Equal(t, 20*time.Second, waitTold(t, err))
		time.Sleep(20 * time.Second)
		e.mustRead("ws-token")
	})
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
				e := newEngine(t)
				e.configure("", nil)
				e.sim.Misbehave(fault)
				e.mustRead("ws-token")
				assert.Empty(t, e.mustRead("status")[fieldFailures])
			})
		})
	}
}

func TestAServerThatIsNotTrusted(t *testing.T) {
	for name, test := range map[string]struct {
		options krakensim.Options
		noCA    bool
		want    string
	}{
		"an unknown authority": {krakensim.Options{TLS: true}, true, "unknown authority"},
		"the name of another":  {krakensim.Options{TLS: true, ServerName: "elsewhere.example"}, false, "for another host"},
	} {
		t.Run(name, func(t *testing.T) {
			e, sim := newServedEngine(t, test.options)
			fields := e.pair(nil)
			if !test.noCA {
				fields[account.FieldCACert] = sim.CACertPEM()
			}
			_, err := e.write("config", fields)
			requireCode(t, http.StatusBadGateway, err)
			assert.Contains(t, err.Error(), test.want)
			assert.Contains(t, err.Error(), "nothing was sent")
			assert.Zero(t, e.calls())
		})
	}
}

func TestAPrivateGatewayIsTrustedByItsCA(t *testing.T) {
	e, sim := newServedEngine(t, krakensim.Options{TLS: true})
	e.configure("", map[string]any{account.FieldCACert: "\n" + sim.CACertPEM() + "\n"})
	e.mustRead("ws-token")
}

// TestErrorsHoldNoSecret collects every message that bad luck with Kraken can cause.
func TestErrorsHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", map[string]any{account.FieldOTPPassword: "open sesame", account.FieldVerify: false})
		for _, fault := range []krakensim.Fault{says("EAPI:Invalid key"), {Hang: true}, {Drop: true}, {Status: 500}, {Body: "{"}, {Status: 403}} {
			e.sim.Misbehave(fault)
			for _, operation := range []func() error{
				func() error { _, err := e.read("ws-token"); return err },
				func() error { _, err := e.write("ws-token", nil); return err },
				func() error { _, err := e.read("key-info"); return err },
				func() error { _, err := e.write("config", map[string]any{account.FieldVerify: true}); return err },
			} {
				err := operation()
				require.Error(t, err)
				for _, secret := range []string{exampleKey.APISecret, "sesame", "nonce="} {
					assert.NotContains(t, err.Error(), secret)
				}
			}
			e.sim.Behave()
			time.Sleep(time.Minute)
		}
		assert.NotContains(t, e.log.String(), "sesame")
	})
}

// TestAKrakenThatRepeatsTheRequest: gateways with their debugging left on quote what they were sent, and the second factor, the
// signature and the nonce are part of that. An error stands in clear in Vault's audit log.
func TestAKrakenThatRepeatsTheRequest(t *testing.T) {
	const password = "open sesame & more"
	var secrets []string // of the requests
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(raw)))
		_ = r.ParseForm()
		secrets = append(secrets, r.Header.Get("API-Sign"), r.Form.Get("nonce"), "sesame")
		said := fmt.Sprintf("%s %s %s", raw, r.Form.Get("otp"), r.Header.Get("API-Sign"))
		if strings.HasSuffix(r.URL.Path, "GetApiKeyInfo") {
			_, _ = fmt.Fprintf(w, `{"error":[],"result":{"apiKeyName":%q,"permissions":[%q],"nested":{"a":[%q]},%[1]q:1}}`, said, said, said)
			return
		}
		_, _ = fmt.Fprintf(w, `{"error":["EGeneral:Invalid arguments:%s"]}`, said)
	}))
	defer server.Close()
	e, _ := newServedEngine(t, krakensim.Options{})
	e.configure("", map[string]any{account.FieldAPIURL: server.URL, account.FieldVerify: false, account.FieldOTPPassword: password})
	response, err := e.read("key-info")
	require.NoError(t, err)
	_, refused := e.read("ws-token")
	requireCode(t, http.StatusBadRequest, refused)
	_, unproved := e.write("config", map[string]any{account.FieldVerify: true})
	requireCode(t, http.StatusBadRequest, unproved)
	require.Len(t, secrets, 9)
	for name, text := range map[string]string{
		"a message": refused.Error(), "a write's message": unproved.Error(), "the log": e.log.String(), "status": fmt.Sprint(e.mustRead("status")),
		"key-info": fmt.Sprint(response.Data), "its warnings": fmt.Sprint(response.Warnings),
	} {
		for _, secret := range secrets {
			assert.NotContains(t, text, secret, name)
		}
	}
}

// TestAnOutageIsToldAsSuch: for 30 s Kraken can't be reached, and eight readers without a cache keep asking. Each is told so, and soon after the end all are served.
func TestAnOutageIsToldAsSuch(t *testing.T) {
	for name, test := range map[string]struct {
		fault krakensim.Fault
		cause string
	}{
		"refused":     {krakensim.Fault{Refuse: true}, "connection refused"},
		"broken":      {krakensim.Fault{Drop: true}, "connection broke"},
		"unavailable": {says("EService:Unavailable"), "EService:Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := exampleKey
				key.Tier, key.DecayStep = krakensim.TierStarter, 2*time.Second
				e := newEngine(t, key)
				e.configure("", map[string]any{account.FieldTier: "starter"})
				e.sim.Misbehave(test.fault)
				over := time.Now().Add(30 * time.Second)
				var group sync.WaitGroup
				for range 8 {
					group.Go(func() {
						for _, err := e.read("ws-token"); err != nil; _, err = e.read("ws-token") {
							requireCode(t, http.StatusServiceUnavailable, err)
							assert.Contains(t, err.Error(), test.cause)
							time.Sleep(time.Second)
						}
						assert.LessOrEqual(t, time.Since(over), 10*time.Second)
					})
				}
				time.Sleep(time.Until(over))
				e.sim.Behave()
				group.Wait()
			})
		})
	}
}

// TestWhatIsNotSentIsNotCounted: 30 readers while no connection comes about use nothing of the key's limits up.
func TestWhatIsNotSentIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", map[string]any{account.FieldTier: "starter", account.FieldVerify: false})
		e.sim.Misbehave(krakensim.Fault{Refuse: true})
		for _, got := range e.herd(30)() {
			requireCode(t, http.StatusServiceUnavailable, got.err)
			assert.Contains(t, got.err.Error(), "connection refused")
		}
		assert.Zero(t, e.calls())
		e.sim.Behave()
		time.Sleep(5 * time.Second)
		began := time.Now()
		for range 14 {
			e.mustRead("ws-token")
		}
		assert.Zero(t, time.Since(began))
	})
}

// TestAnswersToWhatAccountsAndKeepersSay: the code, and the whole message, for account "desk-a" of a mount at "trading/".
func TestAnswersToWhatAccountsAndKeepersSay(t *testing.T) {
	refusal := &kraken.Error{Kind: kraken.KindInvalidKey, Messages: []string{"EAPI:Invalid key"}}
	busy := &kraken.Error{Kind: kraken.KindUnavailable, Messages: []string{"EService:Busy"}}
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.FixedZone("", 3600))
	const keyRemedy = "The API key is wrong, deleted or expired, or this Vault server's address isn't on its IP allow-list: check it at Kraken, then write the pair to trading/config/desk-a again."
	const outageRemedy = "Read again later. If it lasts, see status.kraken.com for outages, and check api_url in trading/config/desk-a."
	for name, test := range map[string]struct {
		err  error
		code int
		want string
	}{
		"a bad field":         {&account.FieldError{Field: "tier", Problem: "is odd", Remedy: "give an even one"}, 400, "tier is odd; give an even one"},
		"not configured":      {&account.NotConfiguredError{Account: "desk-a"}, 400, `No key pair is configured for account "desk-a"; write one: vault write trading/config/desk-a api_key=PUBLIC_KEY api_secret=@FILE`},
		"deleted meanwhile":   {account.ErrDeleted, 400, "The config was deleted while it was being written. Write it again, with the key pair, if it is still wanted."},
		"closed":              {account.ErrClosed, 503, "The mount is being closed. Read again."},
		"too many proofs":     {&account.TooManyProofsError{Wait: 1500 * time.Millisecond}, 429, "Too many key pairs were refused by Kraken lately; the next one is proved in 2 s. To store the pair unproved, add verify=false."},
		"held back":           {&keeper.HeldError{Wait: 7 * time.Second, Cause: refusal}, 429, "Held back for 7 s: Kraken answered EAPI:Invalid key."},
		"an outage":           {&keeper.OutageError{Since: at, Cause: busy}, 503, "Kraken can't be reached since 2026-11-24T11:00:00Z: Kraken answered EService:Busy. " + outageRemedy},
		"remembered":          {&keeper.RememberedError{Err: refusal, Until: at}, 400, "Kraken answered EAPI:Invalid key (remembered, to protect the account: Kraken is asked again from 2026-11-24T11:00:00Z on). " + keyRemedy},
		"a proxy's refusal":   {&kraken.Error{Kind: kraken.KindNonsense, Proxy: true, Detail: "the proxy wants a login"}, 502, "The proxy wants a login. " + remedyProxy},
		"a proxy's silence":   {&keeper.OutageError{Since: at, Cause: &kraken.Error{Proxy: true, Detail: "no proxy"}}, 503, "Kraken can't be reached since 2026-11-24T11:00:00Z: no proxy. " + remedyProxy},
		"storage failed":      {&keeper.StoreError{Err: errors.New("raft: sesame")}, 500, "The storage failed, so no nonce could be reserved and nothing was sent to Kraken. Check the storage of the Vault server."},
		"a proof refused":     {&account.ProofError{Err: refusal}, 400, "The config was not written. Kraken answered EAPI:Invalid key. " + keyRemedy},
		"a proof unanswered":  {&account.ProofError{Err: busy}, 503, "The config was not written. Kraken answered EService:Busy. " + outageRemedy + " To store the pair unproved, add verify=false."},
		"a proof's caller":    {&account.ProofError{Err: context.Canceled}, 0, ""},
		"the storage's own":   {errors.New("disk full"), 0, ""},
		"the reader has gone": {context.Canceled, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := answer(test.err, "trading/", "desk-a")
			if test.code == 0 {
				assert.ErrorIs(t, test.err, err, "it is handed on")
				return
			}
			requireCode(t, test.code, err)
			assert.Equal(t, test.want, err.Error())
		})
	}
	// Vault forwards a request for exactly this one.
	assert.Equal(t, logical.ErrReadOnly, answer(&keeper.StoreError{Err: fmt.Errorf("put: %w", logical.ErrReadOnly)}, "kraken/", ""))
	assert.Equal(t, logical.ErrReadOnly, answer(&account.ProofError{Err: &keeper.StoreError{Err: logical.ErrReadOnly}}, "kraken/", ""))
}

func TestEveryKindOfFailureHasAnAnswer(t *testing.T) {
	for _, kind := range kraken.Kinds() {
		err := answer(&kraken.Error{Kind: kind, Detail: "it went wrong"}, "kraken/", "")
		requireCode(t, answers[kind].code, err)
		assert.GreaterOrEqual(t, answers[kind].code, 400, kind)
		assert.Regexp(t, `^It went wrong\. [A-Z].*\.$`, err.Error(), kind)
	}
}
