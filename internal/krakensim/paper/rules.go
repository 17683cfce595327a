package paper

import "time"

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
