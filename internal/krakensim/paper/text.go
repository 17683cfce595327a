package paper

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// farthestDeadline is how far ahead a deadline may be: docs.kraken.com, "Add Order".
const farthestDeadline = time.Minute

// CheckDeadline refuses a request that is too old to be carried out, and one whose deadline is nearer than Kraken allows, or
// more than a minute away. An empty deadline is Kraken's own, seconds from now. The error is a [Refusal].
func CheckDeadline(deadline string, nearest time.Duration, now time.Time) error {
	if deadline == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, deadline)
	left := at.Sub(now)
	switch {
	case err != nil:
		return Invalid("deadline")
	case left <= 0:
		return Refusal("EService:Deadline elapsed")
	case left < nearest, left > farthestDeadline:
		return Invalid("deadline")
	}
	return nil
}

// WholeSeconds is a time of the dead man's switch as Kraken tells it: RFC 3339, to the second, rounded up. The zero time, which
// is never, is "0".
func WholeSeconds(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return t.Add(time.Second - time.Nanosecond).UTC().Truncate(time.Second).Format(time.RFC3339)
}

// UnixTime is a time as REST and WebSocket v1 tell it: seconds with six decimals.
func UnixTime(t time.Time) string { return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000) }

// FormatVolume writes a volume as REST and WebSocket v1 do, with all its decimals.
func FormatVolume(volume float64) string { return strconv.FormatFloat(volume, 'f', VolumeDecimals, 64) }

// FormatCost writes a cost or a fee as REST and WebSocket v1 do, with all its decimals. The price of a trade has as many, as
// recorded.
func (p Pair) FormatCost(cost float64) string {
	return strconv.FormatFloat(cost, 'f', p.CostDecimals, 64)
}

// numberForm leaves out the prices relative to the market's that Kraken has ("+2%"): here is no market.
var numberForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// ParseNumber reads a volume, a price or a time that came as text, in a field. The error is a [Refusal].
func ParseNumber(field, text string) (float64, error) {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || !numberForm.MatchString(text) {
		return 0, Invalid(field)
	}
	return number, nil
}

// ParseInteger reads an integer of 32 bits, such as a userref, that came as text, in a field. The error is a [Refusal].
func ParseInteger(field, text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, Invalid(field)
	}
	return number, nil
}

// Leveraged tells whether an order's leverage, which came as text, asks for any.
func Leveraged(leverage string) bool { return leverage != "" && !strings.EqualFold(leverage, "none") }

// Flags are an order's flags as REST and WebSocket v1 tell them.
func (r Request) Flags() string {
	if r.PostOnly {
		return "fciq,post"
	}
	return "fciq"
}

// ParseFlags reads an order's flags ("oflags"), which tell whether it is post-only. The account takes its fee in the quote
// currency (fciq) only. The error is a [Refusal].
func ParseFlags(oflags string) (postOnly bool, err error) {
	for flag := range strings.SplitSeq(oflags, ",") {
		switch flag {
		case "post":
			postOnly = true
		case "", "fciq", "nompp": // the last of which Kraken ignores
		case "viqc":
			return false, Invalid("viqc")
		default:
			return false, Invalid("oflags")
		}
	}
	return postOnly, nil
}
