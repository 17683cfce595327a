//go:build unix

// Package subprocess runs the programs that tests and benchmarks need, and leaves none behind.
package subprocess

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Process is a program and all that it starts, in a process group of their own. Its methods are for one goroutine at a time.
type Process struct {
	command    *exec.Cmd
	undertaker *exec.Cmd // nil: it isn't needed any more
	ended      chan struct{}
	err        error // of the program; there once it has ended
}

// Start starts a program that ends with this process at the latest, however that ends: a shell waits for the end of a
// pipe that this process holds, and kills the group then.
func Start(command *exec.Cmd) (*Process, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal isn't for it
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Process{command: command, ended: make(chan struct{})}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	p.undertaker = exec.Command("sh", "-c", `read -r _; kill -s KILL -- "-$0"`, strconv.Itoa(p.PID()))
	p.undertaker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, err := p.undertaker.StdinPipe()
	if err == nil {
		err = p.undertaker.Start()
	}
	if err != nil {
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		<-p.ended
		return nil, fmt.Errorf("starting what ends %s: %w", command.Path, err)
	}
	return p, nil
}

// Run runs a program until it ends, or until ctx does: then it gets what a Ctrl-C sends, and is killed if that is no use.
// Nothing that it has started is left.
func Run(ctx context.Context, command *exec.Cmd) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := Start(command)
	if err != nil {
		return err
	}
	defer p.Kill()
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		_ = p.Interrupt(interruptTimeout)
		return ctx.Err()
	}
}

// interruptTimeout is how long a program may take to tidy up: a compiler ends within the second.
const interruptTimeout = 10 * time.Second

// PID is the program's process ID, and its group's.
func (p *Process) PID() int { return p.command.Process.Pid }

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// HasEnded tells whether the program has.
func (p *Process) HasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Wait waits until the program has ended, and returns how it did.
func (p *Process) Wait(timeout time.Duration) error {
	select {
	case <-p.ended:
		return p.err
	case <-time.After(timeout):
		return fmt.Errorf("%s doesn't end within %s", p.command, timeout)
	}
}

// Terminate asks the program to end, and then kills what is left of its group. The error says if the program didn't end well, or not in time.
func (p *Process) Terminate(timeout time.Duration) error {
	defer p.Kill()
	_ = p.command.Process.Signal(syscall.SIGTERM)
	return p.Wait(timeout)
}

// Interrupt sends the program, and what it has started in its group, what a Ctrl-C does, and then kills what is left. The
// error says if the program didn't end well, or not in time.
func (p *Process) Interrupt(timeout time.Duration) error {
	defer p.Kill()
	_ = syscall.Kill(-p.PID(), syscall.SIGINT)
	return p.Wait(timeout)
}

// KillAlone kills the program, but not what it has started, and returns when it is gone.
func (p *Process) KillAlone() error {
	if err := p.command.Process.Kill(); err != nil {
		return err
	}
	<-p.ended
	return nil
}

// Kill kills the group, and returns when the program is gone. It may be called again.
func (p *Process) Kill() {
	if p.undertaker == nil {
		return
	}
	_ = p.undertaker.Process.Kill()
	_ = p.undertaker.Wait()
	p.undertaker = nil
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.ended
}

// FreeAddress is an address of this host, host:port, that nobody listens at. Somebody may by the time that it is used.
func FreeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
