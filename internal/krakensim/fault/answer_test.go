package fault

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnAnswersBodyEndsWithTheContext(t *testing.T) {
	c := inProcess(t)
	c.service.Misbehave(Fault{Oversize: 1 << 40})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, http.NoBody)
	require.NoError(t, err)
	response, err := c.transport.RoundTrip(r)
	require.NoError(t, err)
	_, err = io.ReadFull(response.Body, make([]byte, 1000))
	require.NoError(t, err)
	cancel()
	_, err = io.Copy(io.Discard, response.Body)
	assert.ErrorIs(t, err, context.Canceled)
}
