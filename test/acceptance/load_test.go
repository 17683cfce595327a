package acceptance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	readers = 6
	// readerPause is between two reads of one reader: enough reads that something is always under way, few enough that
	// the logs of a run can be searched for secrets.
	readerPause = 20 * time.Millisecond
)

// What may become of a read: answered, an HTTP code, or noConnection: the server is down.
const (
	answered     = "answered"
	noConnection = "no connection"
)

var errNoToken = errors.New("an answer without a token")

// outcome is what became of a read.
func outcome(err error) string {
	var refused *api.ResponseError
	switch {
	case err == nil:
		return answered
	case errors.As(err, &refused):
		return strconv.Itoa(refused.StatusCode)
	case errors.Is(err, errNoToken):
		return err.Error()
	default:
		return noConnection
	}
}

// tally counts requests by their outcome.
type tally struct {
	name     string
	outcomes map[string]int
	examples map[string]string // an error for each outcome
}

func newTally(name string) tally {
	return tally{name: name, outcomes: map[string]int{}, examples: map[string]string{}}
}

func (c tally) note(outcome string, err error) {
	c.outcomes[outcome]++
	if err != nil {
		c.examples[outcome] = err.Error()
	}
}

func (c tally) tried() (sum int) {
	for _, count := range c.outcomes {
		sum += count
	}
	return sum
}

// refused tells how many requests had which outcome other than answered.
func (c tally) refused() string {
	var refused []string
	for _, outcome := range slices.Sorted(maps.Keys(c.outcomes)) {
		if outcome != answered {
			refused = append(refused, fmt.Sprintf("%s: %d", outcome, c.outcomes[outcome]))
		}
	}
	return strings.Join(refused, ", ")
}

// assertOutcomes checks that no request was refused but with one of the outcomes given.
func (c tally) assertOutcomes(t *testing.T, outcomes ...string) {
	t.Helper()
	for outcome, example := range c.examples {
		assert.Contains(t, outcomes, outcome, "%s: one was refused with %s", c.name, example)
	}
}

// table is the figures of some loads, a line for each.
func table(tallies []tally) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%-46s %6s %8s  %s", "reads while", "tried", "answered", "refused")
	for _, c := range tallies {
		fmt.Fprintf(&text, "\n%-46s %6d %8d  %s", c.name, c.tried(), c.outcomes[answered], c.refused())
	}
	return text.String()
}

// span is how long a read took.
type span struct{ began, ended time.Time }

// load is a number of readers at work.
type load struct {
	t       *testing.T
	mu      sync.Mutex
	tally   tally
	reads   map[string][]span // by outcome
	healed  time.Time         // when Kraken was told to answer again; zero before
	stopped chan struct{}
}

// tooLate is a 429 to a read that began while Kraken gave no answer and ended after it began to again: it spent its time
// behind a call that then was answered, so it was held back, and what it waited for was no timeout of Kraken's.
const tooLate = "429 as Kraken answers again"

// heal has the trouble end.
func (l *load) heal(end func()) {
	l.mu.Lock()
	l.healed = time.Now()
	l.mu.Unlock()
	end()
}

// underLoad does something while readers read ws-token from all servers at once, and once that is done and reads
// are answered again, checks that no read was refused but with the outcomes given. All reads begin and end within it.
func (c *cluster) underLoad(t *testing.T, name string, outcomes []string, do func(*load)) {
	t.Helper()
	l := &load{t: t, tally: newTally(name), reads: map[string][]span{}, stopped: make(chan struct{})}
	var group sync.WaitGroup
	stop := sync.OnceFunc(func() { close(l.stopped); group.Wait() })
	defer stop()
	for i := range readers {
		client := c.servers[i%len(c.servers)].client
		group.Go(func() { l.read(client, c.evidence) })
	}
	began := time.Now()
	l.wait(answered, began)
	do(l)
	l.wait(answered, time.Now())
	stop()

	c.loads = append(c.loads, l.tally)
	l.tally.assertOutcomes(t, outcomes...)
}

// read is one reader.
func (l *load) read(client *api.Client, evidence evidence) {
	for first := true; ; first = false {
		began := time.Now()
		secret, err := client.Logical().Read("kraken/ws-token")
		if err == nil && (secret == nil || secret.Data["token"] == "") {
			err = errNoToken
		}
		l.note(began, err)
		if first && err == nil {
			_ = evidence.addSecret(secret.Data["token"].(string)) // a few are enough to look for
		}
		select {
		case <-l.stopped:
			return
		case <-time.After(readerPause):
		}
	}
}

func (l *load) note(began time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	outcome := outcome(err)
	if outcome == "429" && began.Before(l.healed) {
		outcome = tooLate
	}
	l.tally.note(outcome, err)
	l.reads[outcome] = append(l.reads[outcome], span{began, time.Now()})
}

// wait waits until as many reads as there are readers have begun after since and had an outcome.
func (l *load) wait(outcome string, since time.Time) {
	l.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		count, examples := 0, maps.Clone(l.tally.examples)
		for _, read := range l.reads[outcome] {
			if read.began.After(since) {
				count++
			}
		}
		l.mu.Unlock()
		if count >= readers {
			return
		}
		require.True(l.t, time.Now().Before(deadline), "%s: %d reads were %s within %s; refusals so far: %q",
			l.tally.name, count, outcome, patience, examples)
	}
}

// first is when the first read that began after since had an outcome. There must be one.
func (l *load) first(outcome string, since time.Time) (ended time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, read := range l.reads[outcome] {
		if read.began.After(since) && (ended.IsZero() || read.ended.Before(ended)) {
			ended = read.ended
		}
	}
	return ended
}
