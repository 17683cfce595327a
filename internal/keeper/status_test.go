package keeper

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestStatusTellsUntilWhenNoCallIsMade(t *testing.T) {
	none := func(*testing.T, *bench) {}
	holdOff := func(t *testing.T, b *bench) {
		b.kraken.calls, b.kraken.answer = 0, first(failed(kraken.KindRateLimited))
		require.Error(t, b.do(Use{Credentials: Fingerprint{9}}, time.Second))
	}
	lockout := func(t *testing.T, b *bench) {
		b.kraken.calls, b.kraken.answer = 0, first(failed(kraken.KindLockout))
		require.Error(t, b.do(Use{Credentials: Fingerprint{9}}, time.Second))
	}
	refusal := func(t *testing.T, b *bench) {
		b.kraken.calls, b.kraken.answer = 0, first(failed(kraken.KindPermissionDenied))
		require.Error(t, b.read(time.Second))
	}
	cases := map[string]struct {
		first, second func(*testing.T, *bench)
		token, info   time.Duration
	}{
		"calls are made":            {none, none, 0, 0},
		"a hold-off":                {holdOff, none, firstHold, firstHold},
		"a refusal of the method":   {refusal, none, refusalMemory, 0},
		"a refusal, then a lockout": {refusal, lockout, lockoutHold, lockoutHold},
		"the longer one":            {refusal, holdOff, refusalMemory, firstHold},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				c.first(t, b)
				c.second(t, b)
				until := func(wait time.Duration) (at time.Time) {
					if wait > 0 {
						at = time.Now().Add(wait)
					}
					return at
				}
				require.Equal(t, Status{HeldUntil: until(c.token)}, b.Status(tokenUse))
				require.Equal(t, Status{HeldUntil: until(c.info)}, b.Status(infoUse))
				time.Sleep(max(c.token, c.info, 1) - 1)
				if c.token > 0 {
					require.NotZero(t, b.Status(tokenUse).HeldUntil)
				}
				time.Sleep(time.Nanosecond)
				require.Zero(t, b.Status(tokenUse))
				require.Zero(t, b.Status(infoUse))
			})
		})
	}
}
