package feed

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTokensAreBoundedButForThoseInUse(t *testing.T) {
	f := New()
	c := newV1Client(t, f)
	c.send(subscribeOpenOrders)
	for range maxTokens + 10 {
		f.NewToken(trader)
	}
	assert.Len(t, f.sessions, maxTokens)
	assert.Contains(t, f.sessions, c.token)
}
