package process

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestNoCoreDump sets it in a process of its own, for there is no way back.
func TestNoCoreDump(t *testing.T) {
	if os.Getenv("NO_CORE_DUMP") == "" {
		command := exec.Command(os.Args[0], "-test.run=^TestNoCoreDump$")
		command.Env = append(os.Environ(), "NO_CORE_DUMP=1")
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	require.NoError(t, NoCoreDump())
	require.NoError(t, NoCoreDump(), "again")
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_CORE, &limit))
	assert.Equal(t, syscall.Rlimit{}, limit)
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	require.NoError(t, err)
	assert.Zero(t, dumpable)
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err, "it sees its own files still")
	assert.NotEmpty(t, files)
	limits, err := os.ReadFile("/proc/self/limits")
	require.NoError(t, err)
	assert.Regexp(t, `Max core file size +0 +0 `, strings.TrimSpace(string(limits)))
}
