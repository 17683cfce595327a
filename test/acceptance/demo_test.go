package acceptance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
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
		"$ vault secrets enable -path=kraken vault-plugin-secrets-kraken",
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
	var printed lockedBuffer
	command := exec.Command("../../scripts/" + script)
	command.Env = append(os.Environ(), "PATH="+realPath, "TMPDIR="+dir)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Stdout, command.Stderr = &printed, &printed
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()

	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(demoTimeout)
	for {
		select {
		case err := <-ended:
			return printed.String(), err
		case <-tick.C:
			if until != "" && strings.Contains(printed.String(), until) {
				until = ""
				time.Sleep(200 * time.Millisecond)                                     // for a line more of the script
				require.NoError(t, syscall.Kill(-command.Process.Pid, syscall.SIGINT)) // as a terminal does
			}
		case <-timeout:
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
			<-ended
			t.Fatalf("no end after %s:\n%s", demoTimeout, printed.String())
		}
	}
}

// lockedBuffer can be read while it is written to.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
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
