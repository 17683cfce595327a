// Package feed is the WebSocket side of the simulated Kraken: tokens, the private channels and the trading of WebSocket v1
// and v2, and the paper accounts that they and REST share.
package feed

import (
	"net/http"
	"sync"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// A Feed has the tokens, the connections and the accounts of one simulated Kraken. All its methods may be called
// concurrently.
type Feed struct {
	mu       sync.Mutex          // guards everything below, sockets' subscriptions and accounts included
	sessions map[string]*session // by token
	minted   int                 // tokens, with those that are gone
	accounts map[string]*account // by public key
	sockets  map[*socket]struct{}
	closed   bool // no more sockets
}

// account is a paper account in use.
type account struct {
	*paper.Account
	apiKey string
	expiry *time.Timer // runs out when it is time to Expire the account; nil if it never is
	due    time.Time   // when it does
	rate   *tradingRate
}

// New returns a feed with no tokens and no connections. [Feed.Close] ends it.
func New() *Feed {
	return &Feed{
		sessions: make(map[string]*session),
		accounts: make(map[string]*account),
		sockets:  make(map[*socket]struct{}),
	}
}

// ServeV1 serves a connection to WebSocket v1, until either side ends it.
func (f *Feed) ServeV1(w http.ResponseWriter, r *http.Request) { f.serve(w, r, v1{}) }

// ServeV2 serves a connection to WebSocket v2, until either side ends it.
func (f *Feed) ServeV2(w http.ResponseWriter, r *http.Request) { f.serve(w, r, v2{}) }

// WithAccount has do work on the paper account of a public key, and then tells those who have subscribed to it of what has
// changed. It returns do's error. The feed's lock is held meanwhile, so do must not wait, nor call the feed.
func (f *Feed) WithAccount(apiKey string, do func(*paper.Account) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.account(apiKey)
	err := do(a.Account)
	f.publish(a)
	return err
}

// Fill executes an order of an account, whoever's it is, as [paper.Account.Fill] does.
func (f *Feed) Fill(orderID string, quantity, price float64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.accounts {
		if _, open := a.Find(orderID); open {
			_, err := a.Fill(orderID, quantity, price, time.Now())
			f.publish(a)
			return err
		}
	}
	return paper.UnknownOrder
}

// account returns the key's paper account. The caller holds f.mu.
func (f *Feed) account(apiKey string) *account {
	a := f.accounts[apiKey]
	if a == nil {
		a = &account{Account: paper.NewAccount(), apiKey: apiKey, rate: newTradingRate()}
		f.accounts[apiKey] = a
	}
	return a
}

// publish tells everybody who has subscribed to the account of what has happened to it. The caller holds f.mu, and has told
// whoever did it.
func (f *Feed) publish(a *account) {
	f.watch(a)
	for _, e := range a.TakeEvents() {
		a.rate.observe(e)
		for s := range f.sockets {
			for _, channel := range s.protocol.channels() {
				if sub := s.subscriptions[channel]; sub != nil && sub.session.APIKey == a.apiKey {
					s.protocol.publish(s, channel, sub, e)
				}
			}
		}
	}
}

// watch sets the account's timer by its CancelAt. The caller holds f.mu.
func (f *Feed) watch(a *account) {
	due := a.CancelAt()
	if due.Equal(a.due) || f.closed {
		return
	}
	a.due = due
	if a.expiry != nil {
		a.expiry.Stop()
		a.expiry = nil
	}
	if !due.IsZero() {
		a.expiry = time.AfterFunc(time.Until(due), func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			a.Expire(time.Now())
			f.publish(a)
		})
	}
}

// Close cuts all connections off, and lets no new ones in.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for s := range f.sockets {
		s.cut()
	}
	for _, a := range f.accounts {
		if a.expiry != nil {
			a.expiry.Stop()
		}
	}
}

// DropSockets cuts all connections off without a word, as a network that breaks does. Clients may come again.
func (f *Feed) DropSockets() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sockets {
		s.cut()
	}
}

// Subscribed returns the tokens of the subscriptions to a channel that are open, in no order.
func (f *Feed) Subscribed(channel string) (tokens []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sockets {
		if sub := s.subscriptions[channel]; sub != nil {
			tokens = append(tokens, sub.token)
		}
	}
	return tokens
}
