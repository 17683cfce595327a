package paper

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestADeadlineLiesBetweenTheNearestAndAMinuteAhead(t *testing.T) {
	for name, test := range map[string]struct {
		deadline string
		want     error
	}{
		"none":           {"", nil},
		"a second ahead": {"2026-11-28T12:00:01Z", nil},
		"half a second":  {"2026-11-28T12:00:00.5Z", nil},
		"a minute":       {"2026-11-28T13:01:00+01:00", nil},
		"too near":       {"2026-11-28T12:00:00.499Z", Invalid("deadline")},
		"too far":        {"2026-11-28T12:01:00.001Z", Invalid("deadline")},
		"past":           {"2026-11-28T12:00:00Z", Refusal("EService:Deadline elapsed")},
		"no time":        {"soon", Invalid("deadline")},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, CheckDeadline(test.deadline, 500*time.Millisecond, noon))
		})
	}
}

func TestTheDeadMansSwitchTellsWholeSeconds(t *testing.T) {
	for name, test := range map[string]struct {
		seconds          int64
		at               time.Time
		current, trigger string
	}{
		"a whole second":     {60, noon, "2026-11-28T12:00:00Z", "2026-11-28T12:01:00Z"},
		"a nanosecond later": {60, noon.Add(1), "2026-11-28T12:00:01Z", "2026-11-28T12:01:01Z"},
		"the longest":        {86_399, noon, "2026-11-28T12:00:00Z", "2026-11-29T11:59:59Z"},
		"off":                {0, noon, "2026-11-28T12:00:00Z", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			a := NewAccount()
			current, trigger, err := a.Switch(test.seconds, test.at)
			assert.Equal(t, []any{test.current, test.trigger, nil}, []any{current, trigger, err})
			assert.Equal(t, test.seconds != 0, !a.Deadline().IsZero())
		})
	}
	for _, seconds := range []int64{-1, 86_400, 1 << 62} {
		_, _, err := NewAccount().Switch(seconds, noon)
		assert.Equal(t, Invalid("timeout"), err)
	}
}
