package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// process is a program and all that it starts, in a process group of their own.
type process struct {
	command    *exec.Cmd
	undertaker *exec.Cmd
	ended      chan struct{}
}

// startProcess starts a program that ends with this process at the latest, however that ends: a shell waits for the end
// of a pipe that this process holds, and kills the group then.
func startProcess(command *exec.Cmd) (*process, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal is for this process only
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{command: command, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(p.ended)
	}()
	p.undertaker = exec.Command("sh", "-c", `read -r _; kill -s KILL -- "-$0"`, strconv.Itoa(p.pid()))
	p.undertaker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, err := p.undertaker.StdinPipe()
	if err == nil {
		err = p.undertaker.Start()
	}
	if err != nil {
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
		<-p.ended
		return nil, fmt.Errorf("starting what ends %s: %w", command.Path, err)
	}
	return p, nil
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

// stop ends the program in good order, and what is left of its group at once.
func (p *process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
	}
	_ = p.undertaker.Process.Kill()
	_ = p.undertaker.Wait()
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	<-p.ended
}
