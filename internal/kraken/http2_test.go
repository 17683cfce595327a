package kraken

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

func TestHTTP2RequestsShareAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers, most, current atomic.Int64
		answers.Store(int64(time.Second))
		slow := slowly(&answers)
		n, client := startNetwork(t, true, func(w http.ResponseWriter, r *http.Request) {
			defer current.Add(-1)
			most.Store(max(most.Load(), current.Add(1)))
			slow(w, r)
		})
		_, err := callWithin(t, client, 10*time.Second)
		require.NoError(t, err)
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() {
				_, err := callWithin(t, client, 10*time.Second)
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		assert.EqualValues(t, 1, n.dials.Load())
		assert.EqualValues(t, 50, most.Load(), "at once")
	})
}

func TestServersDoNotShareAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client := startNetwork(t, true, saying(200, goodAnswer))
		for i, url := range []string{"https://kraken.test", "https://kraken.test:444", "https://kraken.test:443", "https://kraken.test:444"} {
			client.BaseURL = url
			_, err := callWithin(t, client, time.Second)
			require.NoError(t, err)
			assert.EqualValues(t, min(2, i+1), n.dials.Load(), url)
		}
		client.BaseURL = "http://kraken.test:443"
		_, err := callWithin(t, client, time.Second)
		require.Error(t, err, "not over TLS")
		assert.EqualValues(t, 3, n.dials.Load())
	})
}

// handshake makes a TLS connection as the transport does before it calls adopt.
func handshake(t *testing.T, n *network, transport *Transport) *tls.Conn {
	t.Helper()
	connection, err := n.dial(t.Context(), "", "")
	require.NoError(t, err)
	config := transport.http1.TLSClientConfig.Clone()
	config.ServerName = "kraken.test"
	secure := tls.Client(connection, config)
	require.NoError(t, secure.HandshakeContext(t.Context()))
	return secure
}

func TestOneOfManyNewConnectionsIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client := startNetwork(t, true, saying(200, goodAnswer))
		transport := client.Transport.(*Transport)
		adopt := func(address string) http.RoundTripper { return transport.adopt(address, handshake(t, n, transport)) }
		first := adopt("kraken.test:443")
		assert.Same(t, first, adopt("kraken.test:443"))
		synctest.Wait()
		assert.EqualValues(t, 1, n.open.Load(), "the other one is closed")
		assert.NotSame(t, first, adopt("other.test:443"))
		time.Sleep(5 * time.Second)
		_, err := callWithin(t, client, time.Second)
		require.NoError(t, err)
		assert.Same(t, first, adopt("kraken.test:443"), "it has just shown that it lives")

		time.Sleep(time.Second)
		second := adopt("kraken.test:443")
		assert.NotSame(t, first, second, "the first one may be dead by now")
		_, err = callWithin(t, client, time.Second)
		require.NoError(t, err)
		assert.True(t, second.(*http2Conn).taken.Load(), "the newest is the likeliest to live")

		time.Sleep(time.Second)
		n.hangUp()
		synctest.Wait()
		third := adopt("kraken.test:443")
		assert.Equal(t, []*http2Conn{third.(*http2Conn)}, transport.conns, "broken ones are forgotten")
	})
}

func TestABrokenConnectionIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client := startNetwork(t, true, saying(200, goodAnswer))
		transport := client.Transport.(*Transport)
		first := transport.adopt("kraken.test:443", handshake(t, n, transport))
		n.hangUp()
		synctest.Wait()
		assert.NotSame(t, first, transport.adopt("kraken.test:443", handshake(t, n, transport)))

		connection := handshake(t, n, transport)
		_ = connection.NetConn().Close()
		time.Sleep(time.Second)
		failed := transport.adopt("kraken.test:443", connection)
		response, err := failed.RoundTrip(nil)
		assert.Nil(t, response)
		assert.Error(t, err, "one that breaks at once")
		assert.Equal(t, err, failed.(interface{ RoundTripErr() error }).RoundTripErr())
	})
}

// TestServersThatRefuse a request before they have looked at it, in HTTP/2's ways.
func TestServersThatRefuse(t *testing.T) {
	resets := func(code http2.ErrCode) func(*http2.Framer, uint32) error {
		return func(framer *http2.Framer, stream uint32) error { return framer.WriteRSTStream(stream, code) }
	}
	goesAway := func(code http2.ErrCode) func(*http2.Framer, uint32) error {
		return func(framer *http2.Framer, stream uint32) error {
			return framer.WriteGoAway(stream-2, code, []byte("sesame"))
		}
	}
	for name, test := range map[string]struct {
		refuse func(*http2.Framer, uint32) error
		dials  int64
	}{
		"RST_STREAM, refused":        {resets(http2.ErrCodeRefusedStream), 1},
		"RST_STREAM, internal error": {resets(http2.ErrCodeInternal), 1},
		"GOAWAY, no error":           {goesAway(http2.ErrCodeNo), 2},
		"GOAWAY, enhance your calm":  {goesAway(http2.ErrCodeEnhanceYourCalm), 2},
		"no HTTP/2 at all": {func(framer *http2.Framer, _ uint32) error {
			return framer.WriteRawFrame(http2.FrameData, 0, 0, []byte("sesame"))
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client, certificate := newNetwork(t)
				var requests atomic.Int64
				serveFrames(t, n, certificate, nil, func(f *frames, frame http2.Frame) {
					if data, ok := frame.(*http2.DataFrame); ok && requests.Add(1) == 2 {
						f.write(func(framer *http2.Framer) error { return test.refuse(framer, data.StreamID) })
						return
					}
					f.answer(frame, 0)
				})
				_, err := callWithin(t, client, 10*time.Second)
				require.NoError(t, err)
				_, err = callWithin(t, client, 10*time.Second)
				requireError(t, err, KindUnavailable, true)
				assert.NotContains(t, err.Error(), "sesame")
				assert.EqualValues(t, 2, requests.Load(), "the transport sends nothing twice")
				synctest.Wait()
				_, err = callWithin(t, client, 10*time.Second)
				require.NoError(t, err)
				assert.Equal(t, test.dials, n.dials.Load())
			})
		})
	}
}

// TestAServerThatLeavesPolitely finishes what it has, and costs nobody an answer.
func TestAServerThatLeavesPolitely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, certificate := newNetwork(t)
		serveFrames(t, n, certificate, nil, func(f *frames, frame http2.Frame) {
			if data, ok := frame.(*http2.DataFrame); ok {
				f.write(func(framer *http2.Framer) error { return framer.WriteGoAway(data.StreamID, http2.ErrCodeNo, nil) })
			}
			f.answer(frame, 0)
		})
		for range 3 {
			_, err := callWithin(t, client, 10*time.Second)
			require.NoError(t, err)
			synctest.Wait() // net/http dials once more where it hasn't quite put the connection away
		}
		assert.EqualValues(t, 3, n.dials.Load())
		assert.Zero(t, n.open.Load())
	})
}

// TestAServerThatTakesNoRequest isn't dialled again and again.
func TestAServerThatTakesNoRequest(t *testing.T) {
	for name, settings := range map[string][]http2.Setting{
		"it allows no request": {{ID: http2.SettingMaxConcurrentStreams, Val: 0}},
		"it goes at once":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client, certificate := newNetwork(t)
				serveFrames(t, n, certificate, settings, func(f *frames, _ http2.Frame) {
					if settings == nil {
						f.write(func(framer *http2.Framer) error { return framer.WriteGoAway(0, http2.ErrCodeNo, nil) })
					}
				})
				_, err := callWithin(t, client, 10*time.Second)
				require.Error(t, err)
				assert.LessOrEqual(t, n.dials.Load(), int64(maxTries))

				transport := client.Transport.(*Transport)
				connection := transport.adopt("kraken.test:443", handshake(t, n, transport))
				synctest.Wait()
				_, err = connection.RoundTrip(nil)
				assert.EqualError(t, err, "the server makes HTTP/2 connections and takes no request")
				assert.NotImplements(t, (*interface{ IsHTTP2NoCachedConnError() })(nil), err)
				time.Sleep(time.Second)
				_, err = connection.RoundTrip(nil)
				assert.Implements(t, (*interface{ IsHTTP2NoCachedConnError() })(nil), err, "it was good before: another may be")
				assert.EqualError(t, err, "the HTTP/2 connection takes no more requests")
			})
		})
	}
}

func TestAConnectionThatIsFullIsNotTheOnlyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, certificate := newNetwork(t)
		one := []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1}}
		serveFrames(t, n, certificate, one, func(f *frames, frame http2.Frame) { f.answer(frame, time.Second) })
		_, err := callWithin(t, client, 10*time.Second)
		require.NoError(t, err)
		var dials int64
		for range 3 {
			dials = n.dials.Load()
			var calls sync.WaitGroup
			for range 3 {
				calls.Go(func() {
					_, err := callWithin(t, client, 10*time.Second)
					assert.NoError(t, err)
				})
			}
			calls.Wait()
			assert.GreaterOrEqual(t, n.dials.Load(), int64(2))
		}
		assert.Equal(t, dials, n.dials.Load(), "the others are kept, too")
	})
}

func TestAnHTTP2BodyThatDripsEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client := startNetwork(t, true, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(100 * time.Millisecond)
			}
		})
		took, err := callWithin(t, client, 5*time.Second)
		requireError(t, err, KindTimeout, true)
		assert.Equal(t, 5*time.Second, took)
		assert.EqualValues(t, 1, n.dials.Load())
	})
}

func TestAnHTTP2BodyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client := startNetwork(t, true, func(w http.ResponseWriter, _ *http.Request) {
			for _, err := io.WriteString(w, "{"); err == nil; _, err = io.WriteString(w, strings.Repeat(" ", 1<<16)) {
			}
		})
		_, err := callWithin(t, client, 5*time.Second)
		requireError(t, err, KindNonsense, true)
		assert.Less(t, n.bytes.Load(), int64(10<<20))
	})
}

// TestAConnectionThatTurnsOutToBeNoGood before the request is written: another one is tried, three in all.
func TestAConnectionThatTurnsOutToBeNoGood(t *testing.T) {
	noBody := errors.New("no second body")
	for name, test := range map[string]struct {
		noGood  int64 // connections
		getBody func(*http.Request)
		dials   int64
		wantErr bool
		cause   error
	}{
		"one":                     {noGood: 1, dials: 2},
		"two":                     {noGood: 2, dials: 3},
		"three":                   {noGood: 3, dials: 3, wantErr: true},
		"no way to say it again":  {noGood: 1, dials: 1, wantErr: true, getBody: func(r *http.Request) { r.GetBody = nil }},
		"a way that doesn't work": {noGood: 1, dials: 1, wantErr: true, cause: noBody, getBody: func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return nil, noBody } }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client, certificate := newNetwork(t)
				var newest atomic.Pointer[frames]
				var requests atomic.Int64
				serveFrames(t, n, certificate, nil, func(f *frames, frame http2.Frame) {
					newest.Store(f)
					if _, ok := frame.(*http2.DataFrame); ok {
						requests.Add(1)
					}
					f.answer(frame, 0)
				})
				var got int64
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
					if got++; got <= test.noGood {
						time.Sleep(time.Millisecond) // for the server to see the connection
						newest.Load().write(func(framer *http2.Framer) error { return framer.WriteGoAway(0, http2.ErrCodeNo, nil) })
						time.Sleep(time.Millisecond)
					}
				}})
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://kraken.test", strings.NewReader("nonce=1"))
				require.NoError(t, err)
				if test.getBody != nil {
					test.getBody(request)
				}
				response, err := client.Transport.RoundTrip(request)
				assert.Equal(t, test.wantErr, err != nil, "%v", err)
				if err == nil {
					body, err := io.ReadAll(response.Body)
					assert.NoError(t, err)
					assert.Equal(t, goodAnswer, string(body))
					assert.NoError(t, response.Body.Close())
				}
				if test.cause != nil {
					assert.Equal(t, test.cause, err)
				}
				assert.Equal(t, test.dials, n.dials.Load())
				assert.EqualValues(t, map[bool]int64{false: 1, true: 0}[test.wantErr], requests.Load())
			})
		})
	}
}
