package keeper

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestAGateLetsOneThroughAtATimeInTheOrderOfTheirComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		var through []int
		require.NoError(t, g.take(t.Context(), nil))
		for n := range 10 {
			go func() {
				if g.take(t.Context(), nil) == nil {
					through = append(through, n)
				}
			}()
			synctest.Wait()
		}
		for n := range 10 {
			require.Len(t, through, n)
			g.give()
			synctest.Wait()
		}
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, through)
		g.give()
		require.False(t, g.taken)
		require.Nil(t, g.queue, "nothing is left of the crowd")
	})
}

func TestAWaitAtAGateEndsWithItsCallerOrWhenAllIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		ctx, leave := context.WithCancel(t.Context())
		closed := make(chan struct{})
		errs := make(chan error)
		require.NoError(t, g.take(ctx, closed))
		for range 2 {
			go func() { errs <- g.take(ctx, nil) }()
			go func() { errs <- g.take(t.Context(), closed) }()
		}
		synctest.Wait()
		close(closed)
		require.Equal(t, ErrClosed, <-errs)
		require.Equal(t, ErrClosed, <-errs)
		leave()
		g.give() // at the same time, so that the turn may go to somebody who leaves
		for range 2 {
			if err := <-errs; err == nil {
				g.give()
			} else {
				require.Equal(t, context.Canceled, err)
			}
		}
		require.NoError(t, g.take(t.Context(), nil), "it is free")
	})
}
