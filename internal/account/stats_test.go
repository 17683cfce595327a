package account

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

func TestAMeterCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := newMeter()
		require.Equal(t, Stats{Since: began}, m.snapshot())
		m.minted()
		time.Sleep(time.Minute)
		m.minted()
		for _, failure := range []error{
			krakenSays(kraken.KindUnavailable),
			krakenSays(kraken.KindInvalidKey),
			&keeper.RememberedError{Err: krakenSays(kraken.KindInvalidKey)},
			&keeper.HeldError{Wait: 3 * time.Second, Cause: krakenSays(kraken.KindLockout)},
			errors.New("something else"),
		} {
			time.Sleep(time.Minute)
			m.failed(failure)
		}
		stats := m.snapshot()
		require.Equal(t, Stats{
			Since:         began,
			Minted:        2,
			Failures:      map[string]uint64{"unavailable": 1, "invalid_key": 2, "held_back": 1, "other": 1},
			LastSuccess:   began.Add(time.Minute),
			LastError:     "something else",
			LastErrorKind: "other",
			LastErrorAt:   began.Add(6 * time.Minute),
		}, stats)
		m.failed(errDisk)
		require.EqualValues(t, 1, stats.Failures["other"], "it is a copy")
	})
}

// counts is what of the account's status are counts.
func (m *mount) counts(name string) Stats {
	m.t.Helper()
	stats := m.status(name).Stats
	stats.Since, stats.LastSuccess, stats.LastError, stats.LastErrorKind, stats.LastErrorAt = time.Time{}, time.Time{}, "", "", time.Time{}
	return stats
}

type kinds = map[string]uint64

func TestEachReadIsCountedOnceByWhatItGot(t *testing.T) {
	token := func(outcome string) Call { return Call{methodToken, outcome} }
	for name, test := range map[string]struct {
		given fields
		reads func(m *mount)
		want  Stats
	}{
		"without a cache": {
			fields{}, func(m *mount) { m.mustRead(""); m.mustRead("") },
			Stats{Minted: 2, Fresh: 2, Calls: map[Call]uint64{token(Success): 2}},
		},
		"from the cache": {
			fields{FieldCacheTTL: "5m"}, func(m *mount) { m.mustRead(""); m.mustRead("") },
			Stats{Minted: 1, Fresh: 1, Cached: 1, Calls: map[Call]uint64{token(Success): 1}},
		},
		"one that has it renewed in the background": {
			fields{FieldCacheTTL: "5m"}, func(m *mount) { m.mustRead(""); time.Sleep(fiveMinutes * 3 / 4); m.mustRead("") },
			Stats{Minted: 2, Fresh: 1, Cached: 1, Calls: map[Call]uint64{token(Success): 2}},
		},
		"writes, past the cache": {
			fields{FieldCacheTTL: "5m"}, func(m *mount) {
				m.mustRead("")
				_, err := m.Mint(m.t.Context(), m.storage, "")
				require.NoError(m.t, err)
			},
			Stats{Minted: 2, Fresh: 2, Calls: map[Call]uint64{token(Success): 2}},
		},
		"readers who share a token": {
			fields{FieldCacheTTL: "5m"}, func(m *mount) {
				m.kraken.Misbehave(krakensim.Fault{Latency: time.Second, Times: 1})
				m.readers(10, "")()
			},
			Stats{Minted: 1, Fresh: 1, Coalesced: 9, Calls: map[Call]uint64{token(Success): 1}},
		},
		"readers who share a refusal": {
			fields{FieldCacheTTL: "5m"}, func(m *mount) {
				m.kraken.Misbehave(krakensim.Fault{Latency: time.Second, Errors: []string{"EAPI:Invalid key"}})
				m.readers(10, "")()
			},
			Stats{Failures: kinds{"invalid_key": 1}, FailedReads: kinds{"invalid_key": 10}, Calls: map[Call]uint64{token("invalid_key"): 1}},
		},
		"a late token, while a new one can't be had": {
			fields{FieldCacheTTL: "1m"}, func(m *mount) {
				m.mustRead("")
				time.Sleep(time.Minute)
				m.kraken.Misbehave(krakensim.Fault{Errors: []string{"EGeneral:Temporary lockout"}})
				require.NotEmpty(m.t, m.mustRead("").Warning)
				require.NotEmpty(m.t, m.mustRead("").Warning)
			},
			Stats{Minted: 1, Fresh: 1, Cached: 2, Failures: kinds{"lockout": 1}, Calls: map[Call]uint64{token(Success): 1, token("lockout"): 1}},
		},
		"what a retry made good": {
			fields{}, func(m *mount) { m.kraken.Misbehave(krakensim.Fault{Status: 503, Times: 1}); m.mustRead("") },
			Stats{Minted: 1, Fresh: 1, Calls: map[Call]uint64{token("unavailable"): 1, token(Success): 1}},
		},
		"what surely wasn't sent": {
			fields{}, func(m *mount) {
				m.kraken.Misbehave(krakensim.Fault{Refuse: true})
				_, err := m.read("")
				require.Error(m.t, err)
			},
			Stats{Failures: kinds{"unavailable": 1}, FailedReads: kinds{"unavailable": 1}},
		},
		"who goes away": {
			fields{}, func(m *mount) {
				m.kraken.Misbehave(krakensim.Fault{Hang: true})
				ctx, leave := context.WithCancel(m.t.Context())
				time.AfterFunc(time.Second, leave)
				_, err := m.Token(ctx, m.storage, "")
				require.Error(m.t, err)
			},
			Stats{Calls: map[Call]uint64{token("timeout"): 1}},
		},
		"whose account is replaced": {
			fields{}, func(m *mount) {
				m.kraken.Misbehave(krakensim.Fault{Hang: true, Times: 1})
				answers := m.readers(2, "")
				require.NoError(m.t, m.write("", pair(second, unproved, fields{FieldAPIURL: elsewhere})))
				answers()
			},
			Stats{Minted: 2, Fresh: 2, Calls: map[Call]uint64{token("aborted"): 1, token(Success): 2}},
		},
		"key-info is none": {
			fields{}, func(m *mount) {
				_, err := m.KeyInfo(m.t.Context(), m.storage, "")
				require.NoError(m.t, err)
			},
			Stats{Calls: map[Call]uint64{{methodKeyInfo, Success}: 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("", test.given)
				test.reads(m)
				synctest.Wait()
				require.Equal(t, test.want, m.counts(""))
			})
		})
	}
}

func TestARefusedWriteIsCountedAsThat(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		require.NoError(t, m.write("desk-a", pair(second, unproved)))
		for _, given := range []fields{pair(krakensim.Key{APIKey: "nobodys", APISecret: otherSecret}), pair(second, unproved)} {
			require.Error(t, m.write("", given))
		}
		_, err := ParseChange(fields{FieldCacheTTL: "a while"})
		require.Error(t, err)
		m.Refused(t.Context(), "", err)
		m.Refused(t.Context(), "desk-b", err)
		require.NoError(t, m.write("", fields{FieldVerify: true}))
		ctx, leave := context.WithCancel(t.Context())
		m.kraken.Misbehave(krakensim.Fault{Hang: true})
		time.AfterFunc(time.Second, leave)
		_, _, err = m.writeAs(ctx, "", fields{FieldVerify: true})
		require.Error(t, err, "its caller has gone")
		require.Equal(t, Stats{
			Minted: 1, Proofs: 3, RefusedWrites: kinds{"invalid_key": 1, "key_in_use": 1, "bad_value": 1},
			Calls: map[Call]uint64{{methodToken, "invalid_key"}: 1, {methodToken, Success}: 1, {methodToken, "timeout"}: 1},
		}, m.counts(""))
		require.Zero(t, m.counts("desk-a"))
		require.Empty(t, m.status("").LastError)
		require.Equal(t, []string{"", "desk-a"}, m.metrics().names())
	})
}

func TestCountsOutliveWhatRuns(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "5m"})
		m.mustRead("")
		m.mustRead("")
		require.NoError(t, m.write("", pair(second, unproved)))
		m.mustRead("")
		require.Equal(t, Stats{Minted: 2, Fresh: 2, Cached: 1, Calls: map[Call]uint64{{methodToken, Success}: 2}}, m.counts(""))
	})
}

func TestTheSameTroubleIsLoggedOnceAMinuteAndThenCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		for i, step := range []struct {
			pause time.Duration
			err   error
			times uint64
			log   bool
		}{
			{0, krakenSays(kraken.KindTimeout), 1, true},
			{0, krakenSays(kraken.KindTimeout), 0, false},
			{0, krakenSays(kraken.KindInvalidKey), 1, true},
			{time.Minute - 1, krakenSays(kraken.KindTimeout), 0, false},
			{1, krakenSays(kraken.KindTimeout), 3, true},
			{30 * time.Second, krakenSays(kraken.KindTimeout), 0, false},
			{time.Hour, krakenSays(kraken.KindTimeout), 2, true},
			{0, krakenSays(kraken.KindInvalidKey), 1, true},
		} {
			time.Sleep(step.pause)
			times, log := m.failed(step.err)
			require.Equal(t, step.log, log, "step %d", i)
			require.Equal(t, step.times, times, "step %d", i)
		}
	})
}
