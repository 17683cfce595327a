//go:build unix

package subprocess

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// TempDir makes a temporary directory, which only this user can look into. It is removed with this process at the latest,
// however that ends; remove does so earlier, when all programs that write there have ended. pattern is that of [os.MkdirTemp].
func TempDir(pattern string) (dir string, remove func() error, err error) {
	parent, err := filepath.Abs(os.TempDir()) // programs that run elsewhere are told of it
	if err != nil {
		return "", nil, err
	}
	dir, err = os.MkdirTemp(parent, pattern)
	if err != nil {
		return "", nil, err
	}
	// A shell waits for the end of a pipe that this process holds. By a second later Start's shells have ended the programs.
	undertaker := exec.Command("sh", "-c", `read -r _; sleep 1; rm -rf -- "$0"`, dir)
	undertaker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, err = undertaker.StdinPipe()
	if err == nil {
		err = undertaker.Start()
	}
	if err != nil {
		_ = os.Remove(dir)
		return "", nil, fmt.Errorf("starting what removes %s: %w", dir, err)
	}
	return dir, func() error {
		err := os.RemoveAll(dir)
		_ = undertaker.Process.Kill()
		_ = undertaker.Wait()
		return err
	}, nil
}
