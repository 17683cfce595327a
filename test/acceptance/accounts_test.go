package acceptance

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

const (
	accounts       = 10_000
	accountConfigs = 1000 // accounts whose configs are read, spread over all
	accountTokens  = 500  // accounts whose tokens are read, likewise
	operators      = 8    // who write and read at once
)

// One mount bears ten thousand accounts: they are written, listed and read, and their tokens too.
func TestManyAccounts(t *testing.T) {
	// On disk, a write takes as long as the disk does, and tells nothing of the engine.
	c := startCluster(t, setup{storage: inMemory})
	c.enable(t)
	key := c.configure(t, "", nil)
	client := c.servers[0].client.Logical()
	memoryBefore := c.pluginMemory(t)

	name := func(i int) string { return fmt.Sprintf("desk-%05d", i) }
	apiKey := func(i int) string { return fmt.Sprintf("%s/%05d", key.APIKey, i) }
	writing := forEach(t, accounts, func(i int) error {
		own := key // one private key does for all, but each has an API key of its own
		own.APIKey = apiKey(i)
		c.kraken.SetKey(own)
		_, err := client.Write("kraken/config/"+name(i), c.account(own, map[string]any{"verify": false}))
		return err
	})
	memoryAfter := c.pluginMemory(t)

	began := time.Now()
	list, err := client.List("kraken/config")
	listing := time.Since(began)
	require.NoError(t, err)
	names := list.Data["keys"].([]any)
	require.Len(t, names, accounts)
	assert.Equal(t, name(0), names[0])
	assert.Equal(t, name(accounts-1), names[accounts-1])

	reading := forEach(t, accountConfigs, func(i int) error {
		i *= accounts / accountConfigs
		config, err := client.Read("kraken/config/" + name(i))
		if err == nil && (config == nil || config.Data["api_key"] != apiKey(i)) {
			err = fmt.Errorf("account %d has another config: %v", i, config)
		}
		return err
	})
	minting := forEach(t, accountTokens, func(i int) error {
		_, err := client.Read("kraken/ws-token/" + name(i*(accounts/accountTokens)))
		return err
	})
	for i, call := range c.kraken.Calls() {
		assert.Empty(t, call.Errors, "call %d", i)
	}
	memoryBeforeMetrics := c.pluginMemory(t)
	telling := time.Hour
	for range 3 { // this machine has other work, too
		began := time.Now()
		response, err := client.ReadRaw("kraken/metrics")
		require.NoError(t, err)
		metrics, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		telling = min(telling, time.Since(began))
		require.Equal(t, accounts+1, strings.Count(string(metrics), "\nvault_kraken_tokens_minted_total{"))
	}
	assert.Less(t, telling, time.Second)
	memoryOfMetrics := c.pluginMemory(t) - memoryBeforeMetrics
	t.Logf(`
%5d accounts written, %d at a time   %5.1f s
%5d accounts listed                 %5.1f s
%5d configs read                    %5.1f s
%5d tokens read                     %5.1f s
%5d accounts' metrics read          %5.1f s, for %.0f MB of memory
memory of the plugin                 %5.1f MB, and %.1f kB more for each account`,
		accounts, operators, writing.Seconds(), accounts, listing.Seconds(), accountConfigs, reading.Seconds(),
		accountTokens, minting.Seconds(), accounts, telling.Seconds(), float64(memoryOfMetrics)/1e6, float64(memoryBefore)/1e6, float64(memoryAfter-memoryBefore)/accounts/1e3)
}

// forEach does something with each of so many accounts, and returns how long that takes.
func forEach(t *testing.T, count int, do func(i int) error) time.Duration {
	t.Helper()
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(operators)
	for i := range count {
		group.Go(func() error { return do(i) })
	}
	require.NoError(t, group.Wait())
	return time.Since(began)
}

// pluginMemory is what the plugin's process has in memory, in bytes; 0 where there is no /proc that tells.
func (c *cluster) pluginMemory(t *testing.T) int {
	t.Helper()
	if !hasProc() {
		return 0
	}
	size := c.servers[0].plugin(t).status(residentLine)
	require.Positive(t, size)
	return size << 10
}
