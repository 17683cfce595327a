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
		e := newEngine(t)
		time.Sleep(time.Minute)
		e.configure("", map[string]any{account.FieldCacheTTL: "5m"})
		written := rfc3339(time.Now())
		time.Sleep(time.Minute)
		e.mustRead("ws-token")
		e.mustRead("ws-token")
		calls := e.calls()
		assert.Equal(t, map[string]any{
			account.FieldDisabled: false, fieldSince: written, fieldTokensMinted: uint64(1), fieldFailures: map[string]any{}, fieldLastSuccess: written,
			fieldReadsAnswered: uint64(2), fieldCacheHits: uint64(2), fieldCoalesced: uint64(0), fieldReadsFailed: map[string]any{},
			fieldCalls: map[string]any{"GetWebSocketsToken": map[string]any{"success": uint64(1)}}, fieldProofs: uint64(1), fieldWritesRefused: map[string]any{},
			fieldNonceRefusals: uint64(0), fieldNonceAhead: 0.0, fieldHoldOffs: map[string]any{},
			fieldCachedTTL: int64(840), fieldCachedAge: int64(60), fieldCallsWaiting: 0,
		}, e.mustRead("status"))
		assert.Equal(t, calls, e.calls(), "status asks nobody")

		e.sim.Misbehave(says("EGeneral:Temporary lockout"))
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
		assert.Equal(t, map[string]any{"lockout": uint64(1), "held_back": uint64(1)}, status[fieldReadsFailed])
		assert.Equal(t, map[string]any{"lockout": uint64(1)}, status[fieldHoldOffs])
		assert.Equal(t, rfc3339(failed.Add(15*time.Minute)), status[fieldHeldUntil])
		assert.Equal(t, "Kraken answered EGeneral:Temporary lockout", status[fieldHeldFor])
		assert.Equal(t, "lockout", status[fieldHeldKind])
	})
}

func TestStatusTellsWhenTheKeyExpiresOnceThatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		expiring := exampleKey
		expiring.ValidUntil = time.Now().Add(24 * time.Hour)
		e.sim.SetKey(expiring)
		e.configure("", nil)
		assert.NotContains(t, e.mustRead("status"), fieldKeyExpires)
		e.mustRead("key-info")
		assert.Equal(t, rfc3339(expiring.ValidUntil), e.mustRead("status")[fieldKeyExpires])
	})
}

func TestStatusTellsOfAnOutageUntilKrakenAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", map[string]any{account.FieldTier: "pro"})
		began := time.Now()
		e.sim.Misbehave(krakensim.Fault{Refuse: true})
		for range 3 {
			_, err := e.read("ws-token")
			require.Error(t, err)
		}
		status := e.mustRead("status")
		assert.Equal(t, rfc3339(began), status[fieldOutageSince])
		assert.NotEmpty(t, status[fieldOutageFor])
		assert.NotContains(t, status, fieldHeldUntil)
		assert.Equal(t, map[string]any{"GetWebSocketsToken": map[string]any{"success": uint64(1)}}, status[fieldCalls], "the proof; nothing else was sent")
		assert.Equal(t, 17, status[fieldCallsLeft])
		e.sim.Behave()
		time.Sleep(time.Minute)
		e.mustRead("ws-token")
		status = e.mustRead("status")
		assert.NotContains(t, status, fieldOutageSince)
		assert.NotContains(t, status, fieldOutageFor)
	})
}

// TestStatusCountsRefusedWrites: bad values, other accounts' keys and refused proofs, none of which is a failed read.
func TestStatusCountsRefusedWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		for _, given := range []map[string]any{
			{account.FieldCacheTTL: "a while"}, {account.FieldTier: "gold"}, {account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret},
		} {
			_, err := e.write("config", given)
			require.Error(t, err)
		}
		status := e.mustRead("status")
		assert.Equal(t, map[string]any{"bad_value": uint64(2), "invalid_key": uint64(1)}, status[fieldWritesRefused])
		assert.Equal(t, uint64(2), status[fieldProofs])
		assert.Empty(t, status[fieldReadsFailed])
		assert.Empty(t, status[fieldFailures])
		assert.NotContains(t, status, fieldLastError)
	})
}

// TestStatusOutlivesConfigWrites: a write begins no new history, and a refused one leaves no trace.
func TestStatusOutlivesConfigWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("", nil)
		began := rfc3339(time.Now())
		e.sim.Misbehave(krakensim.Fault{Errors: []string{"EAPI:Invalid nonce"}, Times: 1})
		e.mustRead("ws-token")
		time.Sleep(time.Minute)
		_, err := e.write("config", e.pair(map[string]any{account.FieldAPISecret: otherSecret}))
		require.Error(t, err)
		_, err = e.write("config", map[string]any{account.FieldCacheTTL: 60})
		require.NoError(t, err)
		assert.Equal(t, uint64(1), e.mustRead("status")[fieldNonceRefusals])
		_, err = e.write("config", map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret})
		require.NoError(t, err)
		status := e.mustRead("status")
		assert.Equal(t, began, status[fieldSince])
		assert.Equal(t, uint64(3), status[fieldTokensMinted], "two proofs and a read")
		assert.Empty(t, status[fieldFailures])
		assert.Equal(t, uint64(0), status[fieldNonceRefusals], "another key's")
	})
}

func TestStatusSurvivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("desk-a", nil)
		e.mustRead("ws-token/desk-a")
		assert.Equal(t, uint64(2), e.mustRead("status/desk-a")[fieldTokensMinted])
		e.start()
		time.Sleep(time.Hour)
		status := e.mustRead("status/desk-a")
		assert.Equal(t, uint64(0), status[fieldTokensMinted])
		assert.Equal(t, rfc3339(time.Now()), status[fieldSince], "the account's first use")
	})
}

func TestStatusTellsOfARefusalUntilKrakenIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.sim.Misbehave(krakensim.Fault{Errors: []string{"EAPI:Invalid key"}, Times: 1})
		_, err := e.read("ws-token")
		require.Error(t, err)
		assert.Equal(t, rfc3339(time.Now().Add(30*time.Second)), e.mustRead("status")[fieldHeldUntil])
		time.Sleep(30 * time.Second)
		assert.NotContains(t, e.mustRead("status"), fieldHeldUntil)
		e.mustRead("ws-token")
	})
}

func TestADisabledAccountShowsAndItsReadsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		_, err := e.write("config", map[string]any{account.FieldDisabled: true})
		require.NoError(t, err)
		_, err = e.read("ws-token")
		require.Error(t, err)
		status := e.mustRead("status")
		assert.Equal(t, true, status[account.FieldDisabled])
		assert.Equal(t, map[string]any{"disabled": uint64(1)}, status[fieldReadsFailed])
		assert.Equal(t, uint64(1), status[fieldTokensMinted], "the counts go on")
		assert.Equal(t, 1.0, e.series()["disabled{account=}"])
	})
}
