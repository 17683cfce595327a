// Package line is a network between a client and a server, which can be cut, slow and lossy.
package line

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Line is the network between a client and a server: a TCP proxy whose address stays the same whatever happens to
// it. It can be cut and mended, it can swallow what it carries, be slow, and tell how much has passed. All its methods
// may be called concurrently.
type Line struct {
	url    url.URL // of the server, by way of the line
	server string  // where the line ends, host:port
	ctx    context.Context
	stop   context.CancelFunc // ends ctx

	mu       sync.Mutex // guards what follows
	listener net.Listener
	broken   bool // by Cut
	closed   bool
	links    map[*link]struct{}
	latency  time.Duration
	traffic  Traffic

	running sync.WaitGroup
}

// Traffic is what has passed a [Line].
type Traffic struct {
	Connections int64 // made
	Up, Down    Flow  // from clients to the server, and back
}

// Flow is what has passed in one direction. A piece is what arrived at once: on a quiet line, what an end wrote at
// once, such as an HTTP/2 frame.
type Flow struct{ Bytes, Pieces int64 }

// Since is what has passed after earlier.
func (t Traffic) Since(earlier Traffic) Traffic {
	return Traffic{t.Connections - earlier.Connections, t.Up.since(earlier.Up), t.Down.since(earlier.Down)}
}

func (f Flow) since(earlier Flow) Flow {
	return Flow{f.Bytes - earlier.Bytes, f.Pieces - earlier.Pieces}
}

// New lays a line to the server at a URL such as http://127.0.0.1:8080, which has to name a port. The caller has to call
// [Line.Close].
func New(serverURL string) (*Line, error) {
	server, err := url.Parse(serverURL)
	if err != nil {
		return nil, err
	}
	if server.Port() == "" {
		return nil, fmt.Errorf("line: %q isn't a URL with a port", serverURL)
	}
	l := &Line{url: *server, server: server.Host, broken: true, links: make(map[*link]struct{})}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.url.Host = "127.0.0.1:0"
	if err := l.Mend(); err != nil {
		l.stop()
		return nil, err
	}
	l.url.Host = l.listener.Addr().String()
	return l, nil
}

// URL is the server's, by way of the line.
func (l *Line) URL() string { return l.url.String() }

// Cut breaks all connections, and refuses new ones until [Line.Mend].
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut()
}

// cut is Cut. The caller holds l.mu.
func (l *Line) cut() {
	if l.broken {
		return
	}
	l.broken = true
	_ = l.listener.Close()
	for k := range l.links {
		k.end(k.swallowed.Load())
	}
}

// Mend lets new connections through after [Line.Cut]. It fails if somebody else has taken the line's port, and after
// [Line.Close].
func (l *Line) Mend() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	if !l.broken {
		return nil
	}
	listener, err := net.Listen("tcp", l.url.Host)
	if err != nil {
		return err
	}
	l.listener, l.broken = listener, false
	l.running.Go(func() { l.accept(listener) })
	return nil
}

// Swallow is a middlebox that loses its state: the connections that are open now stay open, but nothing passes them
// any more, neither bytes nor their end. New connections work.
//
// On Linux, what an end sends isn't acknowledged either, so that its TCP_USER_TIMEOUT can run out. Elsewhere the
// kernel acknowledges it in the line's name.
func (l *Line) Swallow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.links {
		k.swallow()
	}
}

// SetLatency makes every byte that arrives from now on, and the end of a connection, take so long to pass, each way. On
// a connection that is made from now on, nothing sets out before a round trip is over, which TCP's handshake takes on a
// real network. (Here the client's kernel has the connection at once; but it learns nothing from that.)
func (l *Line) SetLatency(latency time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency = latency
}

// Traffic is what has passed so far.
func (l *Line) Traffic() Traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.traffic
}

// Close breaks all connections for good, and waits until nothing of the line is left running.
func (l *Line) Close() {
	l.mu.Lock()
	l.closed = true
	l.cut()
	l.mu.Unlock()
	l.stop()
	l.running.Wait()
}

// accept takes connections until the listener is closed.
func (l *Line) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.connect(listener, client.(*net.TCPConn)) })
	}
}

// connect connects a client with the server, until either end closes the connection or the line is cut.
func (l *Line) connect(listener net.Listener, client *net.TCPConn) {
	accepted := time.Now()
	server, err := new(net.Dialer).DialContext(l.ctx, "tcp", l.server)
	if err != nil {
		_ = client.Close()
		return
	}
	k := &link{client: client, server: server.(*net.TCPConn), ended: make(chan struct{})}
	defer l.remove(k)
	if !l.add(k, listener, accepted) {
		k.end(false)
		return
	}
	var directions sync.WaitGroup
	directions.Go(func() { l.carry(k, k.client, k.server, &l.traffic.Up) })
	directions.Go(func() { l.carry(k, k.server, k.client, &l.traffic.Down) })
	directions.Wait()
	<-k.ended // later, if it was swallowed
}

// add counts a link in; false if the line was cut since the listener took it.
func (l *Line) add(k *link, listener net.Listener, accepted time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken || l.listener != listener {
		return false
	}
	l.links[k] = struct{}{}
	l.traffic.Connections++
	k.ready = accepted.Add(2 * l.latency)
	return true
}

func (l *Line) remove(k *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.links, k)
}

// piece is what arrived at once, or how the connection ended.
type piece struct {
	bytes []byte
	err   error
	due   time.Time
}

// timerError is by how much one of Go's timers may be late.
const timerError = 2 * time.Millisecond

// carry takes one direction's bytes along until it ends, and then ends the link, unless that is swallowed.
func (l *Line) carry(k *link, from, to *net.TCPConn, flow *Flow) {
	underWay := make(chan piece, 64)
	l.running.Go(func() { l.receive(k, from, underWay) })
	for p := range underWay {
		select {
		case <-time.After(time.Until(p.due) - timerError):
		case <-k.ended:
			return
		}
		nap(time.Until(p.due))
		switch {
		case k.swallowed.Load():
		case p.err != nil:
			k.end(errors.Is(p.err, syscall.ECONNRESET))
		default:
			l.mu.Lock() // count first, so that who has received it finds it counted
			flow.Bytes += int64(len(p.bytes))
			flow.Pieces++
			l.mu.Unlock()
			_, _ = to.Write(p.bytes) // if it fails, the other direction ends too
		}
	}
}

// receive passes on what arrives at a connection, until it ends.
func (l *Line) receive(k *link, from *net.TCPConn, underWay chan<- piece) {
	defer close(underWay)
	for {
		buffer := make([]byte, 16<<10)
		n, err := from.Read(buffer)
		sent := time.Now()
		if sent.Before(k.ready) {
			sent = k.ready
		}
		l.mu.Lock()
		due := sent.Add(l.latency)
		l.mu.Unlock()
		select {
		case underWay <- piece{buffer[:n], err, due}: // from a TCP connection, bytes or an error
		case <-k.ended:
			return
		}
		if err != nil {
			return
		}
	}
}

// link is one connection by way of a line.
type link struct {
	client, server *net.TCPConn
	ready          time.Time // when TCP's handshake is over
	swallowed      atomic.Bool
	ending         sync.Once
	ended          chan struct{}
}

// swallow lets nothing pass any more. The ends don't learn of it.
func (k *link) swallow() {
	k.swallowed.Store(true)
	deafen(k.client)
	deafen(k.server)
}

// end closes both connections, by a TCP reset if wanted.
func (k *link) end(reset bool) {
	k.ending.Do(func() {
		for _, conn := range []*net.TCPConn{k.client, k.server} {
			if reset {
				_ = conn.SetLinger(0)
			}
			_ = conn.Close()
		}
		close(k.ended)
	})
}
