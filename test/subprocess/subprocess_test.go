//go:build unix

package subprocess

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// As a child of the tests, the test binary makes a directory, starts a program, tells of both, and waits to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("SUBPROCESS_CHILD") == "" {
		os.Exit(m.Run())
	}
	dir, _, err := TempDir("child.")
	if err != nil {
		panic(err)
	}
	process, err := Start(exec.Command("sleep", "300"))
	if err != nil {
		panic(err)
	}
	fmt.Println(dir, process.PID())
	select {}
}

// Whoever is killed leaves no program and no directory.
func TestKilled(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "SUBPROCESS_CHILD=1", "TMPDIR="+t.TempDir())
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	var dir string
	var pid int
	_, err = fmt.Sscan(line, &dir, &pid)
	require.NoError(t, err)
	require.DirExists(t, dir)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	assert.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err) && !runs(pid)
	}, 20*time.Second, 50*time.Millisecond)
}

func TestTempDir(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir, remove, err := TempDir("some.")
	require.NoError(t, err)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o600))
	require.NoError(t, remove())
	assert.NoDirExists(t, dir)
}

// What runs elsewhere is told of the directory, too.
func TestTempDirIsAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", ".")
	dir, remove, err := TempDir("some.")
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(dir), dir)
	require.NoError(t, remove())
}

func TestRun(t *testing.T) {
	require.NoError(t, Run(context.Background(), exec.Command("true")))
	require.ErrorContains(t, Run(context.Background(), exec.Command("false")), "exit status 1")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, Run(ended, exec.Command("touch", "/not/started")), context.Canceled)
}

// When ctx ends, so does the program, with what it has started, and it has the time to tidy up.
func TestRunIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.Command("bash", "-c", `trap 'echo tidied up; exit 3' INT; sleep 300 & echo $!; wait`)
	output, writer, err := os.Pipe() // not StdoutPipe, which is closed with the program's end, whatever is still in it
	require.NoError(t, err)
	defer output.Close()
	command.Stdout = writer
	lines := bufio.NewScanner(output)
	read := make(chan string, 2)
	go func() {
		for lines.Scan() {
			read <- lines.Text()
			if strings.TrimSpace(lines.Text()) != "tidied up" {
				cancel()
			}
		}
		close(read)
	}()
	require.ErrorIs(t, Run(ctx, command), context.Canceled)
	require.NoError(t, writer.Close())
	var pid int
	_, err = fmt.Sscan(<-read, &pid)
	require.NoError(t, err)
	assert.Equal(t, "tidied up", <-read)
	assert.Eventually(t, func() bool { return !runs(pid) }, 5*time.Second, 10*time.Millisecond)
}

// runs tells whether a process does. One that has ended, but that nobody has waited for, doesn't.
func runs(pid int) bool {
	if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, rest, _ := strings.Cut(string(state), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return syscall.Kill(pid, 0) == nil
}
