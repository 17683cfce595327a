package kraken

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestKindsHaveNamesOfTheirOwn(t *testing.T) {
	names := map[string]bool{}
	for i, kind := range Kinds() {
		assert.Equal(t, Kind(i), kind, "in order")
		assert.Regexp(t, `^[a-z_]+$`, kind.String())
		assert.NotContains(t, kind.String(), "kind_")
		names[kind.String()] = true
	}
	assert.Len(t, names, int(KindUntrusted)+1, "all of them")
	assert.Equal(t, "unexpected", KindUnexpected.String())
	assert.Equal(t, "kind_-1", Kind(-1).String())
	assert.Equal(t, "kind_14", (KindUntrusted + 1).String())
}

func TestErrorTellsKrakensWordsBeforeItsOwn(t *testing.T) {
	cause := errors.New("a cause that isn't told")
	assert.EqualError(t, &Error{Detail: "the connection broke", Err: cause}, "the connection broke")
	assert.EqualError(t, &Error{Messages: []string{"EAPI:Invalid key", "EGeneral:Permission denied"}, Detail: "x"}, "Kraken answered EAPI:Invalid key, EGeneral:Permission denied")
	assert.ErrorIs(t, &Error{Err: cause}, cause)
}
