package fault

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Listen has the connections that a listener takes go wrong on demand. It belongs under TLS, if there is any.
func Listen(listener net.Listener) net.Listener { return wireListener{listener} }

type wireListener struct{ net.Listener }

func (l wireListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn}, nil
}

// wire is a connection as it is on the wire. It can be swallowed: then it is both deaf and mute. It has none of a TCP
// connection's short cuts, such as ReadFrom, which would lead past that.
type wire struct {
	net.Conn
	deaf atomic.Bool // net/http reads nothing more from it until its end
	mute atomic.Bool // what net/http writes is lost
}

func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err := w.Conn.Read(p)
		if !w.deaf.Load() {
			return n, err
		}
		if err != nil {
			return 0, err
		}
	}
}

func (w *wire) Write(p []byte) (int, error) {
	if w.mute.Load() {
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// CloseWrite tells the client that nothing more will come.
func (w *wire) CloseWrite() error {
	if !w.mute.Load() {
		halfClose(w.Conn)
	}
	return nil
}

func halfClose(conn net.Conn) {
	if conn, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = conn.CloseWrite()
	}
}

// swallow takes what the client sends and says nothing, until the client closes the connection, net/http does, or it is
// released. Then the connection is closed.
func (w *wire) swallow(released <-chan struct{}) {
	w.deaf.Store(true)
	w.mute.Store(true)
	_ = w.Conn.SetDeadline(time.Time{}) // that net/http may have set
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, w.Conn) // whoever else reads, which is net/http, discards too
	}()
	select {
	case <-ended:
	case <-released:
	}
	hangUp(w.Conn, ended)
	<-ended
}

// reset closes the connection by a TCP reset, without TLS's farewell.
func (w *wire) reset() {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = w.Conn.Close()
}
