//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"github.com/hashicorp/vault/sdk/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// byItself is a command with the environment that makes the plugin believe that Vault has started it.
func byItself(name string, args ...string) *exec.Cmd {
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), pluginutil.PluginAutoMTLSEnv+"=true", plugin.HandshakeConfig.MagicCookieKey+"="+plugin.HandshakeConfig.MagicCookieValue)
	return command
}

// TestItEndsWithItsParent has a shell as the parent. The pipe of the standard output tells when the plugin has ended, for it is the last to hold it.
func TestItEndsWithItsParent(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs a shell")
	}
	parent := byItself("sh", "-c", `"$0" & wait`, binary)
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	parent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, parent.Start())
	t.Cleanup(func() { _ = syscall.Kill(-parent.Process.Pid, syscall.SIGKILL) }) // both
	said := bufio.NewReader(out)
	handshake, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, handshake, "|unix|")

	began := time.Now()
	require.NoError(t, parent.Process.Kill())
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, said)
		ended <- err
	}()
	select {
	case err := <-ended:
		require.NoError(t, err)
		t.Logf("it ended %s after its parent", time.Since(began))
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on without its parent")
	}
	_ = parent.Wait() // it was killed
}

// TestItDoesNotBeginWithoutAParent: one that was gone before it could be known is known by what nobody reads.
func TestItDoesNotBeginWithoutAParent(t *testing.T) {
	orphan := byItself(binary)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, read.Close())
	orphan.Stdout = write
	require.NoError(t, orphan.Start())
	require.NoError(t, write.Close())
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	select {
	case err := <-ended:
		assert.EqualError(t, err, "signal: broken pipe")
	case <-time.After(20 * time.Second):
		_ = orphan.Process.Kill()
		t.Fatal("it has begun")
	}
}
