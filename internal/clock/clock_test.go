package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock/clocktest"
)

func TestTheClockThatSaysMoreTellsAnAge(t *testing.T) {
	for name, test := range map[string]struct{ wall, monotonic, want time.Duration }{
		"no time has passed":                  {0, 0, 0},
		"both agree":                          {time.Minute, time.Minute, time.Minute},
		"the host slept for an hour":          {time.Hour + time.Second, time.Second, time.Hour + time.Second},
		"the wall clock was set back an hour": {-59 * time.Minute, time.Minute, time.Minute},
		"the wall clock was set on by a day":  {24*time.Hour + time.Minute, time.Minute, 24*time.Hour + time.Minute},
		"the host slept and was set back":     {-time.Hour, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			clocks := clocktest.New()
			then := clocks.Now()
			clocks.Wall, clocks.Monotonic = test.wall, test.monotonic
			require.Equal(t, test.want, clock.Age(then, clocks.Now()))
			require.Equal(t, test.wall, clock.Age(then.Round(0), clocks.Now()), "without a monotonic reading it is the wall clock's")
		})
	}
}

func TestATimeToComeIsToldByTheWallClockOfNow(t *testing.T) {
	clocks := clocktest.New()
	at := clocks.Now().Add(15 * time.Minute)
	clocks.Wall, clocks.Monotonic = -time.Hour, time.Minute
	told := clock.Told(at, clocks.Now())
	require.Equal(t, 14*time.Minute, told.Sub(clocks.Now()))
	require.Equal(t, clocks.Now().Round(0).Add(14*time.Minute), told.Round(0))
}
