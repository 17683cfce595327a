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

func TestAmountsHaveAllTheirDecimals(t *testing.T) {
	assert.Equal(t, "0.50000000", FormatVolume(0.5))
	assert.Equal(t, "20000.00000", Pairs[0].FormatCost(20_000))
}

func TestUnixTimeHasSixDecimals(t *testing.T) {
	assert.Equal(t, "1795867200.000001", UnixTime(noon.Add(1999*time.Nanosecond)))
}

func TestNumbersAsText(t *testing.T) {
	for text, want := range map[string]float64{"1": 1, "0.5": 0.5, "007.50": 7.5, "946684799.9": 946684799.9} {
		number, err := ParseNumber("price", text)
		assert.Equal(t, []any{want, nil}, []any{number, err}, text)
	}
	for _, text := range []string{"", ".5", "5.", "1e3", "-1", "+5", "#1%", "Inf", "NaN", "0x1", "1_0", "1,5", " 1"} {
		_, err := ParseNumber("price", text)
		assert.Equal(t, Invalid("price"), err, text)
	}
	number, err := ParseInteger("userref", "-2147483648")
	assert.Equal(t, []any{int64(-2147483648), nil}, []any{number, err})
	for _, text := range []string{"", "2147483648", "1.5", "seven"} {
		_, err := ParseInteger("userref", text)
		assert.Equal(t, Invalid("userref"), err, text)
	}
}

func TestFlagsAsText(t *testing.T) {
	for oflags, want := range map[string]bool{"": false, "fciq": false, "fciq,nompp": false, "post": true, "post,fciq": true} {
		postOnly, err := ParseFlags(oflags)
		assert.Equal(t, []any{want, nil}, []any{postOnly, err}, oflags)
	}
	for oflags, field := range map[string]string{"fcib": "oflags", "post,fast": "oflags", "viqc": "viqc", "post, fciq": "oflags"} {
		_, err := ParseFlags(oflags)
		assert.Equal(t, Invalid(field), err, oflags)
	}
}

func TestTheDeadMansSwitchTellsWholeSeconds(t *testing.T) {
	assert.Equal(t, "2026-11-28T12:00:00Z", WholeSeconds(noon))
	assert.Equal(t, "2026-11-28T12:00:01Z", WholeSeconds(noon.Add(1)), "rounded up")
	assert.Equal(t, "0", WholeSeconds(time.Time{}), "it is off")
}
