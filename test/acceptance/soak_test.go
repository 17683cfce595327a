package acceptance

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// soakTime is how long TestSoak runs: SOAKTIME as make soak sets it, 2 minutes in CI, else short.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	if text := os.Getenv("SOAKTIME"); text != "" {
		duration, err := time.ParseDuration(text)
		require.NoError(t, err, "SOAKTIME")
		return duration
	}
	if os.Getenv("CI") == "true" {
		return 2 * time.Minute
	}
	return 15 * time.Second
}

// sample is what the plugin's process takes at a moment.
type sample struct{ resident, files, threads int } // KiB, -, -

// TestSoak lets readers, a Kraken with bad moments, and an operator who rewrites and deletes configs at the engine, and sees
// that memory, open files and threads stay flat, and that every answer has a code of the contract.
//
//	make soak
func TestSoak(t *testing.T) {
	if !hasProc() {
		t.Skip("needs /proc")
	}
	duration := soakTime(t)
	c := startCluster(t, setup{storage: inMemory})
	c.enable(t)
	client := c.servers[0].client.Logical()
	names := []string{"cached", "uncached", "changing", "going"}
	keys := map[string]krakensim.Key{}
	for i, cacheTTL := range []string{"2s", "0", "5s", "1m"} {
		keys[names[i]] = c.configure(t, names[i], map[string]any{"cache_ttl": cacheTTL, "request_timeout": "2s"})
	}
	plugin := c.servers[0].plugin(t)

	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var mu sync.Mutex // guards the tallies
	reads, writes, deletes := newTally("reads"), newTally("config writes"), newTally("deletes")
	count := func(tally tally, err error) {
		mu.Lock()
		defer mu.Unlock()
		if outcome := outcome(err); outcome != noConnection || ctx.Err() == nil { // the end of the run cuts off the last ones
			tally.note(outcome, err)
		}
	}
	var running sync.WaitGroup
	every := func(pause time.Duration, work func(i int)) {
		running.Go(func() {
			ticker := time.NewTicker(pause)
			defer ticker.Stop()
			for i := 0; ; i++ {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
					work(i)
				}
			}
		})
	}
	for reader := range 8 {
		every(20*time.Millisecond, func(i int) {
			path := "kraken/ws-token/" + names[(reader+i)%len(names)]
			if i%50 == 49 {
				path = "kraken/key-info/" + names[reader%len(names)]
			}
			_, err := client.ReadWithContext(ctx, path)
			count(reads, err)
		})
	}
	every(time.Second, func(i int) { // an operator
		name := "changing"
		if i%2 == 1 {
			name = "going"
			_, err := client.DeleteWithContext(ctx, "kraken/config/"+name)
			count(deletes, err)
		}
		_, err := client.WriteWithContext(ctx, "kraken/config/"+name, c.account(keys[name], map[string]any{
			"cache_ttl": fmt.Sprintf("%ds", 1+i%5), "request_timeout": "2s", "verify": false,
		}))
		count(writes, err)
	})
	every(3*time.Second, func(i int) { // Kraken's bad moments; connections go with some of them
		faults := []krakensim.Fault{
			{Errors: []string{"EService:Unavailable"}}, {Status: 520}, {Drop: true}, {Truncate: true}, {Hang: true},
			{Body: "<html>"}, {Oversize: 2 << 20}, {Errors: []string{"EAPI:Invalid nonce"}}, {Latency: 300 * time.Millisecond},
		}
		fault := faults[i%len(faults)]
		fault.Times = 5
		c.kraken.Behave()
		c.kraken.Misbehave(fault)
		c.kraken.CloseConnections()
		c.kraken.ForgetCalls() // the simulator's own memory is none of the test's business
	})
	var samples []sample
	every(max(duration/100, 100*time.Millisecond), func(int) {
		s := sample{plugin.status(residentLine), len(plugin.openFiles()), plugin.status(threadsLine)}
		if s.resident > 0 {
			samples = append(samples, s)
		}
	})
	running.Wait()
	c.kraken.Behave()

	for _, tally := range []tally{reads, writes, deletes} {
		// 400: not configured, between a delete and the write after it; or a remembered refusal.
		tally.assertOutcomes(t, "400", "429", "502", "503", "504")
	}
	require.GreaterOrEqual(t, len(samples), 10)
	assert.Equal(t, plugin, c.servers[0].plugin(t), "it is the same process still")
	first, second := peak(samples[len(samples)/10:len(samples)/2]), peak(samples[len(samples)/2:])
	t.Logf("%v: %d reads, %d answered, refused [%s]; %d config writes, refused [%s]; %d deletes, refused [%s]",
		duration, reads.tried(), reads.outcomes[answered], reads.refused(), writes.tried(), writes.refused(), deletes.tried(), deletes.refused())
	t.Logf("peak of the first half and of the second: %d and %d KiB resident, %d and %d open files, %d and %d threads",
		first.resident, second.resident, first.files, second.files, first.threads, second.threads)
	assert.Positive(t, reads.outcomes[answered])
	assert.Less(t, second.resident, first.resident*5/4+16<<10, "KiB resident")
	assert.Less(t, second.files, first.files+32, "open files") // 16 idle connections a host, and some that come and go
	assert.Less(t, second.threads, first.threads+16, "threads")
	for name := range keys { // and it works on
		if _, err := client.Write("kraken/ws-token/"+name, nil); err != nil {
			t.Logf("%s after the run: %v", name, err)
		}
	}
}

// peak is the most of each that was seen.
func peak(samples []sample) (most sample) {
	for _, s := range samples {
		most = sample{max(most.resident, s.resident), max(most.files, s.files), max(most.threads, s.threads)}
	}
	return most
}
