package paper

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAnOrderIsNamedInOneWay(t *testing.T) {
	a := NewAccount()
	o := place(t, a, with(buy, func(r *Request) { r.ClientID = "mine" }))
	place(t, a, buy) // which has no name of the client's
	for name, test := range map[string]struct {
		id, clientID string
		want         string
		refusal      error
	}{
		"by Kraken's id":           {o.ID, "", o.ID, nil},
		"by the client's":          {"", "mine", o.ID, nil},
		"by one that isn't":        {"", "yours", "", UnknownOrder},
		"by both":                  {o.ID, "mine", "", InvalidArguments},
		"not at all":               {"", "", "", Invalid("txid")},
		"by what may not be an id": {"x", "", "x", nil}, // whoever looks for it says so
	} {
		t.Run(name, func(t *testing.T) {
			id, err := a.Which(test.id, test.clientID)
			assert.Equal(t, []any{test.want, test.refusal}, []any{id, err})
		})
	}
	found, err := a.FindClientID("mine")
	assert.Equal(t, []any{o, nil}, []any{found, err})
	_, err = a.FindClientID("")
	assert.Equal(t, UnknownOrder, err)
}

func TestANumberStandsForAllOrdersThatHaveItAsUserref(t *testing.T) {
	a := NewAccount()
	first := place(t, a, with(buy, func(r *Request) { r.Userref = 7 }))
	second := place(t, a, with(buy, func(r *Request) { r.Userref = 7 }))
	place(t, a, with(buy, func(r *Request) { r.Userref = -7 }))
	place(t, a, buy)
	assert.Equal(t, []string{first.ID, second.ID}, a.Named("7"))
	assert.Equal(t, []string{first.ID, second.ID}, a.WithUserref(7))
	for _, number := range []string{"0", "8"} {
		assert.Empty(t, a.Named(number), "none has it; 0 is for none")
	}
	for _, id := range []string{first.ID, "x", "4294967296"} {
		assert.Equal(t, []string{id}, a.Named(id), "no userref")
	}
}
