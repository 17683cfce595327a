package krakensim

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestTokensAreUniqueAndLongEnough(t *testing.T) {
	x := New(exampleKey)
	got := newRequest(tokenPath, 1).do(t, x.Transport())
	wiretest.Matches(t, `{"error":[],"result":{"token":"*","expires":900}}`, got.body)
	first, second := mintToken(t, x), mintToken(t, x)
	assert.NotEqual(t, first, second)
	assert.Len(t, first, 43)
}
