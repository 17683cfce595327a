package acceptance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const demoTimeout = 3 * time.Minute

// make demo does the main job, shows no secret, and leaves nothing behind.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	printed, err := runDemo(t, dir, "demo", "")
	require.NoError(t, err, printed)
	for _, want := range []string{
		"$ vault secrets enable -path=kraken -options=allowed_api_urls=https://127.0.0.1:",
		"$ vault write kraken/config api_key=",
		"$ vault read kraken/ws-token",
		`"success":true`,
		"permission denied",
	} {
		assert.Contains(t, printed, want)
	}
	assert.Empty(t, leak([]byte(printed), krakensim.ExampleAPISecret))
	assertNothingLeft(t, dir)
}

// make dev stays up until Ctrl-C, and leaves nothing behind either.
func TestDev(t *testing.T) {
	dir := t.TempDir()
	printed, err := runDemo(t, dir, "dev", "Ctrl-C stops")
	assert.NoError(t, err, printed)
	assert.Contains(t, printed, "export PATH=")
	assert.Contains(t, printed, "/sim/misbehave")
	assertNothingLeft(t, dir)
}

// One half of a key pair is a mistake, not a wish for the simulator.
func TestDemoWithHalfAPair(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KRAKEN_API_KEY", "half")
	printed, err := runDemo(t, dir, "demo", "")
	assert.Error(t, err)
	assert.Contains(t, printed, "set both KRAKEN_API_KEY and KRAKEN_API_SECRET")
	assertNothingLeft(t, dir)
}

// runDemo runs a script with its temporary files in dir, and presses Ctrl-C once it has printed until ("": never).
func runDemo(t *testing.T, dir, script, until string) (string, error) {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), "printed"))
	require.NoError(t, err)
	defer output.Close()
	command := exec.Command("../../scripts/" + script)
	command.Env = append(os.Environ(), "PATH="+realPath, "TMPDIR="+dir)
	command.Stdout, command.Stderr = output, output
	running, err := subprocess.Start(command)
	require.NoError(t, err)
	t.Cleanup(running.Kill)

	printed := func() string {
		text, err := os.ReadFile(output.Name())
		require.NoError(t, err)
		return string(text)
	}
	if until != "" {
		deadline := time.Now().Add(demoTimeout)
		for !strings.Contains(printed(), until) && !running.HasEnded() {
			require.True(t, time.Now().Before(deadline), "not printed within %s: %s\n%s", demoTimeout, until, printed())
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)               // for a line more of the script
		_ = syscall.Kill(-running.PID(), syscall.SIGINT) // as a terminal does
	}
	err = running.Wait(demoTimeout)
	return printed(), err
}

// assertNothingLeft looks for files in a script's temporary directory, and for processes that were started from it.
func assertNothingLeft(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files, "files are left")
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, process := range processes {
		if text, _ := os.ReadFile(process); bytes.Contains(text, []byte(dir)) {
			t.Errorf("a process is left: %q", text)
		}
	}
}
