package account

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/stretchr/testify/require"
)

func TestErrorsSayWhatHappened(t *testing.T) {
	refused := krakenSays(kraken.KindInvalidKey)
	for want, err := range map[string]error{
		"tier is none of Kraken's; give pro":                                                     &FieldError{FieldTier, "is none of Kraken's", "give pro"},
		"no key pair is configured for the default account":                                      &NotConfiguredError{},
		`no key pair is configured for account "desk-a"`:                                         &NotConfiguredError{Account: "desk-a"},
		"api_key is in use by another account of this mount":                                     &KeyInUseError{Account: "desk-a"},
		"api_key stands in another account of this mount, which has proved that it has the pair": &KeyInUseError{Account: "desk-a", Lost: true},
		"the default account is disabled":                                                        &DisabledError{},
		"api_url https://a.example is none that the mount's option allowed_api_urls allows":      &PlaceError{APIURL: "https://a.example"},
		"the pair couldn't be proved: failure of kind invalid_key":                               &ProofError{refused},
		"the config was deleted while it was being written":                                      ErrDeleted,
		"too many key pairs were refused by Kraken lately; the next one is proved in 1 s":        &TooManyProofsError{},
		"too many key pairs were refused by Kraken lately; the next one is proved in 12 s":       &TooManyProofsError{12 * time.Second},
		"too many key pairs were refused by Kraken lately; the next one is proved in 13 s":       &TooManyProofsError{12*time.Second + 1},
	} {
		require.EqualError(t, err, want)
	}
	require.ErrorIs(t, &ProofError{refused}, refused)
}

func TestFailuresAreSortedByWhatHelps(t *testing.T) {
	type sorted struct {
		err    error
		kind   string
		passes bool
	}
	cases := []sorted{
		{&keeper.HeldError{Wait: time.Second, Cause: krakenSays(kraken.KindLockout)}, "held_back", true},
		{&keeper.OutageError{Cause: krakenSays(kraken.KindTimeout)}, "outage", true},
		{&keeper.StoreError{Err: errDisk}, "storage", true},
		{&keeper.RememberedError{Err: krakenSays(kraken.KindInvalidKey)}, "invalid_key", false},
		{&keeper.RememberedError{Err: krakenSays(kraken.KindBlocked)}, "blocked", true},
		{&keeper.AheadError{Err: krakenSays(kraken.KindInvalidNonce)}, "invalid_nonce", false},
		{&FieldError{FieldTier, "is none of Kraken's", "give pro"}, "bad_value", false},
		{&DisabledError{}, "disabled", false},
		{&PlaceError{}, "place_not_allowed", false},
		{&KeyInUseError{}, "key_in_use", false},
		{&TooManyProofsError{}, "too_many_proofs", false},
		{ErrDeleted, "deleted", false},
		{&ProofError{krakenSays(kraken.KindInvalidKey)}, "invalid_key", false},
		{errDisk, "other", false},
		{context.Canceled, "other", false},
		{ErrClosed, "other", false},
	}
	passing := map[kraken.Kind]bool{
		kraken.KindUnavailable: true, kraken.KindTimeout: true, kraken.KindNonsense: true, kraken.KindRateLimited: true,
		kraken.KindLockout: true, kraken.KindUntrusted: true, kraken.KindBlocked: true, kraken.KindAborted: true,
	}
	for _, kind := range kraken.Kinds() {
		cases = append(cases, sorted{krakenSays(kind), kind.String(), passing[kind]})
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%T %v", c.err, c.err), func(t *testing.T) {
			for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
				require.Equal(t, c.kind, KindName(err))
				require.Equal(t, c.passes, passes(err))
			}
		})
	}
	require.False(t, passes(errors.Join()))
}
