package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
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
	m := startMounted(t)
	accounts := []string{"cached", "uncached", "changing", "going"}
	pairs := map[string]krakensim.Key{}
	fields := map[string]map[string]any{
		"cached": {"cache_ttl": "2s"}, "uncached": {}, "changing": {"cache_ttl": "5s"}, "going": {"cache_ttl": "1m"},
	}
	for _, name := range accounts {
		fields[name]["request_timeout"] = "2s"
		pairs[name] = m.write(t, name, fields[name])
	}
	plugin := m.plugin(t)

	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var reads, answered, writes atomic.Int64
	var codes sync.Map // of refusals: *atomic.Int64
	count := func(err error) {
		if err == nil {
			return
		}
		code := fmt.Sprint(err)
		if refused := (*api.ResponseError)(nil); errors.As(err, &refused) {
			code = fmt.Sprint(refused.StatusCode)
		} else if ctx.Err() != nil {
			return // the end of the run cut it off
		}
		counter, _ := codes.LoadOrStore(code, new(atomic.Int64))
		counter.(*atomic.Int64).Add(1)
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
			path := "kraken/ws-token/" + accounts[(reader+i)%len(accounts)]
			if i%50 == 49 {
				path = "kraken/key-info/" + accounts[reader%len(accounts)]
			}
			reads.Add(1)
			_, err := m.client.Logical().ReadWithContext(ctx, path)
			if err == nil {
				answered.Add(1)
			}
			count(err)
		})
	}
	every(time.Second, func(i int) { // an operator
		writes.Add(1)
		name := "changing"
		if i%2 == 1 {
			name = "going"
			_, err := m.client.Logical().DeleteWithContext(ctx, "kraken/config/"+name)
			count(err)
		}
		pair := pairs[name]
		_, err := m.client.Logical().WriteWithContext(ctx, "kraken/config/"+name, map[string]any{
			"api_key": pair.APIKey, "api_secret": pair.APISecret, "otp_password": pair.OTPPassword, "tier": "none",
			"api_url": m.kraken.RESTURL(), "cache_ttl": fmt.Sprintf("%ds", 1+i%5), "request_timeout": "2s", "verify": false,
		})
		count(err)
	})
	every(3*time.Second, func(i int) { // Kraken's bad moments; connections go with some of them
		faults := []krakensim.Fault{
			{Errors: []string{"EService:Unavailable"}}, {Status: 520}, {Drop: true}, {Truncate: true}, {Hang: true},
			{Body: "<html>"}, {Oversize: 2 << 20}, {Errors: []string{"EAPI:Invalid nonce"}}, {Latency: 300 * time.Millisecond},
		}
		fault := faults[i%len(faults)]
		fault.Times = 5
		m.kraken.Behave()
		m.kraken.Misbehave(fault)
		m.kraken.CloseConnections()
		m.kraken.ForgetCalls() // the simulator's own memory is none of the test's business
	})
	var samples []sample
	every(max(duration/100, 100*time.Millisecond), func(int) {
		s := sample{plugin.status(residentLine), len(plugin.openFiles()), plugin.status(threadsLine)}
		if s.resident > 0 {
			samples = append(samples, s)
		}
	})
	running.Wait()
	m.kraken.Behave()

	var refused []string
	codes.Range(func(code, counter any) bool {
		refused = append(refused, fmt.Sprintf("%s: %d", code, counter.(*atomic.Int64).Load()))
		assert.Contains(t, []string{
			fmt.Sprint(http.StatusBadRequest), // not configured, between a delete and the write after it; or a remembered refusal
			fmt.Sprint(http.StatusTooManyRequests), fmt.Sprint(http.StatusBadGateway),
			fmt.Sprint(http.StatusServiceUnavailable), fmt.Sprint(http.StatusGatewayTimeout),
		}, code)
		return true
	})
	slices.Sort(refused)
	require.GreaterOrEqual(t, len(samples), 10)
	assert.Equal(t, plugin, m.plugin(t), "it is the same process still")
	first, second := peak(samples[len(samples)/10:len(samples)/2]), peak(samples[len(samples)/2:])
	t.Logf("%v: %d reads, %d answered, refused %v, %d config writes", duration, reads.Load(), answered.Load(), refused, writes.Load())
	t.Logf("peak of the first half and of the second: %d and %d KiB resident, %d and %d open files, %d and %d threads",
		first.resident, second.resident, first.files, second.files, first.threads, second.threads)
	assert.Positive(t, answered.Load())
	assert.Less(t, second.resident, first.resident*5/4+16<<10, "KiB resident")
	assert.Less(t, second.files, first.files+32, "open files") // 16 idle connections a host, and some that come and go
	assert.Less(t, second.threads, first.threads+16, "threads")
	for name := range pairs { // and it works on
		if _, err := m.client.Logical().Write("kraken/ws-token/"+name, nil); err != nil {
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
