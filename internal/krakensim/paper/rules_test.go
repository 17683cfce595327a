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
	assert.Equal(t, "2026-11-28T12:00:00Z", WholeSeconds(noon))
	assert.Equal(t, "2026-11-28T12:00:01Z", WholeSeconds(noon.Add(1)), "rounded up")
	assert.Equal(t, "0", WholeSeconds(time.Time{}), "it is off")
}
