package paper

import "time"

// Invalid is how Kraken refuses the value of a field that it knows.
func Invalid(field string) Refusal { return Refusal("EGeneral:Invalid arguments:" + field) }

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

// maxCancelAfter is the longest timeout of the dead man's switch, in seconds: docs.kraken.com has "timeout < 86400".
const maxCancelAfter = 86_399

// Switch sets the dead man's switch: [Account.CancelAllAfter] a number of seconds. It returns the times of which Kraken tells,
// in RFC 3339, to the second, rounded up; "0" is for never. The error is a [Refusal].
func (a *Account) Switch(seconds int64, now time.Time) (current, trigger string, err error) {
	if seconds < 0 || seconds > maxCancelAfter {
		return "", "", Invalid("timeout")
	}
	due := a.CancelAllAfter(time.Duration(seconds)*time.Second, now)
	if trigger = "0"; !due.IsZero() {
		trigger = wholeSeconds(due)
	}
	return wholeSeconds(now), trigger, nil
}

func wholeSeconds(t time.Time) string {
	return t.Add(time.Second - time.Nanosecond).UTC().Truncate(time.Second).Format(time.RFC3339)
}
