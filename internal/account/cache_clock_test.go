package account

import (
	"strconv"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock/clocktest"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/stretchr/testify/require"
)

// fakeSource is a source made of functions.
type fakeSource struct {
	launches func(fly func()) bool
	mints    func() (Token, error)
	clock    func() time.Time
}

func (s *fakeSource) launch(fly func()) bool     { return s.launches(fly) }
func (s *fakeSource) mintShared() (Token, error) { return s.mints() }
func (s *fakeSource) now() time.Time             { return s.clock() }

// onClocks is a cache whose host has these clocks.
func onClocks(t *testing.T, failing *bool) (*cache, *clocktest.Clocks) {
	clocks := clocktest.New()
	c := cached(t, &mint{})
	minted := 0
	source := c.source.(*fakeSource)
	source.clock, source.mints = clocks.Now, func() (Token, error) {
		if *failing {
			return Token{}, krakenSays(kraken.KindUnavailable)
		}
		minted++
		requested := clocks.Now()
		return Token{Value: strconv.Itoa(minted), RequestedAt: requested, ExpiresAt: requested.Add(tokenLife)}, nil
	}
	return c, clocks
}

func TestNoClockMakesACachedTokenYounger(t *testing.T) {
	c, clocks := onClocks(t, new(bool))
	require.Equal(t, "1", get(t, c).Value)
	clocks.Pass(3 * time.Minute)
	require.True(t, get(t, c).Cached)

	clocks.Wall += time.Hour // the host sleeps
	require.Equal(t, "2", get(t, c).Value, "its monotonic clock didn't see that")
	require.True(t, get(t, c).Cached)

	clocks.Wall -= 2 * time.Hour // somebody sets the clock back
	clocks.Pass(3 * time.Minute)
	require.Equal(t, "2", get(t, c).Value, "which doesn't make it older")
	clocks.Pass(3 * time.Minute)
	require.Equal(t, "3", get(t, c).Value, "nor younger")

	clocks.Wall += 24 * time.Hour // or on
	require.Equal(t, "4", get(t, c).Value, "it may be as old as that, for all one knows")
	require.True(t, get(t, c).Cached, "once is enough")
}

func TestAFailureBeforeTheHostSleptSaysLittleOfNow(t *testing.T) {
	failing := false
	c, clocks := onClocks(t, &failing)
	require.Equal(t, "1", get(t, c).Value)
	clocks.Pass(6 * time.Minute)
	failing = true
	require.NotEmpty(t, get(t, c).Warning)
	failing = false
	clocks.Wall += 3 * time.Minute
	token := get(t, c)
	require.Equal(t, "2", token.Value)
	require.Empty(t, token.Warning)
}
