package krakensim

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"time"
)

// tokenLife is how long a WebSocket token is good for without a subscription: "expires" of GetWebSocketsToken.
const tokenLife = 900 * time.Second

// session is what a WebSocket token stands for.
type session struct {
	apiKey      string
	tier        Tier
	permissions []string // the key's when the token was made; Kraken has no way to take them back
	expires     time.Time
	open        int // subscriptions made with the token; while there is one, it doesn't expire
	dead        bool
}

func (s *session) alive(now time.Time) bool {
	return s != nil && !s.dead && (s.open > 0 || now.Before(s.expires))
}

func (s *session) may(permission string) bool {
	return slices.Contains(s.permissions, permission)
}

// mint makes a token for the key. The caller holds x.mu.
func (x *Exchange) mint(key *keyState, now time.Time) string {
	// Expired tokens go when a new one comes, but not each time, or ten thousand tokens cost a hundred million looks.
	const between = 1024
	if x.minted++; x.minted%between == 0 {
		for token, s := range x.sessions {
			if !s.alive(now) {
				delete(x.sessions, token)
			}
		}
	}
	random := make([]byte, 32) // 43 characters, as long as Kraken's
	_, _ = rand.Read(random)   // never fails: crypto/rand ends the program first
	token := base64.RawURLEncoding.EncodeToString(random)
	x.sessions[token] = &session{
		apiKey:      key.APIKey,
		tier:        key.Tier,
		permissions: key.permissions(),
		expires:     now.Add(tokenLife),
	}
	return token
}

// NewToken makes a WebSocket token of the key's, as GetWebSocketsToken does, but without a request: for who tests what
// comes after.
func (x *Exchange) NewToken(apiKey string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.mint(x.state(apiKey), time.Now())
}

// session finds what a token stands for, or nil if it is unknown or has expired. The caller holds x.mu.
func (x *Exchange) session(token string, now time.Time) *session {
	if s := x.sessions[token]; s.alive(now) {
		return s
	}
	return nil
}

// ExpireTokens makes all tokens handed out so far worthless, as if they were too old. Open subscriptions stay.
func (x *Exchange) ExpireTokens() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.sessions {
		s.dead = true
	}
	clear(x.sessions)
}
