package krakensim

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARecordedCallSaysHowItWasAnswered(t *testing.T) {
	x := New(exampleKey)
	x.Misbehave(Fault{Times: 1, Errors: []string{"EService:Busy"}}, Fault{Times: 1, Drop: true}, Fault{Times: 1, Status: 503})
	for range 3 {
		_, err := newRequest(tokenPath, 1).try(t.Context(), x.Transport())
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
		}
	}
	calls := x.Calls()
	assert.Equal(t, []string{"EService:Busy"}, calls[0].Errors)
	assert.Zero(t, calls[1].Status)
	assert.Equal(t, 503, calls[2].Status)
}

func TestWhatIsRememberedOfACallIsBounded(t *testing.T) {
	x := New(exampleKey)
	q := newRequest(privatePrefix+strings.Repeat("x", 1000), 1)
	q.apiKey = strings.Repeat("k", 1000)
	require.Equal(t, []string{"EGeneral:Unknown method"}, q.do(t, x.Transport()).Error)
	call := x.Calls()[0]
	assert.Equal(t, []int{maxName, maxName}, []int{len(call.Path), len(call.APIKey)})
}
