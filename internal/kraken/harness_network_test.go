package kraken

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// noHTTP2 is an http.Server's TLSNextProto.
var noHTTP2 = map[string]func(*http.Server, *tls.Conn, http.Handler){}

// network is a network in memory, for a bubble of testing/synctest, with one server at https://kraken.test. It counts what
// goes over it, and its connections can die as behind a middlebox that has forgotten them.
type network struct {
	dials  atomic.Int64
	bytes  atomic.Int64 // in both directions
	open   atomic.Int64 // connections, at the client's end
	accept chan net.Conn
	closed chan struct{}
	age    atomic.Int64 // connections of a lower age are dead
	hang   atomic.Bool  // no new ones come about
	flight atomic.Int64 // how long what is sent is under way, in either direction, in nanoseconds
	mu     sync.Mutex
	far    []net.Conn // the server's ends
}

// startNetwork serves by a handler over HTTP/2, or over HTTP/1.1.
func startNetwork(t *testing.T, isHTTP2 bool, handler http.HandlerFunc) (*network, *Client) {
	t.Helper()
	n, client, certificate := newNetwork(t)
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	if !isHTTP2 {
		server.TLSNextProto = noHTTP2
	}
	go func() { _ = server.ServeTLS(n, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return n, client
}

// newNetwork is a network whose server is the caller's: the network is its listener.
func newNetwork(t *testing.T) (*network, *Client, tls.Certificate) {
	t.Helper()
	t.Cleanup(func() { time.Sleep(time.Minute) }) // the last one: a bubble's time ends with its test
	n := &network{accept: make(chan net.Conn), closed: make(chan struct{})}
	certificate, roots := newCertificate(t, nil)
	transport := NewTransport(roots)
	transport.http1.DialContext = n.dial
	return n, testClient(t, "https://kraken.test", transport), certificate
}

// swallow has all connections that exist go dead.
func (n *network) swallow() { n.age.Store(n.dials.Load()) }

// roundTrip has all that is sent from now on take half of that to arrive.
func (n *network) roundTrip(takes time.Duration) { n.flight.Store(int64(takes / 2)) }

// hangUp closes all connections at the server's end. The client learns of it as late as of all else.
func (n *network) hangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, connection := range n.far {
		_ = connection.Close()
	}
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	age := n.dials.Add(1)
	if n.hang.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(2 * time.Duration(n.flight.Load())) // TCP's handshake
	one, other := net.Pipe()
	near, far := buffer(one, &n.flight), buffer(other, &n.flight)
	select {
	case n.accept <- far:
		n.open.Add(1)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.far = append(n.far, far)
		return &wire{near, n, age, sync.OnceFunc(func() { n.open.Add(-1) })}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case connection := <-n.accept:
		return connection, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error   { close(n.closed); return nil }
func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

// buffered is an end of a net.Pipe that takes what is written before the other end reads it, as sockets do.
type buffered struct {
	net.Conn
	flight *atomic.Int64 // the network's
	queue  chan piece
	closed chan struct{}
	close  func()
}

// piece is what was written at once, and when it arrives. nil: the end.
type piece struct {
	bytes []byte
	due   time.Time
}

func buffer(connection net.Conn, flight *atomic.Int64) *buffered {
	b := &buffered{Conn: connection, flight: flight, queue: make(chan piece, 1000), closed: make(chan struct{})}
	b.close = sync.OnceFunc(func() {
		_ = connection.SetReadDeadline(time.Now())
		_ = connection.SetWriteDeadline(time.Now().Add(time.Second)) // for what is still in the queue
		b.send(nil)
		close(b.closed)
	})
	go func() {
		defer connection.Close()
		for p := range b.queue {
			time.Sleep(time.Until(p.due))
			if p.bytes == nil {
				return
			}
			_, _ = connection.Write(p.bytes)
		}
	}()
	return b
}

func (b *buffered) send(p []byte) { // it has room
	b.queue <- piece{p, time.Now().Add(time.Duration(b.flight.Load()))}
}

func (b *buffered) Close() error                     { b.close(); return nil }
func (b *buffered) SetDeadline(at time.Time) error   { return b.SetReadDeadline(at) }
func (b *buffered) SetWriteDeadline(time.Time) error { return nil }

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case <-b.closed:
		return 0, net.ErrClosed
	default:
		b.send(bytes.Clone(p))
		return len(p), nil
	}
}

// wire is the client's end of a connection.
type wire struct {
	net.Conn
	network *network
	age     int64
	closed  func()
}

func (w *wire) Close() error {
	w.closed()
	return w.Conn.Close()
}

func (w *wire) dead() bool { return w.age <= w.network.age.Load() }

func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err := w.Conn.Read(p)
		w.network.bytes.Add(int64(n))
		if err != nil || !w.dead() {
			return n, err
		}
	}
}

func (w *wire) Write(p []byte) (int, error) {
	w.network.bytes.Add(int64(len(p)))
	if w.dead() {
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// frames is a connection at the server's end, to be answered by hand. It is safe for concurrent use.
type frames struct {
	mu     sync.Mutex
	framer *http2.Framer
}

func (f *frames) write(write func(*http2.Framer) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = write(f.framer)
}

// answer gives the good answer to a request of which the frame is the last, after a time, and answers a ping at once.
func (f *frames) answer(frame http2.Frame, wait time.Duration) {
	switch frame := frame.(type) {
	case *http2.PingFrame:
		f.write(func(framer *http2.Framer) error { return framer.WritePing(true, frame.Data) })
	case *http2.DataFrame:
		stream := frame.StreamID
		time.AfterFunc(wait, func() {
			f.write(func(framer *http2.Framer) error {
				ok := http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x88}, EndHeaders: true} // status 200
				return errors.Join(framer.WriteHeaders(ok), framer.WriteData(stream, true, []byte(goodAnswer)))
			})
		})
	}
}

// serveFrames serves a network by HTTP/2 frames made by hand. serve is called with all frames but settings.
func serveFrames(t *testing.T, n *network, certificate tls.Certificate, settings []http2.Setting, serve func(*frames, http2.Frame)) {
	t.Helper()
	serveOne := func(connection net.Conn) {
		defer connection.Close()
		if _, err := io.ReadFull(connection, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		f := &frames{framer: http2.NewFramer(connection, connection)}
		f.write(func(framer *http2.Framer) error { return framer.WriteSettings(settings...) })
		for frame, err := f.framer.ReadFrame(); err == nil; frame, err = f.framer.ReadFrame() {
			if _, ok := frame.(*http2.SettingsFrame); !ok {
				serve(f, frame)
			}
		}
	}
	go func() {
		for connection, err := n.Accept(); err == nil; connection, err = n.Accept() {
			go serveOne(tls.Server(connection, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}))
		}
	}()
	t.Cleanup(func() { _ = n.Close() })
}

// line is a TCP proxy whose connections can die: they stay, and swallow what is sent.
type line struct {
	net.Listener
	target string
	age    atomic.Int64 // connections of a lower age are dead
	count  atomic.Int64 // of connections so far
}

func startLine(t *testing.T, target string, isProxy bool) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &line{Listener: listener, target: target}
	var running sync.WaitGroup
	running.Go(func() {
		for near, err := listener.Accept(); err == nil; near, err = listener.Accept() {
			if isProxy { // HTTP's CONNECT
				_, _ = http.ReadRequest(bufio.NewReader(near))
				_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				_ = near.Close()
				return
			}
			age := l.count.Add(1)
			running.Go(func() { l.pump(far, near, age) })
			running.Go(func() { l.pump(near, far, age) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait() // for the client and the server to close
	})
	return l
}

func (l *line) pump(to, from net.Conn, age int64) {
	defer to.Close()
	for buffer := make([]byte, 32<<10); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if age > l.age.Load() {
			_, _ = to.Write(buffer[:n])
		}
	}
}
