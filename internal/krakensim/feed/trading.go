package feed

import (
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// invalidArgument is how Kraken refuses the value of a field that it knows.
func invalidArgument(field string) paper.Refusal {
	return paper.Refusal("EGeneral:Invalid arguments:" + field)
}

// A deadline lies between these from now: docs.kraken.com/api/docs/websocket-v2/add_order.
const (
	nearestDeadline  = 500 * time.Millisecond
	farthestDeadline = time.Minute
)

func checkDeadline(deadline string, now time.Time) error {
	return CheckDeadline(deadline, nearestDeadline, now)
}

// CheckDeadline refuses a request that is too old to be carried out, and one whose deadline is nearer than Kraken allows, or
// more than a minute away. An empty deadline is Kraken's own, seconds from now. The error is a [paper.Refusal].
func CheckDeadline(deadline string, nearest time.Duration, now time.Time) error {
	if deadline == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, deadline)
	left := at.Sub(now)
	switch {
	case err != nil:
		return invalidArgument("deadline")
	case left <= 0:
		return paper.Refusal("EService:Deadline elapsed")
	case left < nearest, left > farthestDeadline:
		return invalidArgument("deadline")
	}
	return nil
}

// maxCancelAfter is the longest timeout of the dead man's switch, in seconds: docs.kraken.com has "timeout < 86400".
const maxCancelAfter = 86_399

// wholeSeconds is how the dead man's switch tells times: to the second, rounded up. The time at which nothing will happen,
// the zero time, is "0".
func wholeSeconds(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return t.Add(time.Second - time.Nanosecond).UTC().Truncate(time.Second).Format(time.RFC3339)
}
