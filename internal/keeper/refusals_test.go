package keeper

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestRefusalsAreRememberedForThirtySeconds(t *testing.T) {
	remembered := map[kraken.Kind]bool{
		kraken.KindInvalidKey: true, kraken.KindInvalidSignature: true, kraken.KindPermissionDenied: true,
		kraken.KindUnexpected: true, kraken.KindAccountRefused: true, kraken.KindBlocked: true,
	}
	for _, kind := range kraken.Kinds() {
		switch kind {
		case kraken.KindRateLimited, kraken.KindLockout, kraken.KindInvalidNonce, kraken.KindTimeout:
			continue // a hold-off, another nonce, an outage
		}
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{answer: always(failed(kind))})
				requireKind(t, kind, b.read(time.Second))
				err := b.read(time.Second)
				requireKind(t, kind, err)
				if !remembered[kind] {
					require.False(t, NotAsked(err))
					require.Equal(t, 2, b.kraken.calls)
					return
				}
				until := time.Now().Add(30 * time.Second)
				require.Equal(t, until, requireRemembered(t, err).Until)
				require.Equal(t, until, b.Status(tokenUse).HeldUntil)
				time.Sleep(30*time.Second - 1)
				requireRemembered(t, b.read(time.Second))
				require.Equal(t, 1, b.kraken.calls)
				time.Sleep(time.Nanosecond)
				require.Zero(t, b.Status(tokenUse).HeldUntil)
				require.False(t, NotAsked(b.read(time.Second)), "Kraken is asked again")
				require.Equal(t, 2, b.kraken.calls)
			})
		})
	}
}

func TestThousandReadsOfARevokedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(300 * time.Millisecond), answer: always(failed(kraken.KindInvalidKey))})
		for i, a := range b.readAll(1000, 10*time.Second) {
			requireKind(t, kraken.KindInvalidKey, a.err)
			require.Equal(t, i > 0, NotAsked(a.err))
		}
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			requireRemembered(t, b.read(10*time.Second))
		}
		require.Equal(t, 1, b.kraken.calls)
	})
}

// What a refusal is about decides whom it keeps from asking: credentials, and one method or all.
func TestWhomARefusalKeepsFromAsking(t *testing.T) {
	otherSecret := tokenUse
	otherSecret.Credentials = Fingerprint{2}
	uses := map[string]Use{"the same": tokenUse, "another method": infoUse, "other credentials": otherSecret, "another upstream": elsewhereUse, "a proof": proof(tokenUse)}
	type who map[string]bool
	cases := map[string]struct {
		kind  kraken.Kind
		use   Use
		keeps who
	}{
		"of the credentials":              {kraken.KindInvalidKey, tokenUse, who{"the same": true, "another method": true, "another upstream": true}},
		"of a signature":                  {kraken.KindInvalidSignature, tokenUse, who{"the same": true, "another method": true, "another upstream": true}},
		"of the account":                  {kraken.KindAccountRefused, tokenUse, who{"the same": true, "another method": true, "another upstream": true}},
		"of the address":                  {kraken.KindBlocked, tokenUse, who{"the same": true, "another method": true, "another upstream": true}},
		"of a permission":                 {kraken.KindPermissionDenied, tokenUse, who{"the same": true, "another upstream": true}},
		"that isn't known":                {kraken.KindUnexpected, tokenUse, who{"the same": true, "another upstream": true}},
		"of a permission to key info":     {kraken.KindPermissionDenied, infoUse, who{"another method": true}},
		"of a proof":                      {kraken.KindInvalidKey, proof(tokenUse), who{"the same": true, "another method": true, "another upstream": true, "a proof": true}},
		"of a permission, to a proof":     {kraken.KindPermissionDenied, proof(tokenUse), who{"the same": true, "another upstream": true, "a proof": true}},
		"of the nonces":                   {kraken.KindInvalidNonce, tokenUse, who{"the same": true, "another method": true, "another upstream": true, "other credentials": true}},
		"of the nonces of a proof":        {kraken.KindInvalidNonce, proof(tokenUse), who{"the same": true, "another method": true, "another upstream": true, "other credentials": true, "a proof": true}},
		"of other credentials to a proof": {kraken.KindInvalidSignature, proof(otherSecret), who{"other credentials": true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for who, use := range uses {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, &fakeKraken{answer: always(failed(c.kind))})
					require.False(t, NotAsked(b.do(c.use, time.Second)))
					require.Equal(t, c.keeps[who], NotAsked(b.do(use, time.Second)), who)
				})
			}
		})
	}
}

// Trap: a loop of bad writes must not lock out the account.
func TestRefusedProofsAreRememberedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{answer: always(failed(kraken.KindInvalidSignature))}, &fakeStore{})
		requireKind(t, kraken.KindInvalidSignature, b.do(proof(tokenUse), time.Second))
		for range 20 {
			requireRemembered(t, b.do(proof(tokenUse), time.Second))
		}
		require.Equal(t, 1, b.kraken.calls)
		require.LessOrEqual(t, len(b.refusals), 1)
		time.Sleep(refusalMemory)
		require.False(t, NotAsked(b.do(proof(tokenUse), time.Second)))
	})
}

// Trap: a good answer disproves what was said of its own method and of the credentials, nothing else.
func TestSuccessClearsOnlyWhatItDisproves(t *testing.T) {
	about := map[string]refused{
		"the key":                   {},
		"the credentials":           {Fingerprint{1}, ""},
		"the method":                {Fingerprint{1}, tokenUse.Method},
		"another method":            {Fingerprint{1}, infoUse.Method},
		"other credentials":         {Fingerprint{2}, ""},
		"other credentials' method": {Fingerprint{2}, tokenUse.Method},
	}
	clears := map[string]bool{"the key": true, "the credentials": true, "the method": true}
	for name, a := range about {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				b.refusals.remember(a, tokenUse, time.Now(), failed(kraken.KindUnexpected))
				require.NoError(t, b.do(proof(tokenUse), time.Second))
				require.Equal(t, !clears[name], len(b.refusals) == 1)
			})
		})
	}
}

func TestRefusalsInMemoryAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: always(failed(kraken.KindInvalidSignature))})
		use := proof(tokenUse)
		prove := func(n int) error {
			use.Credentials = Fingerprint{3, byte(n), byte(n >> 8)}
			return b.do(use, time.Second)
		}
		for n := range mostRefusals {
			require.False(t, NotAsked(prove(n)))
			time.Sleep(time.Millisecond)
		}
		requireRemembered(t, prove(0))
		require.Len(t, b.refusals, mostRefusals)
		time.Sleep(refusalMemory - 10*time.Millisecond)
		require.False(t, NotAsked(prove(mostRefusals)))
		require.Len(t, b.refusals, 10, "those that are over go first")
		requireRemembered(t, prove(mostRefusals))
		for n := range 1000 {
			require.Error(t, prove(1000+n))
			require.LessOrEqual(t, len(b.refusals), mostRefusals)
		}
	})
}

func TestRefusalThatIsOverGoesAtItsTime(t *testing.T) {
	now := time.Now()
	rs := refusals{}
	for n := range mostRefusals {
		rs.remember(refused{Fingerprint{byte(n)}, ""}, tokenUse, now, fmt.Errorf("%d", n))
	}
	require.Equal(t, now.Add(refusalMemory), rs.last())
	rs.remember(refused{}, tokenUse, now.Add(refusalMemory), nil)
	require.Len(t, rs, 1)
	require.Equal(t, now.Add(2*refusalMemory), rs.last())
	require.Zero(t, refusals{}.last())
}
