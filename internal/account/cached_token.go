package account

import (
	"fmt"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock"
)

// leastLife is what a token handed out from the cache must have left, for the reader to connect with it.
const leastLife = time.Minute

// cachedToken is what a cache keeps of a Token. It doesn't change.
type cachedToken struct {
	value        string // secret
	webSocketURL string
	requestedAt  time.Time
	life         time.Duration
}

func (t Token) toCache() *cachedToken {
	return &cachedToken{value: t.Value, webSocketURL: t.WebSocketURL, requestedAt: t.RequestedAt, life: t.ExpiresAt.Sub(t.RequestedAt)}
}

// Format keeps the token out of every fmt verb.
func (cachedToken) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte("[cached token]")) }

// handOut is the token for one more reader.
func (c *cachedToken) handOut() Token {
	return Token{Value: c.value, WebSocketURL: c.webSocketURL, RequestedAt: c.requestedAt, ExpiresAt: c.requestedAt.Add(c.life), Cached: true}
}

// late is the token when it is older than ttl, with the warning that goes with it.
func (c *cachedToken) late(now time.Time, failure error) Token {
	token := c.handOut()
	token.Warning = fmt.Sprintf(
		"this token is %v old and can be used to connect for %v more; a newer one couldn't be had: %v",
		c.age(now).Truncate(time.Second), c.left(now).Truncate(time.Second), failure)
	return token
}

// age and left are Token.Age and Token.Left.
func (c *cachedToken) age(now time.Time) time.Duration  { return clock.Age(c.requestedAt, now) }
func (c *cachedToken) left(now time.Time) time.Duration { return c.life - c.age(now) }

// alive says whether there is a token and enough of its life left.
func (c *cachedToken) alive(now time.Time) bool { return c != nil && c.left(now) >= leastLife }

// young says whether the token may be handed out again as it is.
func (c *cachedToken) young(now time.Time, ttl time.Duration) bool {
	return c.alive(now) && c.age(now) < ttl
}

// renewalDue says whether a young token is old enough to be renewed.
func (c *cachedToken) renewalDue(now time.Time, ttl time.Duration) bool {
	return c.age(now) >= ttl*renewAfterNum/renewAfterDen
}
