package keeper

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

var (
	rateLimit  = &kraken.Error{Kind: kraken.KindRateLimited, Sent: true, Messages: []string{"EAPI:Rate limit exceeded"}}
	invalidKey = &kraken.Error{Kind: kraken.KindInvalidKey, Sent: true, Messages: []string{"EAPI:Invalid key"}}
	at         = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("east", 3600))
)

func TestErrorsSayWhatHappened(t *testing.T) {
	cases := map[string]struct {
		err  error
		want string
	}{
		"held back by the count":    {held(2100*time.Millisecond, errCounted), "held back for 3 s: more calls with this API key than Kraken allows at a time"},
		"held back by Kraken":       {held(5*time.Second, rateLimit), "held back for 5 s: Kraken answered EAPI:Rate limit exceeded"},
		"held back for a moment":    {held(1, errTooMany), "held back for 1 s: more reads at once than can be answered within request_timeout"},
		"held back for no time":     {held(0, errTooMany), "held back for 1 s: more reads at once than can be answered within request_timeout"},
		"held back after its time":  {held(-time.Minute, errTooMany), "held back for 1 s: more reads at once than can be answered within request_timeout"},
		"held back for a code":      {held(time.Minute+1, errCodeTaken), "held back for 61 s: the API key's one-time code has been used, and the next one isn't due yet"},
		"remembered":                {&RememberedError{Err: invalidKey, Until: at}, "Kraken answered EAPI:Invalid key (remembered, to protect the account: Kraken is asked again from 2026-01-02T02:04:05Z on)"},
		"an outage":                 {&OutageError{Since: at, Cause: &kraken.Error{Detail: "no route"}}, "Kraken can't be reached since 2026-01-02T02:04:05Z: no route"},
		"nonces that are far ahead": {&AheadError{Err: &kraken.Error{Messages: []string{"EAPI:Invalid nonce"}}}, "Kraken answered EAPI:Invalid nonce, even 10 minutes ahead of the clock"},
		"a store that failed":       {&StoreError{Err: errors.New("disk full")}, "the storage failed, so no nonce could be reserved and nothing was sent to Kraken"},
		"closed":                    {ErrClosed, "the mount is being closed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.EqualError(t, c.err, c.want) })
	}
}

func TestErrorsTellWhetherKrakenWasAskedAndWhatItSaid(t *testing.T) {
	full := errors.New("disk full")
	cases := map[string]struct {
		err      error
		notAsked bool
		unwraps  error // what errors.Is finds, if anything
	}{
		"held back":         {err: held(time.Second, rateLimit), notAsked: true},
		"remembered":        {err: &RememberedError{Err: invalidKey}, notAsked: true, unwraps: invalidKey},
		"remembered, ahead": {err: &RememberedError{Err: &AheadError{Err: invalidKey}}, notAsked: true, unwraps: invalidKey},
		"an outage":         {err: &OutageError{Cause: invalidKey}, notAsked: true},
		"ahead":             {err: &AheadError{Err: invalidKey}, unwraps: invalidKey},
		"a store's failure": {err: &StoreError{Err: full}, unwraps: full},
		"Kraken's own":      {err: invalidKey, unwraps: invalidKey},
		"closed":            {err: ErrClosed, unwraps: ErrClosed},
		"somebody else's":   {err: full, unwraps: full},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.notAsked, NotAsked(c.err))
			for _, cause := range []error{rateLimit, invalidKey, full, ErrClosed} {
				require.Equal(t, cause == c.unwraps, errors.Is(c.err, cause), "%v", cause)
			}
		})
	}
	require.False(t, NotAsked(nil))
}
