package permission

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestANeedIsMetByAllOrByOne(t *testing.T) {
	both, modify, neither := []string{ModifyTrades, CloseTrades}, []string{ModifyTrades}, []string{QueryFunds}
	for name, test := range map[string]struct {
		need                  Need
		both, modify, neither bool
	}{
		"nothing": {Need{}, true, true, true},
		"one":     {ToPlace, true, true, false},
		"all of":  {ToReplace, true, false, false},
		"one of":  {ToChange, true, true, false},
	} {
		assert.Equal(t, []bool{test.both, test.modify, test.neither},
			[]bool{test.need.MetBy(both), test.need.MetBy(modify), test.need.MetBy(neither)}, name)
	}
}

func TestPermissionsThatKrakenDoesNotHave(t *testing.T) {
	assert.NoError(t, Validate(nil))
	assert.NoError(t, Validate(append(Default(), "withdraw-funds", "earn-funds")))
	assert.ErrorContains(t, Validate([]string{QueryFunds, "query-fund"}), `"query-fund"`)
}
