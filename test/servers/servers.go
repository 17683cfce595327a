//go:build unix

// Package servers starts the programs that tests, benchmarks and the demo talk to, Vault servers and simulated Krakens,
// and the vault commands that go to them.
package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
)

const (
	// patience bounds the wait until a server can be used. It is only reached by one that never will, however busy the
	// machine is.
	patience    = 90 * time.Second
	stopTimeout = 10 * time.Second
	logTail     = 4000 // bytes of its log that tell why a server doesn't start
)

// Start starts a server, appends what it prints to logFile, and returns when ready finds nothing amiss: the server can be
// used. A server that has ended by then, or isn't ready within 90 s or before ctx ends, is an error with the end of its
// log, and is stopped.
func Start(ctx context.Context, command *exec.Cmd, logFile string, ready func() error) (*subprocess.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	process, err := subprocess.Start(command)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	tooLate := time.After(patience)
	for {
		err := ready()
		if process.HasEnded() {
			err = errors.Join(errors.New("it has ended"), process.Wait(0))
		} else if err == nil {
			return process, nil
		} else {
			select {
			case <-tick.C:
				continue
			case <-tooLate:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		_ = process.Terminate(stopTimeout)
		text, _ := os.ReadFile(logFile)
		return nil, fmt.Errorf("%s doesn't start: %w\n%s", command.Path, err, text[max(0, len(text)-logTail):])
	}
}

// onFreePort starts a server that is to listen on a port that was free a moment ago; again, if somebody else has taken it.
func onFreePort[S any](start func() (S, error)) (server S, err error) {
	for range 10 {
		if server, err = start(); err == nil || !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return server, err
}
