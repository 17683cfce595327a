//go:build unix

package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStart(t *testing.T) {
	for name, test := range map[string]struct {
		server, err string
	}{
		"ready":            {"echo ready; sleep 300", ""},
		"ends by itself":   {"echo this is wrong; exit 1", "this is wrong"},
		"ends, but not so": {"echo ready; exit 0", "it has ended"},
		"never ready":      {"echo starting; sleep 300", "context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			process, err := Start(ctx, exec.Command("sh", "-c", test.server), log, func() error {
				time.Sleep(100 * time.Millisecond) // an answer takes a while
				if text, _ := os.ReadFile(log); !strings.Contains(string(text), "ready") {
					return errors.New("not yet")
				}
				return nil
			})
			if test.err != "" {
				assert.ErrorContains(t, err, test.err)
				assert.Nil(t, process)
				return
			}
			require.NoError(t, err)
			assert.False(t, process.HasEnded())
			process.Kill()
		})
	}
}

func TestOnFreePort(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		tries int
	}{
		"the port is taken for ever": {errors.New("listen: address already in use"), 10},
		"another error":              {errors.New("no such file"), 1},
		"none":                       {nil, 1},
	} {
		tries := 0
		_, err := onFreePort(func() (int, error) {
			tries++
			return tries, test.err
		})
		assert.Equal(t, test.err, err, name)
		assert.Equal(t, test.tries, tries, name)
	}
}
