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
	require.NoError(t, a.CheckAmend(o.ID, Change{Quantity: to(0.4)}))
	id, amended, err := a.Amend(o.ID, Change{Quantity: to(0.4), Price: to(21_000.0), PostOnly: to(true)}, now)
	require.NoError(t, err)
	assert.Regexp(t, `^T[A-Z2-7]{5}-`, id)
	assert.Equal(t, []EventType{Amended}, happened(a))
	assert.Equal(t, []any{o.ID, "mine", 0.4, 21_000.0, true, 0.2, true},
		[]any{amended.ID, amended.ClientID, amended.Quantity, amended.Price, amended.PostOnly, amended.Executed, amended.Amended})
	assert.Equal(t, []Order{amended}, a.Open())
	assert.InDelta(t, 0.2*21_000*1.0025, a.Held("USD"), 1e-9)
}

func TestAnEditedOrderIsReplaced(t *testing.T) {
	a := NewAccount()
	o := place(t, a, with(buy, func(r *Request) { r.ClientID, r.Userref = "mine", 7 }))
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
	for name, test := range map[string]struct {
		change Change
		want   error // nil if it can be done
	}{
		"nothing at all":                 {Change{}, nil},
		"no volume":                      {Change{Quantity: to(0.0)}, InvalidVolume},
		"what was executed, and no more": {Change{Quantity: to(0.2)}, InvalidVolume},
		"a bit more than was executed":   {Change{Quantity: to(0.20005)}, nil},
		"a price between two ticks":      {Change{Price: to(1.05)}, Refusal("EOrder:Invalid price:XBTUSD price can only be specified up to 1 decimals.")},
		"more than there is":             {Change{Quantity: to(6.0)}, Refusal("EOrder:Insufficient funds")},
		"with what the order itself has": {Change{Quantity: to(4.7)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := NewAccount()
			o := place(t, a, buy)
			_, err := a.Fill(o.ID, 0.2, 0, now)
			require.NoError(t, err)
			a.TakeEvents()
			before := a.Open()

			_, editErr := a.CheckEdit(o.ID, test.change)
			amendErr := a.CheckAmend(o.ID, test.change)
			assert.Equal(t, before, a.Open())
			assert.Equal(t, []any{test.want, test.want}, []any{editErr, amendErr})
			if test.want != nil {
				_, _, amendErr = a.Amend(o.ID, test.change, now)
				_, editErr = a.Edit(o.ID, test.change, now)
				assert.Equal(t, []any{test.want, test.want}, []any{editErr, amendErr})
				assert.Equal(t, before, a.Open())
				assert.Empty(t, a.TakeEvents())
			}
		})
	}
	a := NewAccount()
	_, _, amendErr := a.Amend("O", Change{}, now)
	_, editErr := a.Edit("O", Change{}, now)
	assert.Equal(t, []error{UnknownOrder, UnknownOrder}, []error{amendErr, editErr})
}

func TestTheDeadMansSwitchCancelsAll(t *testing.T) {
	a := NewAccount()
	place(t, a, buy)
	place(t, a, sell)
	assert.Equal(t, now.Add(time.Minute), a.CancelAllAfter(time.Minute, now))
	assert.Equal(t, now.Add(2*time.Minute), a.CancelAllAfter(time.Minute, now.Add(time.Minute)), "it is put off")
	assert.Equal(t, now.Add(2*time.Minute), a.Deadline())
	a.Expire(now.Add(2*time.Minute - 1))
	assert.Len(t, a.Open(), 2)
	a.Expire(now.Add(2 * time.Minute))
	assert.Empty(t, a.Open())
	assert.Equal(t, []EventType{WasCanceled, WasCanceled}, happened(a))
	assert.Zero(t, a.Deadline())

	place(t, a, buy)
	a.CancelAllAfter(time.Minute, now)
	assert.Zero(t, a.CancelAllAfter(0, now), "it is switched off")
	a.Expire(now.Add(time.Hour))
	assert.Equal(t, 1, a.CancelAll(now))
	assert.Equal(t, 0, a.CancelAll(now))
}
