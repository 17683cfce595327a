package feed

import (
	"crypto/rand"
	"encoding/base64"
	"time"
)

// TokenLife is how long a token is good for without a subscription: "expires" of GetWebSocketsToken.
const TokenLife = 900 * time.Second

// maxTokens bounds how many are remembered. With more than so many in 15 minutes, some that no subscription has are forgotten.
const maxTokens = 100_000

// Holder is whom a token stands for: a key as it was when the token was made, for Kraken has no way to take back what it may.
type Holder struct {
	APIKey       string
	Permissions  []string // see package permission
	MaxRateCount int      // of the tier's trading limit, as a subscription's answer tells it
	RateDecay    float64  // by how much that limit's counter goes down in a second
}

// session is what a token stands for.
type session struct {
	Holder
	expires time.Time
	open    int // subscriptions made with the token; while there is one, it doesn't expire
}

func (s *session) alive(now time.Time) bool {
	return s != nil && (s.open > 0 || now.Before(s.expires))
}

// NewToken makes a token for its holder.
func (f *Feed) NewToken(holder Holder) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	// Expired tokens go when a new one comes, but not each time, or ten thousand tokens cost a hundred million looks.
	const between = 1024
	if f.minted++; f.minted%between == 0 {
		for token, s := range f.sessions {
			if !s.alive(now) {
				delete(f.sessions, token)
			}
		}
	}
	if len(f.sessions) >= maxTokens {
		for token, s := range f.sessions {
			if s.open == 0 {
				delete(f.sessions, token)
				break
			}
		}
	}
	random := make([]byte, 32) // 43 characters, as long as Kraken's
	_, _ = rand.Read(random)   // never fails: crypto/rand ends the program first
	token := base64.RawURLEncoding.EncodeToString(random)
	f.sessions[token] = &session{Holder: holder, expires: now.Add(TokenLife)}
	return token
}

// session finds what a token stands for, or nil if it is unknown or has expired. The caller holds f.mu.
func (f *Feed) session(token string, now time.Time) *session {
	if s := f.sessions[token]; s.alive(now) {
		return s
	}
	return nil
}

// ExpireTokens makes all tokens handed out so far worthless, as if they were too old. Open subscriptions stay.
func (f *Feed) ExpireTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.sessions)
}
