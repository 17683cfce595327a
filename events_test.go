package krakensecrets

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTokenEventsHoldNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("desk-a", nil)
		e.events.take()
		e.mustRead("ws-token/desk-a")
		e.sim.Misbehave(says("EAPI:Invalid key"))
		for range 3 {
			_, err := e.read("ws-token/desk-a")
			require.Error(t, err)
		}
		assert.Equal(t, []string{
			"kraken/token-mint ws-token/desk-a account=desk-a outcome=success",
			"kraken/token-mint ws-token/desk-a account=desk-a outcome=invalid_key",
		}, e.events.take(), "what Kraken wasn't asked for is no event of its own")
	})
}

func TestConfigEvents(t *testing.T) {
	e := newEngine(t)
	e.configure("desk-a", nil)
	_, err := e.write("config/desk-a", map[string]any{account.FieldTier: "gold"})
	require.Error(t, err)
	_, err = e.write("config/desk-a", map[string]any{account.FieldTier: "none"})
	require.NoError(t, err, "it changes nothing")
	require.NoError(t, e.delete("config/desk-a"))
	assert.ElementsMatch(t, []string{
		"kraken/token-mint ws-token/desk-a account=desk-a outcome=success",
		"kraken/config-write config/desk-a account=desk-a outcome=success",
		"kraken/config-delete config/desk-a account=desk-a outcome=success",
	}, e.events.take())
}

// TestARefusedWriteIsNoFailedRead: whoever watches reads must not be called for a mistyped secret.
func TestARefusedWriteIsNoFailedRead(t *testing.T) {
	e := newEngine(t)
	e.configure("", nil)
	e.events.take()
	_, err := e.write("config", e.pair(map[string]any{account.FieldAPISecret: otherSecret}))
	require.Error(t, err)
	assert.Empty(t, e.events.take())
	assert.Empty(t, e.log.String())
	assert.Empty(t, e.mustRead("status")[fieldFailures])
}

func TestABrokenEventBusDisturbsNobody(t *testing.T) {
	for name, bus := range map[string]*eventLog{"fails": {err: errors.New("the bus is down")}, "hangs": {hangs: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.events = bus
				e.start()
				began := time.Now()
				e.configure("", map[string]any{account.FieldCacheTTL: "5m", account.FieldRequestTimeout: 1})
				e.mustRead("ws-token")
				_, err := e.write("ws-token", nil)
				require.NoError(t, err)
				require.NoError(t, e.delete("config"))
				assert.LessOrEqual(t, time.Since(began), 4*eventTimeout, "one wait for each event")
				assert.Empty(t, e.log.String())
			})
		})
	}
}

func TestTheSameFailureIsLoggedOnceAMinuteAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("desk-a", nil)
		e.sim.Misbehave(says("EAPI:Invalid key\nforged=line"))
		for range 130 {
			_, err := e.read("ws-token/desk-a")
			require.Error(t, err)
			time.Sleep(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(e.log.String()), "\n")
		require.Len(t, lines, 3, e.log.String())
		for i, times := range []string{"1", "60", "60"} {
			assert.Contains(t, lines[i], "[WARN]")
			assert.Contains(t, lines[i], "no token could be had: account=desk-a kind=invalid_key times="+times+` error="Kraken answered EAPI:Invalid key forged=line`)
		}
	})
}

// TestAHerdThatHangsIsAFewLines: 200 readers, a Kraken that doesn't answer, and no log to wade through.
func TestAHerdThatHangsIsAFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", map[string]any{account.FieldRequestTimeout: 2})
		e.events.take()
		e.sim.Misbehave(krakensim.Fault{Hang: true})
		began := time.Now()
		var group sync.WaitGroup
		for range 200 {
			group.Go(func() {
				for time.Since(began) < 10*time.Second {
					_, err := e.read("ws-token")
					assert.Error(t, err)
					time.Sleep(time.Second)
				}
			})
		}
		group.Wait()
		assert.LessOrEqual(t, strings.Count(e.log.String(), "\n"), 3, "one for each kind:\n%s", e.log.String())
		e.sim.Behave()
	})
}

// TestNothingForgesALogLine: whatever Kraken says, each failure is one line.
func TestNothingForgesALogLine(t *testing.T) {
	for name, forged := range map[string]string{
		"line feed": "\n2026-01-01T00:00:00.000Z [ERROR] forged", "carriage return": "\r[ERROR] forged", "line separator": "\u2028[ERROR] forged",
		"next line": "\u0085[ERROR] forged", "terminal": "\x1b[2J\x1b[1;1H[ERROR] forged", "right to left": "\u202e[ERROR] forged",
		"null": "\x00[ERROR] forged", "quotes": `" forged="yes`, "verbs": "%!s(MISSING) %n",
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.configure("", nil)
			e.sim.Misbehave(says("EForged:" + forged))
			_, err := e.read("ws-token")
			requireCode(t, 400, err)
			line := e.log.String()
			assert.Equal(t, 1, strings.Count(line, "\n"), line)
			assert.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{202e}]`, line)
			assert.NotRegexp(t, ` forged="?yes`, line, "a field of its own")
		})
	}
}
