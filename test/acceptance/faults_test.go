package acceptance

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// Whatever ends, and whatever Kraken does: the config stays, the nonce grows, a refusal has the right code, and reads
// work again when it is over.
func TestFaults(t *testing.T) {
	c := startCluster(t, setup{storage: onDisk})
	c.enable(t)
	c.configure(t, "", nil)
	c.killPlugin(t)
	c.sealVault(t)
	c.restartVault(t)
	c.troubleKraken(t)
	c.underLoad(t, "all is well", nil, func(*load) {})
	t.Logf("%s\nKraken saw %d requests, each with a higher nonce than the one before", table(c.loads), c.assertIntact(t, 0))
}

const pluginKills = 20

func (c *cluster) killPlugin(t *testing.T) {
	if !hasProc() {
		t.Log("without a /proc to find the plugin's process in, it isn't killed")
		return
	}
	// A read that is under way ends with the plugin: Vault answers 500, "rpc error: code = Unavailable desc = … EOF".
	c.underLoad(t, "the plugin is killed -9, 20 times", []string{"500"}, func(load *load) {
		for range pluginKills {
			require.NoError(t, syscall.Kill(c.servers[0].plugin(t).pid(), syscall.SIGKILL))
			load.wait(answered, time.Now())
		}
	})
}

func (c *cluster) sealVault(t *testing.T) {
	c.underLoad(t, "Vault is sealed and unsealed", []string{"500", "503"}, func(load *load) {
		require.NoError(t, c.servers[0].client.Sys().Seal())
		load.wait("503", time.Now())
		c.servers[0].unseal(t, c.unsealKey)
	})
}

func (c *cluster) restartVault(t *testing.T) {
	refusals := []string{"500", "503", noConnection}
	c.underLoad(t, "Vault is stopped (SIGTERM) and started", refusals, func(load *load) {
		require.NoError(t, c.servers[0].stop())
		load.wait(noConnection, time.Now())
		require.NoError(t, c.servers[0].start())
		c.servers[0].unseal(t, c.unsealKey)
	})
	c.underLoad(t, "Vault is killed -9, not the plugin, and started", refusals, func(load *load) {
		// The plugin ends a second or two later. Until then nobody can ask it for anything, and it makes no calls of its own.
		c.servers[0].killAlone(t)
		load.wait(noConnection, time.Now())
		require.NoError(t, c.servers[0].start())
		c.servers[0].unseal(t, c.unsealKey)
	})
	c.underLoad(t, "Vault and plugin are killed -9, and started", refusals, func(load *load) {
		c.servers[0].kill()
		load.wait(noConnection, time.Now())
		require.NoError(t, c.servers[0].start())
		c.servers[0].unseal(t, c.unsealKey)
	})
}

// troubleKraken has Kraken fail in every way that a reader hears of, and some that it doesn't.
func (c *cluster) troubleKraken(t *testing.T) {
	c.set(t, "request_timeout", "3s")
	c.underLoad(t, "Kraken is down", []string{"503"}, func(load *load) {
		c.line.Cut()
		load.wait("503", time.Now())
		require.NoError(t, c.line.Mend())
	})
	c.underLoad(t, "connections die without a word, new ones work", nil, func(*load) { c.line.Swallow() })
	for _, trouble := range []struct {
		name     string
		fault    krakensim.Fault
		refusals []string // the first is waited for
	}{
		{"Kraken gives no answer", krakensim.Fault{Hang: true}, []string{"504", "503", tooLate}},
		// One at a time, not all readers get their turn within request_timeout.
		{"Kraken takes 1 s for each answer", krakensim.Fault{Latency: time.Second}, []string{"429", tooLate, "504"}},
		{"Kraken is down for maintenance", krakensim.Fault{Errors: []string{"EService:Unavailable"}}, []string{"503"}},
		{"the CDN says HTTP 520", krakensim.Fault{Status: 520}, []string{"503"}},
		{"a captive portal answers with HTML", krakensim.Fault{Body: "<html>Log in</html>", ContentType: "text/html"}, []string{"502"}},
		{"a gateway redirects", krakensim.Fault{Status: 302}, []string{"502"}},
		{"Kraken's answer isn't JSON", krakensim.Fault{Body: `{"error":[],"result":{"tok`}, []string{"502"}},
		{"Kraken's answer has no token", krakensim.Fault{Body: `{"error":[],"result":{}}`}, []string{"502"}},
	} {
		c.underLoad(t, trouble.name, trouble.refusals, func(load *load) {
			c.kraken.Misbehave(trouble.fault)
			load.wait(trouble.refusals[0], time.Now())
			load.heal(c.kraken.Behave)
		})
	}
	c.underLoad(t, "Kraken has had too many calls", []string{"429"}, func(load *load) {
		c.kraken.Misbehave(krakensim.Fault{
			Errors: []string{"EAPI:Rate limit exceeded"}, Header: http.Header{"Retry-After": {"20"}}, Times: 1,
		})
		load.wait("429", time.Now())
	})
	c.set(t, "request_timeout", "55s")
	// Of these no reader hears: Kraken used up the nonce and made a token, nobody got it, and the engine asks again.
	for name, fault := range map[string]krakensim.Fault{
		"20 answers of Kraken's are lost on the way": {Process: true, Drop: true, Times: 20},
		"20 answers of Kraken's are cut short":       {Process: true, Truncate: true, Times: 20},
	} {
		c.underLoad(t, name, nil, func(*load) {
			before := len(c.kraken.Calls())
			c.kraken.Misbehave(fault)
			waitUntil(t, "20 answers have gone wrong", func() error {
				if calls := len(c.kraken.Calls()) - before; calls < 20 {
					return fmt.Errorf("%d have", calls)
				}
				return nil
			})
		})
	}
}
