package kraken

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// TestWhatACallCostsInRoundTrips: over a connection that is kept, one; over a new one, those of TCP and of TLS 1.3 as well.
func TestWhatACallCostsInRoundTrips(t *testing.T) {
	const roundTrip = 40 * time.Millisecond
	for protocol, isHTTP2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client := startNetwork(t, isHTTP2, saying(http.StatusOK, goodAnswer))
				n.roundTrip(roundTrip)
				call := func(roundTrips int, when string) {
					t.Helper()
					took, err := callWithin(t, client, 10*time.Second)
					require.NoError(t, err)
					assert.Equal(t, time.Duration(roundTrips)*roundTrip, took, when)
				}
				call(3, "the first")
				call(1, "over the connection that is kept")
				n.hangUp()
				time.Sleep(15 * time.Minute)
				call(3, "long after Kraken has closed it")
				n.hangUp()
				time.Sleep(roundTrip)
				call(3, "just after")
				time.Sleep(91 * time.Second)
				call(3, "after it was closed here, because it was idle")
			})
		})
	}
}

// TestAConnectionThatIsBeingClosed: where the request and the server's farewell cross, or the server goes without an answer, the error says so, and another
// call gets through.
func TestAConnectionThatIsBeingClosed(t *testing.T) {
	const roundTrip = 40 * time.Millisecond
	for protocol, isHTTP2 := range protocols {
		for name, test := range map[string]struct {
			isNew  bool
			after  time.Duration // the call Kraken hangs up
			hungUp bool
		}{
			"before the call":            {after: -roundTrip / 4, hungUp: true},
			"while the request travels":  {after: roundTrip / 4, hungUp: true},
			"while Kraken thinks":        {after: roundTrip, hungUp: true},
			"in the midst of the answer": {after: 2 * roundTrip},
			"under a connection's first": {isNew: true, after: 3 * roundTrip},
		} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n, client := startNetwork(t, isHTTP2, func(w http.ResponseWriter, r *http.Request) {
						time.Sleep(roundTrip)
						_, _ = io.WriteString(w, goodAnswer[:10])
						_ = http.NewResponseController(w).Flush()
						time.Sleep(roundTrip)
						_, _ = io.WriteString(w, goodAnswer[10:])
					})
					n.roundTrip(roundTrip)
					if !test.isNew {
						_, err := callWithin(t, client, 10*time.Second)
						require.NoError(t, err)
					}
					if test.after < 0 {
						n.hangUp()
						time.Sleep(-test.after)
					} else {
						time.AfterFunc(test.after, n.hangUp)
					}
					_, err := callWithin(t, client, 10*time.Second)
					assert.Equal(t, test.hungUp, requireError(t, err, KindUnavailable, true).HungUp)
					_, err = callWithin(t, client, 10*time.Second)
					require.NoError(t, err)
				})
			})
		}
	}
}

// TestAFarewellThatCrossesTheRequest over HTTP/2 is a GOAWAY that leaves the request out.
func TestAFarewellThatCrossesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, certificate := newNetwork(t)
		serveFrames(t, n, certificate, nil, func(f *frames, frame http2.Frame) {
			if data, ok := frame.(*http2.DataFrame); ok && data.StreamID > 1 {
				f.write(func(framer *http2.Framer) error { return framer.WriteGoAway(1, http2.ErrCodeNo, nil) })
				return
			}
			f.answer(frame, 0)
		})
		_, err := callWithin(t, client, 10*time.Second)
		require.NoError(t, err)
		took, err := callWithin(t, client, 10*time.Second)
		assert.True(t, requireError(t, err, KindUnavailable, true).HungUp)
		assert.Zero(t, took)
		_, err = callWithin(t, client, 10*time.Second)
		require.NoError(t, err)
		assert.EqualValues(t, 2, n.dials.Load())
	})
}

// TestTheCallAfterOneThatWasHungUpTakesANewConnection: what has forgotten one idle connection, a middlebox or a gateway that was started anew, has forgotten all.
// Over HTTP/1.1 there may be as many as there were callers.
func TestTheCallAfterOneThatWasHungUpTakesANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, certificate := newNetwork(t)
		type madeAt struct{}
		var forgotten atomic.Pointer[time.Time] // all connections that were made before
		server := &http.Server{
			ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}, TLSNextProto: noHTTP2,
			ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
				return context.WithValue(ctx, madeAt{}, time.Now())
			},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if before := forgotten.Load(); before != nil && r.Context().Value(madeAt{}).(time.Time).Before(*before) {
					panic(http.ErrAbortHandler)
				}
				time.Sleep(time.Second)
				_, _ = io.WriteString(w, goodAnswer)
			}),
		}
		go func() { _ = server.ServeTLS(n, "", "") }()
		t.Cleanup(func() { _ = server.Close() })

		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				_, err := callWithin(t, client, 10*time.Second)
				assert.NoError(t, err)
			})
		}
		callers.Wait()
		now := time.Now()
		forgotten.Store(&now)
		_, err := callWithin(t, client, 10*time.Second)
		assert.True(t, requireError(t, err, KindUnavailable, true).HungUp)
		_, err = callWithin(t, client, 10*time.Second)
		assert.NoError(t, err)
	})
}

// TestAServerThatAsksForCalmIsNotAskedAgainAtOnce: a GOAWAY that isn't a farewell is no idle connection's end.
func TestAServerThatAsksForCalmIsNotAskedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, certificate := newNetwork(t)
		serveFrames(t, n, certificate, nil, func(f *frames, frame http2.Frame) {
			if data, ok := frame.(*http2.DataFrame); ok && data.StreamID > 1 {
				f.write(func(framer *http2.Framer) error {
					return framer.WriteGoAway(data.StreamID, http2.ErrCodeEnhanceYourCalm, nil)
				})
				n.hangUp()
				return
			}
			f.answer(frame, 0)
		})
		_, err := callWithin(t, client, 10*time.Second)
		require.NoError(t, err)
		_, err = callWithin(t, client, 10*time.Second)
		assert.False(t, requireError(t, err, KindUnavailable, true).HungUp)
	})
}
