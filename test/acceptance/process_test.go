package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program and all that it starts, in a process group of their own.
type process struct {
	command    *exec.Cmd
	undertaker *exec.Cmd
	ended      chan struct{}
	err        error // of the program; there once it has ended
}

// startProcess starts a program that ends with the test's process at the latest, however that ends: a shell waits for
// the end of a pipe that the test's process holds, and kills the group then.
func startProcess(command *exec.Cmd) (*process, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{command: command, ended: make(chan struct{})}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	p.undertaker = exec.Command("sh", "-c", `read -r _; kill -s KILL -- "-$0"`, strconv.Itoa(p.pid()))
	p.undertaker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal isn't for it
	_, err := p.undertaker.StdinPipe()
	if err == nil {
		err = p.undertaker.Start()
	}
	if err != nil {
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
	return p, err
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// wait waits until the program has ended, and returns how it did.
func (p *process) wait(timeout time.Duration) error {
	select {
	case <-p.ended:
		return p.err
	case <-time.After(timeout):
		return fmt.Errorf("%s doesn't end within %s", p.command, timeout)
	}
}

// kill kills the group, and returns when the program is gone. It may be called again.
func (p *process) kill() {
	if p.undertaker == nil {
		return
	}
	_ = p.undertaker.Process.Kill()
	_ = p.undertaker.Wait()
	p.undertaker = nil
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	<-p.ended
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/exe")
	return err == nil
}

// procDir is a process's directory in /proc.
type procDir string

func (p procDir) file(name string) string { return filepath.Join(string(p), name) }

// pid is the process's ID.
func (p procDir) pid() int {
	pid, _ := strconv.Atoi(filepath.Base(string(p))) // it is a number
	return pid
}

// parentPID is in /proc/PID/stat, behind the name in brackets and the state.
var parentPID = regexp.MustCompile(`\) . (\d+) `)

// parent is the process ID of a running process's parent; 0 if it doesn't run any more.
func (p procDir) parent() int {
	text, err := os.ReadFile(p.file("stat"))
	found := parentPID.FindSubmatch(text)
	if err != nil || found == nil || bytes.Contains(text, []byte(") Z ")) {
		return 0
	}
	parent, _ := strconv.Atoi(string(found[1])) // it is a number
	return parent
}

// pluginsOf returns the running plugins of a Vault server; none where there is no /proc to find them in.
func pluginsOf(vault int) (plugins []procDir) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, stat := range stats {
		p := procDir(filepath.Dir(stat))
		if p.parent() != vault {
			continue
		}
		// A process that Vault has just made is Vault itself for a moment. Only root may see what program it is, by /proc/PID/exe.
		arguments, _ := os.ReadFile(p.file("cmdline"))
		if program, _, _ := strings.Cut(string(arguments), "\x00"); strings.HasPrefix(filepath.Base(program), pluginName) {
			plugins = append(plugins, p)
		}
	}
	return plugins
}

// shows is what everybody who may look sees of the process: arguments; and, where the test is root's, environment and what its file
// descriptors lead to.
func (p procDir) shows() []byte {
	arguments, _ := os.ReadFile(p.file("cmdline"))
	environment, _ := os.ReadFile(p.file("environ"))
	files := []byte(strings.Join(p.openFiles(), "\n"))
	return slices.Concat(arguments, []byte("\n"), environment, []byte("\n"), files, []byte("\n"))
}

func (p procDir) openFiles() (files []string) {
	links, _ := filepath.Glob(p.file("fd/*"))
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil {
			files = append(files, file)
		}
	}
	return files
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)
var threadsLine = regexp.MustCompile(`(?m)^Threads:\s+(\d+)$`)

// status is a number of /proc/PID/status.
func (p procDir) status(line *regexp.Regexp) int {
	text, _ := os.ReadFile(p.file("status"))
	number := 0
	if found := line.FindSubmatch(text); found != nil {
		number, _ = strconv.Atoi(string(found[1]))
	}
	return number
}
