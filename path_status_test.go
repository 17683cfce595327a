package krakensecrets

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStatusTellsWhatWentOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		e.configure("", map[string]any{account.FieldCacheTTL: "5m"})
		written := rfc3339(time.Now())
		time.Sleep(time.Minute)
		e.mustRead("ws-token")
		e.mustRead("ws-token")
		calls := e.calls()
		assert.Equal(t, map[string]any{
			fieldSince: written, fieldTokensMinted: uint64(1), fieldCacheHits: uint64(2), fieldCoalescedReads: uint64(0),
			fieldFailures: map[string]any{}, fieldLastSuccess: written, fieldCachedTokenTTL: int64(840),
		}, e.mustRead("status"))
		assert.Equal(t, calls, e.calls(), "status asks nobody")

		e.sim.Misbehave(krakensim.Fault{Errors: []string{"EGeneral:Temporary lockout"}})
		_, err := e.write("ws-token", nil)
		require.Error(t, err)
		failed := time.Now()
		_, err = e.write("ws-token", nil)
		require.Error(t, err)
		status := e.mustRead("status")
		assert.Equal(t, map[string]any{"lockout": uint64(1), "held_back": uint64(1)}, status[fieldFailures])
		assert.Equal(t, "held_back", status[fieldLastErrorKind])
		assert.Contains(t, status[fieldLastError], "Temporary lockout")
		assert.Equal(t, rfc3339(failed), status[fieldLastErrorAt])
		assert.Equal(t, rfc3339(failed.Add(15*time.Minute)), status[fieldHeldBackUntil])
	})
}

func TestStatusSurvivesNothing(t *testing.T) {
	e := newEngine(t)
	e.configure("desk-a", nil)
	e.mustRead("ws-token/desk-a")
	assert.Equal(t, uint64(2), e.mustRead("status/desk-a")[fieldTokensMinted])
	e.start()
	assert.Equal(t, uint64(0), e.mustRead("status/desk-a")[fieldTokensMinted])
}

func TestAConfigWriteForgetsRefusalsAndHoldOffs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, message := range []string{"EAPI:Invalid key", "EGeneral:Temporary lockout"} {
			e := newBubbleEngine(t)
			e.configure("", nil)
			e.sim.Misbehave(krakensim.Fault{Errors: []string{message}, Times: 1})
			_, err := e.read("ws-token")
			require.Error(t, err)
			_, err = e.read("ws-token")
			require.Error(t, err, "remembered")
			_, err = e.write("config", map[string]any{account.FieldTier: "none"})
			require.NoError(t, err)
			e.mustRead("ws-token")
			assert.NotContains(t, e.mustRead("status"), fieldHeldBackUntil)
		}
	})
}
