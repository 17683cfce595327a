package kraken

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// protocols are what a Kraken, or a gateway in front of it, may speak.
var protocols = map[string]bool{"HTTP/1.1": false, "HTTP/2": true} // is it HTTP/2

// callWithin calls with a deadline, and says how long it took.
func callWithin(t *testing.T, client *Client, wait time.Duration) (time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	began := time.Now()
	_, err := client.GetWebSocketsToken(ctx, testNonce)
	return time.Since(began), err
}

// slowly answers well after the time that is in wait.
func slowly(wait *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(time.Duration(wait.Load())):
			_, _ = io.WriteString(w, goodAnswer)
		case <-r.Context().Done():
		}
	}
}

func TestConnectionsAreKeptAlive(t *testing.T) {
	for protocol, isHTTP2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client := startNetwork(t, isHTTP2, func(w http.ResponseWriter, r *http.Request) {
					assert.Equal(t, isHTTP2, r.ProtoMajor == 2)
					_, _ = io.WriteString(w, goodAnswer)
				})
				for range 10 {
					_, err := callWithin(t, client, time.Second)
					require.NoError(t, err)
					time.Sleep(89 * time.Second)
				}
				assert.EqualValues(t, 1, n.dials.Load())
				time.Sleep(2 * time.Second)
				synctest.Wait()
				assert.Zero(t, n.open.Load(), "closed after 90 s")
			})
		})
	}
}

func TestAnIdleConnectionIsSilent(t *testing.T) {
	for protocol, isHTTP2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client := startNetwork(t, isHTTP2, saying(200, goodAnswer))
				for range 3 {
					_, err := callWithin(t, client, 10*time.Second)
					require.NoError(t, err)
				}
				time.Sleep(time.Millisecond)
				before := n.bytes.Load()
				time.Sleep(85 * time.Second)
				assert.Equal(t, before, n.bytes.Load(), "bytes in both directions")
				assert.EqualValues(t, 1, n.open.Load())
			})
		})
	}
}

// TestADeadConnectionCostsTimeButNotTheAnswer: the try fails so early that a second one fits, over a new connection, though
// more of those that are kept are dead.
func TestADeadConnectionCostsTimeButNotTheAnswer(t *testing.T) {
	for protocol, isHTTP2 := range protocols {
		for _, patience := range []time.Duration{time.Second, 10 * time.Second, 55 * time.Second} {
			t.Run(protocol+" "+patience.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var answers atomic.Int64
					answers.Store(int64(time.Millisecond))
					n, client := startNetwork(t, isHTTP2, slowly(&answers))
					var calls sync.WaitGroup
					for range 3 { // at once, so over HTTP/1.1 by three connections
						calls.Go(func() {
							_, err := callWithin(t, client, patience)
							assert.NoError(t, err)
						})
					}
					calls.Wait()
					dials := n.dials.Load()
					n.swallow()
					took, err := callWithin(t, client, patience)
					requireError(t, err, KindUnavailable, true)
					assert.EqualError(t, err, "the connection broke: nothing came over the connection any more")
					if isHTTP2 {
						assert.Equal(t, min(patience/8, time.Second)+min(patience/4, time.Second), took)
					} else {
						assert.Equal(t, patience/2, took)
					}
					_, err = callWithin(t, client, patience-took)
					require.NoError(t, err)
					assert.Equal(t, dials+1, n.dials.Load())
					synctest.Wait()
					assert.EqualValues(t, 1, n.open.Load(), "the dead ones are closed")
				})
			})
		}
	}
}

// TestASlowAnswerIsWaitedFor: what is slow isn't dead.
func TestASlowAnswerIsWaitedFor(t *testing.T) {
	for name, test := range map[string]struct {
		isHTTP2, reused bool
		answers         time.Duration // of 10 s
	}{
		"HTTP/2, new":      {true, false, 9 * time.Second},
		"HTTP/2, kept":     {true, true, 9 * time.Second},
		"HTTP/1.1, new":    {false, false, 9 * time.Second},
		"HTTP/1.1, kept":   {false, true, 4900 * time.Millisecond},
		"HTTP/2, 6 of 10":  {true, true, 6 * time.Second},
		"HTTP/2, at once":  {true, true, 0},
		"HTTP/1.1, a half": {false, false, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var answers atomic.Int64
				n, client := startNetwork(t, test.isHTTP2, slowly(&answers))
				if test.reused {
					_, err := callWithin(t, client, time.Second)
					require.NoError(t, err)
				}
				answers.Store(int64(test.answers))
				took, err := callWithin(t, client, 10*time.Second)
				require.NoError(t, err)
				assert.Equal(t, test.answers, took)
				assert.EqualValues(t, 1, n.dials.Load())
			})
		})
	}
}

// TestAnAnswerThatHasBegun over HTTP/1.1 has all the time.
func TestAnAnswerThatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client := startNetwork(t, false, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, goodAnswer[:10])
			_ = http.NewResponseController(w).Flush()
			time.Sleep(9 * time.Second)
			_, _ = io.WriteString(w, goodAnswer[10:])
		})
		for range 2 {
			took, err := callWithin(t, client, 10*time.Second)
			require.NoError(t, err)
			assert.Equal(t, 9*time.Second, took)
		}
		assert.EqualValues(t, 1, n.dials.Load())
	})
}

func TestACallWithoutADeadline(t *testing.T) {
	for protocol, isHTTP2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var answers atomic.Int64
				n, client := startNetwork(t, isHTTP2, slowly(&answers))
				for _, wait := range []time.Duration{0, 29 * time.Minute} {
					answers.Store(int64(wait))
					_, err := client.GetWebSocketsToken(t.Context(), testNonce)
					require.NoError(t, err)
				}
				n.swallow()
				began := time.Now()
				_, err := client.GetWebSocketsToken(t.Context(), testNonce)
				requireError(t, err, KindUnavailable, true)
				if isHTTP2 {
					assert.Equal(t, 2*time.Second, time.Since(began))
				} else {
					assert.Equal(t, 30*time.Minute, time.Since(began))
				}
			})
		})
	}
}

func TestClosingConnectionsEndsWithTheLastRequest(t *testing.T) {
	for protocol, isHTTP2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var answers atomic.Int64
				n, client := startNetwork(t, isHTTP2, slowly(&answers))
				_, err := callWithin(t, client, time.Second)
				require.NoError(t, err)
				answers.Store(int64(3 * time.Second))
				transport := client.Transport.(*Transport)
				time.AfterFunc(time.Second, transport.CloseIdleConnections)
				_, err = callWithin(t, client, 10*time.Second)
				require.NoError(t, err)
				synctest.Wait()
				assert.Zero(t, n.open.Load(), "closed after its request")

				answers.Store(0)
				_, err = callWithin(t, client, time.Second)
				require.NoError(t, err, "it goes on with a new one")
				assert.EqualValues(t, 2, n.dials.Load())
				transport.CloseIdleConnections()
				synctest.Wait()
				assert.Zero(t, n.open.Load())
			})
		})
	}
}

func TestAConnectionThatWasClosedWhileIdleCostsNoError(t *testing.T) {
	for protocol, isHTTP2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client := startNetwork(t, isHTTP2, saying(200, goodAnswer))
				for range 3 {
					_, err := callWithin(t, client, time.Second)
					require.NoError(t, err)
					n.hangUp()
					synctest.Wait()
				}
				assert.EqualValues(t, 3, n.dials.Load())
				assert.Zero(t, n.open.Load())
			})
		})
	}
}

// TestAHostileAnswerHarmsNoLaterOne: after each way to break a connection, the next call gets a good answer.
func TestAHostileAnswerHarmsNoLaterOne(t *testing.T) {
	good := httpAnswer("200 OK", "", goodAnswer)
	for name, bad := range map[string]string{
		"garbage":        "sesame\r\n\r\n",
		"a good one cut": good[:len(good)-10],
		"bad chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsesame",
		"too much":       httpAnswer("200 OK", "", strings.Repeat(" ", 2<<20)),
		"two at once":    httpAnswer("500 Internal Server Error", "", "") + httpAnswer("418 I'm a teapot", "", ""),
	} {
		t.Run(name, func(t *testing.T) {
			server := startRawServer(t, func(s *rawServer, connection net.Conn) {
				if s.requests.Load() == 1 {
					say(connection, bad)
					_ = connection.Close()
					return
				}
				say(connection, good)
			})
			client := plainClient(t, server.url)
			_, err := client.GetWebSocketsToken(t.Context(), testNonce)
			require.Error(t, err)
			for range 2 {
				_, err = client.GetWebSocketsToken(t.Context(), testNonce)
				require.NoError(t, err)
			}
		})
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	for protocol, isHTTP2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var length atomic.Int64
				_, client := startNetwork(t, isHTTP2, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("X", strings.Repeat("a", int(length.Load())))
					_, _ = io.WriteString(w, goodAnswer)
				})
				for kilobytes, isGood := range map[int64]bool{60: true, 70: false} {
					length.Store(kilobytes << 10)
					_, err := callWithin(t, client, time.Second)
					assert.Equal(t, isGood, err == nil, "%d kB: %v", kilobytes, err)
					if !isGood {
						requireError(t, err, KindUnavailable, true)
					}
				}
			})
		})
	}
}

// TestADeadLine is TestADeadConnectionCostsTimeButNotTheAnswer over real sockets.
func TestADeadLine(t *testing.T) {
	for protocol, isHTTP2 := range protocols {
		for name, isProxy := range map[string]bool{"": false, " through a proxy": true} {
			t.Run(protocol+name, func(t *testing.T) {
				t.Parallel()
				const patience = 3 * time.Second
				certificate, roots := newCertificate(t, nil)
				server := httptest.NewUnstartedServer(saying(200, goodAnswer))
				server.EnableHTTP2 = isHTTP2
				server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
				server.StartTLS()
				t.Cleanup(server.Close)
				l := startLine(t, server.Listener.Addr().String(), isProxy)
				transport := NewTransport(roots)
				client := testClient(t, "https://"+l.Addr().String(), transport)
				if isProxy {
					client.BaseURL = "https://kraken.test"
					transport.http1.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: l.Addr().String()})
				}
				for range 2 {
					_, err := callWithin(t, client, patience)
					require.NoError(t, err)
				}
				l.age.Store(l.count.Load())
				took, err := callWithin(t, client, patience)
				requireError(t, err, KindUnavailable, true)
				assert.Less(t, took, patience*3/4)
				_, err = callWithin(t, client, patience-took)
				require.NoError(t, err)
				assert.EqualValues(t, 2, l.count.Load())
			})
		}
	}
}
