package paper

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func to[T any](v T) *T { return &v }

func TestAnAmendedOrderKeepsItsIDAndWhatWasExecuted(t *testing.T) {
	a := NewAccount()
	o := place(t, a, with(buy, func(r *Request) { r.ClientID = "mine" }))
	_, err := a.Fill(o.ID, 0.2, 0, now)
	require.NoError(t, err)
	a.TakeEvents()
	id, amended, err := a.Amend(o.ID, Change{Quantity: to(0.4), Price: to(21_000.0), PostOnly: to(true)}, now)
	require.NoError(t, err)
	assert.Regexp(t, `^T[A-Z2-7]{5}-`, id)
	assert.Equal(t, []EventType{Amended}, happened(a))
	assert.Equal(t, []any{o.ID, "mine", 0.4, 21_000.0, false, 0.2, true},
		[]any{amended.ID, amended.ClientID, amended.Quantity, amended.Price, amended.PostOnly, amended.Executed, amended.Amended})
	assert.Equal(t, []Order{amended}, a.Open())
	assert.InDelta(t, 0.2*21_000*1.0025, a.Held("USD"), 1e-9)
}

func TestAnEditedOrderIsReplaced(t *testing.T) {
	a := NewAccount()
	o := place(t, a, with(buy, func(r *Request) { r.Userref = 7 }))
	_, err := a.Fill(o.ID, 0.2, 0, now)
	require.NoError(t, err)
	a.TakeEvents()
	request, err := a.CheckEdit(o.ID, Change{Price: to(19_000.0), Userref: to(int64(8))})
	require.NoError(t, err)
	assert.EqualValues(t, 8, request.Userref)
	assert.Len(t, a.Open(), 1, "to check changes nothing")
	assert.Equal(t, o.ID, a.Open()[0].ID)

	edited, err := a.Edit(o.ID, Change{Price: to(19_000.0)}, now)
	require.NoError(t, err)
	assert.Equal(t, []EventType{WasCanceled, PendingNew, New}, happened(a))
	assert.NotEqual(t, o.ID, edited.ID)
	assert.Equal(t, []any{"", int64(7), 0.5, 19_000.0, 0.0},
		[]any{edited.ClientID, edited.Userref, edited.Quantity, edited.Price, edited.Executed})
	assert.Equal(t, []Order{edited}, a.Open())
	assert.Equal(t, []any{o.ID, "Order replaced", 0.2},
		[]any{a.Closed()[0].ID, a.Closed()[0].Reason, a.Closed()[0].Executed})
}

func TestAChangeThatIsRefusedLeavesTheOrderAsItWas(t *testing.T) {
	const tick = "EOrder:Invalid price:XBTUSD price can only be specified up to 1 decimals."
	for name, test := range map[string]struct {
		change      Change
		amend, edit Refusal // "" if it can be done
	}{
		"nothing at all":                 {Change{}, "EOrder:No amendable parameters specified", ""},
		"what it is already":             {Change{Quantity: to(0.5)}, "EOrder:No amendable parameters specified", ""},
		"what it is but for a crumb":     {Change{Quantity: to(0.500000001)}, "EOrder:No amendable parameters specified", ""},
		"that its price is to rest":      {Change{PostOnly: to(true)}, "EOrder:No amendable parameters specified", ""},
		"its own pair":                   {Change{Pair: &Pairs[0], Quantity: to(1.0)}, "", ""},
		"another pair":                   {Change{Pair: &Pairs[1], Quantity: to(1.0)}, Invalid("pair"), Invalid("pair")},
		"no volume":                      {Change{Quantity: to(0.0)}, Invalid("volume"), Invalid("volume")},
		"what was executed, and no more": {Change{Quantity: to(0.2)}, "", Invalid("volume")},
		"a bit more than was executed":   {Change{Quantity: to(0.20005)}, "", ""},
		"a price between two ticks":      {Change{Price: to(1.05)}, tick, tick},
		"more than there is":             {Change{Quantity: to(6.0)}, "EOrder:Insufficient funds", "EOrder:Insufficient funds"},
		"with what the order itself has": {Change{Quantity: to(4.7)}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, how := range []struct {
				want Refusal
				do   func(a *Account, id string) error
			}{
				{test.amend, func(a *Account, id string) error { _, _, err := a.Amend(id, test.change, now); return err }},
				{test.edit, func(a *Account, id string) error {
					before := a.Open()
					_, checked := a.CheckEdit(id, test.change)
					assert.Equal(t, before, a.Open())
					_, err := a.Edit(id, test.change, now)
					assert.Equal(t, checked, err, "both say the same")
					return err
				}},
			} {
				a := NewAccount()
				o := place(t, a, buy)
				_, err := a.Fill(o.ID, 0.2, 0, now)
				require.NoError(t, err)
				a.TakeEvents()
				before := a.Open()

				err = how.do(a, o.ID)
				if how.want == "" {
					assert.NoError(t, err)
					assert.NotEmpty(t, a.TakeEvents())
					continue
				}
				assert.Equal(t, how.want, err)
				assert.Equal(t, before, a.Open())
				assert.Empty(t, a.TakeEvents())
			}
		})
	}
	a := NewAccount()
	for id, want := range map[string]Refusal{"O": InvalidOrder, "OAAAAA-BBBBB-CCCCCC": UnknownOrder} {
		_, _, amendErr := a.Amend(id, Change{}, now)
		_, editErr := a.Edit(id, Change{}, now)
		assert.Equal(t, []error{want, want}, []error{amendErr, editErr})
	}
}

func TestAnOrderAmendedToWhatWasExecutedIsCanceled(t *testing.T) {
	for _, quantity := range []float64{0.1, 0.2} {
		a := NewAccount()
		o := place(t, a, buy)
		_, err := a.Fill(o.ID, 0.2, 0, now)
		require.NoError(t, err)
		a.TakeEvents()
		_, amended, err := a.Amend(o.ID, Change{Quantity: &quantity}, now)
		require.NoError(t, err)
		assert.Equal(t, []EventType{WasCanceled}, happened(a))
		assert.Equal(t, []any{Canceled, 0.2, 0.5}, []any{amended.Status, amended.Executed, amended.Quantity})
		assert.Empty(t, a.Open())
	}
}

func TestTheDeadMansSwitchCancelsAll(t *testing.T) {
	a := NewAccount()
	place(t, a, buy)
	place(t, a, sell)
	after := func(seconds int64, now time.Time) time.Time {
		due, err := a.CancelAllAfter(seconds, now)
		require.NoError(t, err)
		return due
	}
	assert.Equal(t, now.Add(time.Minute), after(60, now))
	assert.Equal(t, now.Add(2*time.Minute), after(60, now.Add(time.Minute)), "it is put off")
	for _, seconds := range []int64{-1, 86_400, 1 << 62} {
		_, err := a.CancelAllAfter(seconds, now)
		assert.Equal(t, Invalid("timeout"), err)
	}
	assert.Equal(t, now.Add(2*time.Minute), a.CancelAt(), "what is refused changes nothing")
	a.Expire(now.Add(2*time.Minute - 1))
	assert.Len(t, a.Open(), 2)
	a.Expire(now.Add(2 * time.Minute))
	assert.Empty(t, a.Open())
	assert.Equal(t, []EventType{WasCanceled, WasCanceled}, happened(a))
	assert.Equal(t, "CancelAllOrdersAfter Timeout", a.Closed()[0].Reason)
	assert.Zero(t, a.CancelAt())

	place(t, a, buy)
	assert.Equal(t, now.Add(86_399*time.Second), after(86_399, now), "the longest")
	assert.Zero(t, after(0, now), "it is switched off")
	a.Expire(now.Add(48 * time.Hour))
	assert.Equal(t, 1, a.CancelAll(now))
	assert.Equal(t, 0, a.CancelAll(now))
}
