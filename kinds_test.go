package krakensecrets

import (
	"errors"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/stretchr/testify/assert"
)

func TestEveryKindIsExplainedOnce(t *testing.T) {
	known := map[string]bool{}
	for _, kind := range kraken.Kinds() {
		known[kind.String()] = true
	}
	for _, err := range []error{
		&account.FieldError{}, &account.DisabledError{}, &account.PlaceError{}, &account.KeyInUseError{}, &account.TooManyProofsError{}, account.ErrDeleted,
		&keeper.HeldError{}, &keeper.OutageError{}, &keeper.StoreError{}, errors.New("disk full"),
	} {
		known[account.KindName(err)] = true
	}
	explained := map[string]bool{}
	for _, kind := range kinds {
		assert.False(t, explained[kind.name], kind.name)
		assert.Regexp(t, `^[A-Z].*\.$`, kind.meaning, kind.name)
		explained[kind.name] = true
	}
	assert.Equal(t, known, explained)
}
