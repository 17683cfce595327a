package krakensim

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLargeBodiesAreRefused(t *testing.T) {
	q := newRequest(tokenPath, 1)
	q.body = strings.Repeat("a", maxBody+1)
	assert.Equal(t, http.StatusRequestEntityTooLarge, q.do(t, New(exampleKey).Transport()).status)
	q.base = startServer(t, Options{}).RESTURL()
	// The server reads all of it, one byte too many, so the answer doesn't come too early for the client.
	assert.Equal(t, http.StatusRequestEntityTooLarge, q.do(t, newTransport(t)).status)
}
