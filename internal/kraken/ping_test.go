package kraken

import (
	"io"
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

// pings serves by hand, counting pings, and answers a request after a time.
func pings(t *testing.T, wait time.Duration) (*Client, *network, *atomic.Int64) {
	t.Helper()
	n, client, certificate := newNetwork(t)
	var count atomic.Int64
	serveFrames(t, n, certificate, nil, func(f *frames, frame http2.Frame) {
		if _, ok := frame.(*http2.PingFrame); ok {
			count.Add(1)
		}
		f.answer(frame, wait)
	})
	return client, n, &count
}

func TestPingsAreSentWhileAnAnswerIsAwaited(t *testing.T) {
	for name, test := range map[string]struct{ answers, patience, every time.Duration }{
		"60 s":  {30*time.Second + time.Millisecond, time.Minute, time.Second},
		"10 s":  {time.Second + time.Millisecond, 10 * time.Second, time.Second},
		"4 s":   {600 * time.Millisecond, 4 * time.Second, 500 * time.Millisecond},
		"500ms": {350 * time.Millisecond, 500 * time.Millisecond, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, n, count := pings(t, test.answers)
				_, err := callWithin(t, client, test.patience) // the first one hears the server's settings, too
				require.NoError(t, err)
				count.Store(0)
				_, err = callWithin(t, client, test.patience)
				require.NoError(t, err)
				assert.InDelta(t, float64(test.answers/test.every), count.Load(), 1)
				assert.Positive(t, count.Load())
				count.Store(0)
				time.Sleep(80 * time.Second)
				assert.Zero(t, count.Load(), "none while nothing is awaited")
				assert.EqualValues(t, 1, n.dials.Load())
			})
		})
	}
}

func TestRequestsThatWaitAtOnceShareTheirPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, n, count := pings(t, 9*time.Second)
		_, err := callWithin(t, client, 10*time.Second)
		require.NoError(t, err)
		count.Store(0)
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				_, err := callWithin(t, client, 10*time.Second)
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		assert.LessOrEqual(t, count.Load(), int64(40), "of 160 intervals")
		assert.EqualValues(t, 1, n.dials.Load())
	})
}

// TestAConnectionThatDiesUnderARequest: each stage of it.
func TestAConnectionThatDiesUnderARequest(t *testing.T) {
	for name, dies := range map[string]time.Duration{"at once": 0, "late": 3500 * time.Millisecond, "in the body": 5500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client := startNetwork(t, true, func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(5 * time.Second)
					_, _ = io.WriteString(w, goodAnswer[:10])
					_ = http.NewResponseController(w).Flush()
					time.Sleep(time.Second)
					_, _ = io.WriteString(w, goodAnswer[10:])
				})
				_, err := callWithin(t, client, 10*time.Second)
				require.NoError(t, err)
				time.AfterFunc(dies, n.swallow)
				took, err := callWithin(t, client, 10*time.Second)
				requireError(t, err, KindUnavailable, true)
				assert.Contains(t, err.Error(), "the connection broke")
				assert.LessOrEqual(t, took, dies+3*time.Second)
				_, err = callWithin(t, client, 7*time.Second)
				require.NoError(t, err)
				assert.EqualValues(t, 2, n.dials.Load())
			})
		})
	}
}

// TestAServerThatAnswersNoPings but is heard otherwise lives.
func TestAServerThatAnswersNoPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, certificate := newNetwork(t)
		serveFrames(t, n, certificate, nil, func(f *frames, frame http2.Frame) {
			if _, ok := frame.(*http2.DataFrame); ok {
				for wait := time.Duration(0); wait < 5*time.Second; wait += 1500 * time.Millisecond {
					time.AfterFunc(wait, func() {
						f.write(func(framer *http2.Framer) error { return framer.WriteWindowUpdate(0, 1) })
					})
				}
				f.answer(frame, 5*time.Second)
			}
		})
		_, err := callWithin(t, client, 10*time.Second)
		require.NoError(t, err)
		assert.EqualValues(t, 1, n.dials.Load())
	})
}
