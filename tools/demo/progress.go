//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	terminalInterval = time.Second      // between two states of the line that is rewritten
	plainInterval    = 30 * time.Second // between two lines, where that can't be
	lockInterval     = 200 * time.Millisecond
)

// progress shows how far a build is. Its methods may be called by several goroutines.
type progress struct {
	writer   io.Writer
	terminal bool
	what     string // is built
	started  time.Time
	stop     chan struct{}
	stopped  chan struct{}

	mu        sync.Mutex // guards what follows
	downloads int        // of modules, so far
	done, all int        // packages; all is 0 until that is known
}

// newProgress shows the state at once, and then again at intervals until end.
func newProgress(writer io.Writer, terminal bool, what string) *progress {
	p := &progress{
		writer: writer, terminal: terminal, what: what, started: time.Now(),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go p.run()
	return p
}

func (p *progress) run() {
	defer close(p.stopped)
	interval := plainInterval
	if p.terminal {
		interval = terminalInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		p.show()
		select {
		case <-ticker.C:
		case <-p.stop:
			p.show()
			if p.terminal {
				fmt.Fprintln(p.writer)
			}
			return
		}
	}
}

func (p *progress) show() {
	if p.terminal {
		fmt.Fprintf(p.writer, "\r%s\x1b[K", p)
	} else {
		fmt.Fprintln(p.writer, p)
	}
}

func (p *progress) end() {
	close(p.stop)
	<-p.stopped
}

func (p *progress) downloaded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.downloads++
}

// begin says how many packages there are, and how many of them are done.
func (p *progress) begin(done, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.all = done, all
}

func (p *progress) built() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}

func (p *progress) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := time.Since(p.started).Round(time.Second)
	switch {
	case p.all == 0 && p.downloads == 0:
		return fmt.Sprintf("%s: looking at its packages, %s", p.what, took)
	case p.all == 0:
		return fmt.Sprintf("%s: %d modules downloaded, %s", p.what, p.downloads, took)
	case p.done >= p.all:
		return fmt.Sprintf("%s: all %d packages compiled, linking, %s", p.what, p.all, took)
	default:
		return fmt.Sprintf("%s: %d of %d packages compiled, %s", p.what, p.done, p.all, took)
	}
}

// sleep returns false if ctx ends first.
func sleep(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}
