package krakensecrets

import (
	"errors"
	"strconv"
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
		e.takeEvents()
		e.mustRead("ws-token/desk-a")
		e.sim.Misbehave(says("EAPI:Invalid key"))
		for range 3 {
			_, err := e.read("ws-token/desk-a")
			require.Error(t, err)
		}
		assert.Equal(t, []string{
			"kraken/token-mint ws-token/desk-a account=desk-a outcome=success",
			"kraken/token-mint ws-token/desk-a account=desk-a outcome=invalid_key",
		}, e.takeEvents(), "what Kraken wasn't asked for is no event of its own")
	})
}

// TestEachChangeOfAConfigIsALineAndAnEvent: a security team sees who changed what, and no secret.
func TestEachChangeOfAConfigIsALineAndAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("", nil)
		for _, step := range []struct {
			name        string
			do          func() error
			event, line string
		}{
			{
				"written", func() error {
					return e.writeOnly("config/desk-a", e.pair(map[string]any{account.FieldAPIKey: "second", account.FieldAPISecret: otherSecret}))
				},
				"kraken/config-write config/desk-a account=desk-a outcome=success entity=alice-id",
				`[INFO]  a config was written: account=desk-a entity_id=alice-id display_name=userpass-alice changed="api_key api_secret api_url websocket_url request_timeout tier" proved=true`,
			},
			{
				"other fields", func() error {
					return e.writeOnly("config/desk-a", map[string]any{account.FieldCacheTTL: "5m", account.FieldOTPPassword: "sesame", account.FieldVerify: false})
				},
				"kraken/config-write config/desk-a account=desk-a outcome=success entity=alice-id",
				`changed="otp_password cache_ttl" proved=false`,
			},
			{"nothing changes", func() error { return e.writeOnly("config/desk-a", map[string]any{account.FieldTier: "none"}) }, "", ""},
			{
				"disabled", func() error { return e.writeOnly("config/desk-a", map[string]any{account.FieldDisabled: true}) },
				"kraken/config-disable config/desk-a account=desk-a outcome=success entity=alice-id",
				"[INFO]  an account was disabled: account=desk-a entity_id=alice-id display_name=userpass-alice changed=disabled",
			},
			{
				"enabled", func() error { return e.writeOnly("config/desk-a", map[string]any{account.FieldDisabled: false}) },
				"kraken/config-enable config/desk-a account=desk-a outcome=success entity=alice-id",
				"[INFO]  an account was enabled: account=desk-a",
			},
			{
				"a bad value", func() error { return e.writeOnly("config/desk-a", map[string]any{account.FieldTier: []any{"sesame"}}) },
				"kraken/config-refuse config/desk-a account=desk-a outcome=bad_value entity=alice-id",
				`[WARN]  a write of a config was refused: account=desk-a entity_id=alice-id display_name=userpass-alice error="tier is not text; give one string" times=1`,
			},
			{
				"another's key", func() error { return e.writeOnly("config/desk-b", e.pair(nil)) },
				"kraken/config-refuse config/desk-b account=desk-b outcome=key_in_use entity=alice-id",
				`times=1 in_use_by=""`,
			},
			{
				"refused by Kraken", func() error {
					return e.writeOnly("config/desk-c", e.pair(map[string]any{account.FieldAPIKey: "third"}))
				},
				"kraken/config-refuse config/desk-c account=desk-c outcome=invalid_key entity=alice-id",
				`error="The config was not written. Kraken answered EAPI:Invalid key`,
			},
			{
				"deleted", func() error { return e.delete("config/desk-a") },
				"kraken/config-delete config/desk-a account=desk-a outcome=success entity=alice-id",
				"[INFO]  a config was deleted: account=desk-a entity_id=alice-id display_name=userpass-alice",
			},
			{"deleted again", func() error { return e.delete("config/desk-a") }, "", ""},
		} {
			e.takeEvents()
			e.log.Reset()
			_ = step.do()
			var events []string
			for _, event := range e.takeEvents() {
				if !strings.HasPrefix(event, eventTokenMint) {
					events = append(events, event)
				}
			}
			if step.event == "" {
				assert.Empty(t, events, step.name)
				assert.Empty(t, e.log.String(), step.name)
				continue
			}
			assert.Equal(t, []string{step.event}, events, step.name)
			assert.Equal(t, 1, strings.Count(e.log.String(), "\n"), "%s: %s", step.name, e.log)
			assert.Contains(t, e.log.String(), step.line, step.name)
			assert.NotContains(t, e.log.String(), "sesame")
			assert.NotContains(t, e.log.String(), otherSecret)
		}
	})
}

// TestALoopOfBadWritesIsCounted: it fills neither the log nor the memory.
func TestALoopOfBadWritesIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		for range 600 {
			require.Error(t, e.writeOnly("config", map[string]any{account.FieldTier: "gold"}))
			time.Sleep(time.Second)
		}
		assert.Equal(t, 10, strings.Count(e.log.String(), "\n"), e.log)
		assert.Contains(t, e.log.String(), "times=60")
		e.log.Reset()
		for i := range 3 * mostRefusalLogs {
			require.Error(t, e.writeOnly("config/a"+strconv.Itoa(i), nil))
		}
		assert.LessOrEqual(t, strings.Count(e.log.String(), "\n"), mostRefusalLogs+1)
		assert.LessOrEqual(t, len(e.backend.refusals.logged), mostRefusalLogs+1)
		time.Sleep(refusalLogEvery)
		e.log.Reset()
		require.Error(t, e.writeOnly("config/another", nil))
		assert.Contains(t, e.log.String(), "account=another", "what is long ago makes room")
		assert.Len(t, e.backend.refusals.logged, 1)
	})
}

// TestARefusedWriteIsNoFailedRead: whoever watches reads must not be called for a mistyped secret.
func TestARefusedWriteIsNoFailedRead(t *testing.T) {
	e := newEngine(t)
	e.configure("", nil)
	e.takeEvents()
	require.Error(t, e.writeOnly("config", e.pair(map[string]any{account.FieldAPISecret: otherSecret})))
	for _, event := range e.takeEvents() {
		assert.NotContains(t, event, eventTokenMint)
	}
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
				assert.NotContains(t, e.log.String(), "event")
			})
		})
	}
}

func TestTheSameFailureIsLoggedOnceAMinuteAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("desk-a", nil)
		e.log.Reset()
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
		e.log.Reset()
		e.takeEvents()
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
			e.log.Reset()
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
