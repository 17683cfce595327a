package account

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsBoundToALifeEndsWithIt(t *testing.T) {
	over := errors.New("over")
	for name, test := range map[string]struct {
		do    func(l *life, letGo, leave func())
		cause error // of the context's end
		err   error // the life's
	}{
		"it lasts":           {func(*life, func(), func()) {}, nil, nil},
		"it ends":            {func(l *life, _, _ func()) { l.end(over) }, over, over},
		"it ends twice":      {func(l *life, _, _ func()) { l.end(over); l.end(errors.New("again")) }, over, over},
		"the caller leaves":  {func(_ *life, _, leave func()) { leave() }, context.Canceled, nil},
		"it is let go":       {func(_ *life, letGo, _ func()) { letGo() }, context.Canceled, nil},
		"let go, then ended": {func(l *life, letGo, _ func()) { letGo(); l.end(over) }, context.Canceled, over},
	} {
		t.Run(name, func(t *testing.T) {
			var l life
			parent, leave := context.WithCancel(t.Context())
			defer leave()
			ctx, letGo := l.bind(parent)
			other, letOtherGo := l.bind(t.Context())
			test.do(&l, letGo, leave)
			require.Equal(t, test.cause, context.Cause(ctx))
			require.Equal(t, test.err, l.Err())
			require.Equal(t, test.err, context.Cause(other))

			letGo()
			letOtherGo()
			require.Nil(t, l.bound, "nothing is held while nobody waits")
			late, letLateGo := l.bind(t.Context())
			defer letLateGo()
			require.Equal(t, test.err, context.Cause(late), "who comes later finds it over")
		})
	}
}
