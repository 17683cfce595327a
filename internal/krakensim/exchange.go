package krakensim

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/fault"
)

// An Exchange is a simulated Kraken. It serves REST under /0/, WebSocket v1 at / (and /v1), and v2 at /v2. All its
// methods may be called concurrently.
//
// Inside a [testing/synctest] bubble, make the Exchange in the bubble and reach it by [Exchange.Transport].
type Exchange struct {
	mu       sync.Mutex // guards everything down to calls, sockets' subscriptions included
	keys     map[string]*keyState
	refused  map[string]*refusals // by public key, known or not
	inFlight map[string]int       // by public key
	sessions map[string]*session  // by token
	minted   int
	accounts map[string]*account // by public key
	sockets  map[*socket]struct{}
	closing  bool // no more sockets
	calls    []*Call

	faults fault.Queue // guards itself
}

// New returns an exchange that knows the keys given.
func New(keys ...Key) *Exchange {
	x := &Exchange{
		keys:     make(map[string]*keyState),
		refused:  make(map[string]*refusals),
		inFlight: make(map[string]int),
		sessions: make(map[string]*session),
		accounts: make(map[string]*account),
		sockets:  make(map[*socket]struct{}),
	}
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
	state.Key, state.present, state.modified = key, true, time.Now()
}

// RemoveKey revokes a key: from now on it is EAPI:Invalid key. Tokens made with it live on, as at Kraken.
func (x *Exchange) RemoveKey(apiKey string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if state := x.keys[apiKey]; state != nil {
		state.present = false
	}
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
			x.serveSocket(w, r, v1{})
			return
		case "/v2":
			x.serveSocket(w, r, v2{})
			return
		}
	}
	x.serveREST(w, r)
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// acceptOptions lets browsers in from anywhere, as Kraken does: the token is what protects an account.
var acceptOptions = &websocket.AcceptOptions{InsecureSkipVerify: true}
