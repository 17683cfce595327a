package krakensecrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// slowBus is an event bus that takes its time.
type slowBus struct {
	takes time.Duration
	err   error

	mu    sync.Mutex
	asked int
	sent  []string // accounts
}

func (s *slowBus) SendEvent(ctx context.Context, _ logical.EventType, event *logical.EventData) error {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.sent = append(s.sent, event.Metadata.AsMap()["account"].(string))
	}
	return s.err
}

// withQueue runs a test with an event queue to a bus, and what the queue logs.
func withQueue(t *testing.T, bus logical.EventSender, test func(t *testing.T, q *eventQueue, log *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		q := newEventQueue(bus, hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log}))
		test(t, q, log)
		q.close()
	})
}

// waits is how many events wait.
func (q *eventQueue) waits() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

func numbered(i int) event { return event{eventType: eventTokenMint, account: strconv.Itoa(i)} }

func TestEventsAreSentInOrderAndNobodyWaitsForThem(t *testing.T) {
	bus := &slowBus{takes: 10 * time.Millisecond}
	withQueue(t, bus, func(t *testing.T, q *eventQueue, _ *bytes.Buffer) {
		began := time.Now()
		var want []string
		for i := range 50 {
			q.add(numbered(i))
			want = append(want, strconv.Itoa(i))
		}
		assert.Zero(t, time.Since(began))
		q.work.Wait()
		assert.Equal(t, want, bus.sent)
		assert.Equal(t, eventDelay+50*bus.takes, time.Since(began), "one at a time")
		q.add(numbered(50))
		q.work.Wait()
		assert.Equal(t, "50", bus.sent[50], "it begins again")
	})
}

func TestABusThatTakesNothingLosesEventsAndIsToldOnceAMinute(t *testing.T) {
	bus := &slowBus{takes: time.Hour}
	withQueue(t, bus, func(t *testing.T, q *eventQueue, log *bytes.Buffer) {
		q.add(numbered(0))
		time.Sleep(eventDelay)
		synctest.Wait() // it is being sent
		for i := range 3 * mostEvents {
			q.add(numbered(i))
		}
		assert.Equal(t, mostEvents, q.waits())
		time.Sleep(lostEventsEvery + eventTimeout/2)
		synctest.Wait()
		for i := range mostEvents {
			q.add(numbered(i))
		}
		assert.Equal(t, mostEvents, q.waits())
		q.close()
		assert.Equal(t, []string{"lost=1", fmt.Sprintf("lost=%d", 2*mostEvents)}, regexp.MustCompile(`lost=\d+`).FindAllString(log.String(), -1))
	})
}

func TestEventsOfTokensDoNotPushOutThoseOfConfigs(t *testing.T) {
	withQueue(t, &slowBus{takes: time.Hour}, func(t *testing.T, q *eventQueue, _ *bytes.Buffer) {
		q.add(event{eventType: eventConfigDisable})
		synctest.Wait() // it is being sent, and all others wait
		for _, kind := range []struct {
			eventType string
			room      int
		}{{eventTokenMint, mostEvents}, {eventConfigEnable, mostEvents + mostConfigEvents}, {eventTokenMint, mostEvents + mostConfigEvents}} {
			for range 2 * mostEvents {
				q.add(event{eventType: kind.eventType})
			}
			assert.Equal(t, kind.room, q.waits(), kind.eventType)
		}
	})
}

func TestAQueueIsClosedInTime(t *testing.T) {
	for _, test := range []struct {
		name     string
		takes    time.Duration
		closesIn time.Duration
		sent     int
	}{
		{"the bus takes what waits", 10 * time.Millisecond, 200 * time.Millisecond, 20},
		{"the bus is slow", 300 * time.Millisecond, eventTimeout, 3},
		{"the bus takes nothing", time.Hour, eventTimeout, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			bus := &slowBus{takes: test.takes}
			withQueue(t, bus, func(t *testing.T, q *eventQueue, _ *bytes.Buffer) {
				for i := range 20 {
					q.add(numbered(i))
				}
				began := time.Now()
				q.close()
				assert.Equal(t, test.closesIn, time.Since(began))
				q.add(numbered(20))
				assert.Zero(t, q.waits(), "nothing begins any more")
				q.close()
				assert.Len(t, bus.sent, test.sent)
			})
		})
	}
}

func TestAVaultWithoutEventsIsAskedOnce(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		asks int
		log  int // lines
	}{
		"the framework has no bus":         {framework.ErrNoEvents, 1, 1},
		"the server doesn't know the call": {status.Error(codes.Unimplemented, "unknown service pb.Events"), 1, 1},
		"the bus is down":                  {errors.New("the bus is down"), 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			bus := &slowBus{err: test.err}
			withQueue(t, bus, func(t *testing.T, q *eventQueue, log *bytes.Buffer) {
				for i := range 3 { // the first two together
					q.add(numbered(i))
					if i > 0 {
						q.work.Wait()
					}
				}
				assert.Equal(t, test.asks, bus.asked)
				assert.Equal(t, test.log, bytes.Count(log.Bytes(), []byte("\n")), log)
			})
		})
	}
}

func TestEventsOfConfigsAreSentAtOnceWithAllThatWait(t *testing.T) {
	bus := &slowBus{}
	withQueue(t, bus, func(t *testing.T, q *eventQueue, _ *bytes.Buffer) {
		q.add(numbered(0))
		time.Sleep(eventDelay / 2)
		q.add(event{eventType: eventConfigDisable, account: "1"})
		synctest.Wait()
		assert.Equal(t, []string{"0", "1"}, bus.sent)
	})
}

// slowReader is a log whose reader takes its time.
type slowReader struct{ reading, goesOn chan struct{} }

func (s slowReader) Write(line []byte) (int, error) {
	close(s.reading)
	<-s.goesOn
	return len(line), nil
}

// TestASlowReaderOfTheLogHoldsUpNobodyElse: the one whose event is lost waits for it, at most.
func TestASlowReaderOfTheLogHoldsUpNobodyElse(t *testing.T) {
	log := slowReader{make(chan struct{}), make(chan struct{})}
	q := newEventQueue(&slowBus{takes: time.Hour}, hclog.New(&hclog.LoggerOptions{Output: log}))
	for i := range mostEvents {
		q.waiting = append(q.waiting, numbered(i))
	}
	var lost sync.WaitGroup
	lost.Go(func() { q.add(numbered(mostEvents)) })
	<-log.reading
	waits := make(chan int)
	go func() { waits <- q.waits() }()
	select {
	case n := <-waits:
		assert.Equal(t, mostEvents, n)
	case <-time.After(5 * time.Second):
		t.Error("the queue is locked")
	}
	close(log.goesOn)
	lost.Wait()
	q.close()
}
