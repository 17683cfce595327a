package krakensim

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCallsAreRecordedInOrder(t *testing.T) {
	x := New(exampleKey)
	newRequest(tokenPath, 5).do(t, x.Transport())
	newRequest("/0/private/Balance", 5).do(t, x.Transport())
	newRequest("/0/public/Time", 6).do(t, x.Transport())
	calls := x.Calls()
	require.Len(t, calls, 2)
	assert.Equal(t, Call{Path: tokenPath, APIKey: ExampleAPIKey, Nonce: 5, At: calls[0].At, Status: 200, InFlight: 1}, calls[0])
	assert.Equal(t, []string{"EAPI:Invalid nonce"}, calls[1].Errors)
	x.ForgetCalls()
	assert.Empty(t, x.Calls())
}

func TestCallsSayHowManyWereInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		x.Misbehave(Fault{Times: 3, Latency: time.Second})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { newRequest(tokenPath, 1).do(t, x.Transport()) })
		}
		all.Wait()
		mintToken(t, x)
		var inFlight []int
		for _, call := range x.Calls() {
			inFlight = append(inFlight, call.InFlight)
		}
		assert.Equal(t, []int{1, 2, 3, 1}, inFlight)
	})
}

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
