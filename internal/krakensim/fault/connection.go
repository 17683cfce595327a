package fault

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// ending is how a request ends that gets no answer.
type ending int

const (
	dropped  ending = iota // the connection is closed
	goneAway               // the same, after a GOAWAY over HTTP/2
	reset                  // the stream, or over HTTP/1.1 the connection, is reset
)

// errReset is what a client gets to see of a TCP reset.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// connKey is under which a request's context has its connection.
type connKey struct{}

// WithConn is for [http.Server.ConnContext]. Without it an [Answer] can't end a connection but by closing it.
func WithConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// abort ends a request without an answer. It panics with [http.ErrAbortHandler], which net/http takes as the order to
// close the connection, or over HTTP/2 to reset the stream.
func (e ending) abort(r *http.Request) {
	defer panic(http.ErrAbortHandler)
	conn, _ := r.Context().Value(connKey{}).(net.Conn) // nil if served by somebody else's server
	encrypted, _ := conn.(*tls.Conn)
	http2 := r.ProtoMajor == 2 && encrypted != nil
	switch {
	case http2 && e == goneAway:
		// Past net/http, which may just be writing for another request. Then the client gets half a frame, but the
		// connection is at its end anyway.
		_, _ = conn.Write(goAwayFrame())
		hangUp(r.Context(), encrypted)
	case http2 && e == dropped:
		hangUp(r.Context(), encrypted)
	case !http2 && e == reset:
		resetTCP(conn)
	}
}

// hangUp closes a connection, but gives the client a moment to do so first: to close it with bytes of the client's
// unread would be a TCP reset.
func hangUp(ctx context.Context, conn *tls.Conn) {
	_ = conn.CloseWrite()
	select {
	case <-ctx.Done(): // the client has
	case <-time.After(time.Second):
	}
	_ = conn.Close()
}

// goAwayFrame is an HTTP/2 frame (RFC 9113, section 6.8) that ends a connection with an error. It doesn't tell which
// requests were processed.
func goAwayFrame() []byte {
	const typeGoAway, internalError, lastStream = 0x7, 0x2, 1<<31 - 1
	frame := []byte{0, 0, 8, typeGoAway, 0, 0, 0, 0, 0} // length, type, flags, stream 0
	frame = binary.BigEndian.AppendUint32(frame, lastStream)
	return binary.BigEndian.AppendUint32(frame, internalError)
}

// resetTCP closes the TCP connection under conn by a reset, without TLS's farewell.
func resetTCP(conn net.Conn) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
}
