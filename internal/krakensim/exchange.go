package krakensim

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/fault"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/feed"
)

// An Exchange is a simulated Kraken. It serves REST under /0/, WebSocket v1 at / (and /v1), and v2 at /v2. All its
// methods may be called concurrently.
//
// Inside a [testing/synctest] bubble, make the Exchange in the bubble and reach it by [Exchange.Transport].
type Exchange struct {
	faults fault.Queue
	feed   *feed.Feed // tokens, WebSockets, paper accounts

	mu       sync.Mutex // guards everything below
	keys     map[string]*keyState
	lockouts lockouts
	inFlight map[string]int // by public key
	calls    []*Call
}

// New returns an exchange that knows the keys given.
func New(keys ...Key) *Exchange {
	x := &Exchange{
		feed:     feed.New(),
		keys:     make(map[string]*keyState),
		inFlight: make(map[string]int),
	}
	x.SetLockout(Lockout{})
	for _, key := range keys {
		x.SetKey(key)
	}
	return x
}

// SetKey adds a key, or replaces the one with the same public key, whose nonce, call counter and lockout stay.
func (x *Exchange) SetKey(key Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	state := x.state(key.APIKey)
	key.Permissions = slices.Clone(key.Permissions)
	if key.TOTPSecret != state.TOTPSecret {
		state.lastCode = 0
	}
	state.Key, state.present, state.modified = key, true, time.Now()
}

// RemoveKey revokes a key: from now on it is EAPI:Invalid key. Tokens made with it live on, as at Kraken. It reports
// whether there was such a key.
func (x *Exchange) RemoveKey(apiKey string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	state := x.keys[apiKey]
	if state == nil || !state.present {
		return false
	}
	state.present = false
	return true
}

// LastNonce returns the highest nonce the key has used; 0 if none.
func (x *Exchange) LastNonce(apiKey string) uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if state := x.keys[apiKey]; state != nil {
		return state.nonce
	}
	return 0
}

// SetLastNonce makes nonce the highest that the key has used, as if the key had been in use elsewhere.
func (x *Exchange) SetLastNonce(apiKey string, nonce uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.state(apiKey).nonce = nonce
}

// state returns what is known of a public key, which may be nothing yet. The caller holds x.mu.
func (x *Exchange) state(apiKey string) *keyState {
	state := x.keys[apiKey]
	if state == nil {
		state = &keyState{Key: Key{APIKey: apiKey}, created: time.Now()}
		x.keys[apiKey] = state
	}
	return state
}

// ServeHTTP serves REST and WebSocket requests.
func (x *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isUpgrade(r) {
		switch r.URL.Path {
		case "/", "/v1":
			x.feed.ServeV1(w, r)
			return
		case "/v2":
			x.feed.ServeV2(w, r)
			return
		}
	}
	x.serveREST(w, r)
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// NewToken makes a WebSocket token of the key's, as GetWebSocketsToken does, but without a request. It is for tests of
// what is done with a token. It checks nothing, so the key need not be known.
func (x *Exchange) NewToken(apiKey string) string {
	x.mu.Lock()
	holder := x.state(apiKey).holder()
	x.mu.Unlock()
	return x.feed.NewToken(holder)
}

// ExpireTokens makes all tokens handed out so far worthless, as if they were too old. Open subscriptions stay.
func (x *Exchange) ExpireTokens() { x.feed.ExpireTokens() }

// DropSockets cuts all WebSocket connections off without a word, as a network that breaks does. Clients may come again.
func (x *Exchange) DropSockets() { x.feed.DropSockets() }

// Subscribed returns the tokens of the subscriptions to a channel that are open, in no order.
func (x *Exchange) Subscribed(channel string) (tokens []string) { return x.feed.Subscribed(channel) }

// Fill executes an order of a paper account, whoever's it is: so much of it at a price, or all that is left (quantity
// 0) at the order's own price (price 0). The error is Kraken's refusal.
func (x *Exchange) Fill(orderID string, quantity, price float64) error {
	return x.feed.Fill(orderID, quantity, price)
}
