package krakensim

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARequestWithoutAnAnswerMayHaveBeenProcessed(t *testing.T) {
	for _, test := range []struct {
		fault Fault
		nonce uint64
	}{
		{Fault{Drop: true}, 0},
		{Fault{Drop: true, Process: true}, 1},
	} {
		x := New(exampleKey)
		x.Misbehave(test.fault)
		_, err := newRequest(tokenPath, 1).try(t.Context(), x.Transport())
		require.ErrorIs(t, err, io.EOF)
		assert.Equal(t, test.nonce, x.LastNonce(ExampleAPIKey))
	}
}

func TestBehaveLetsTheTruthBeTold(t *testing.T) {
	x := New(exampleKey)
	x.Misbehave(Fault{Path: "GetWebSocketsToken", Errors: []string{"EService:Busy"}})
	assert.Equal(t, []string{"EService:Busy"}, newRequest(tokenPath, 1).do(t, x.Transport()).Error)
	x.Behave()
	assert.Empty(t, newRequest(tokenPath, 1).do(t, x.Transport()).Error)
}
