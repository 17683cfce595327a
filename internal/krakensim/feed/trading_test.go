package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestADeadlineLiesBetweenHalfASecondAndAMinuteAhead(t *testing.T) {
	tests := map[string]struct{ deadline, refusal string }{
		"none":           {"", ""},
		"a second ahead": {"2026-11-28T12:00:01Z", ""},
		"half a second":  {"2026-11-28T12:00:00.5Z", ""},
		"a minute":       {"2026-11-28T13:01:00+01:00", ""},
		"too near":       {"2026-11-28T12:00:00.499Z", "EGeneral:Invalid arguments:deadline"},
		"too far":        {"2026-11-28T12:01:00.001Z", "EGeneral:Invalid arguments:deadline"},
		"past":           {"2026-11-28T12:00:00Z", "EService:Deadline elapsed"},
		"no time":        {"soon", "EGeneral:Invalid arguments:deadline"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := checkDeadline(test.deadline, noon)
			if test.refusal == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, test.refusal)
			}
		})
	}
}

func TestTheDeadMansSwitchRoundsItsTimesUp(t *testing.T) {
	tests := map[string]struct {
		time time.Time
		want string
	}{
		"a whole second":     {noon, "2026-11-28T12:00:00Z"},
		"a nanosecond later": {noon.Add(1), "2026-11-28T12:00:01Z"},
		"never":              {time.Time{}, "0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, wholeSeconds(test.time)) })
	}
}
