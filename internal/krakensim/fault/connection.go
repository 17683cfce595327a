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
	dropped   ending = iota // the connection is closed
	goneAway                // the same, after a GOAWAY over HTTP/2
	reset                   // the stream, or over HTTP/1.1 the connection, is reset
	swallowed               // the connection stays open and silent
)

// errReset is what a client gets to see of a TCP reset.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// connKey is under which a request's context has its connection.
type connKey struct{}

// WithConn is for [http.Server.ConnContext]. Without it, and without [Listen], an [Answer] can't end a connection but by
// closing it.
func WithConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// connOf is the connection that a request came over: as net/http has it, perhaps encrypted, and what is on the wire. Both
// are nil on a server without [Listen] and [WithConn].
func connOf(r *http.Request) (net.Conn, *wire) {
	switch conn := r.Context().Value(connKey{}).(type) {
	case *tls.Conn:
		if w, ok := conn.NetConn().(*wire); ok {
			return conn, w
		}
	case *wire:
		return conn, conn
	}
	return nil, nil
}

// abort ends a request without an answer. It panics with [http.ErrAbortHandler], which net/http takes as the order to
// close the connection, or over HTTP/2 to reset the stream.
func (a Answer) abort(r *http.Request) {
	defer panic(http.ErrAbortHandler)
	conn, wire := connOf(r)
	http2 := r.ProtoMajor == 2
	switch {
	case a.ending == swallowed && wire == nil:
		_ = a.waitRelease(r.Context())
	case a.ending == swallowed:
		wire.swallow(a.released)
	case wire == nil:
	case http2 && a.ending == goneAway:
		// Past net/http, which may just be writing for another request. Then the client gets half a frame, but the
		// connection is at its end anyway. Net/http doesn't get to read the client's acknowledgment of settings that it
		// hasn't sent: it would answer by a GOAWAY of its own.
		wire.deaf.Store(true)
		_, _ = conn.Write(goAway())
		hangUp(conn, r.Context().Done())
	case http2 && a.ending == dropped:
		hangUp(conn, r.Context().Done())
	case !http2 && a.ending == reset:
		wire.reset()
	}
}

// farewell is how long a client has to close a connection first.
const farewell = time.Second

// hangUp closes a connection, but gives the client, of whom gone tells, a moment to do so first: to close it with bytes of
// the client's unread would be a TCP reset.
func hangUp(conn net.Conn, gone <-chan struct{}) {
	halfClose(conn)
	select {
	case <-gone:
	case <-time.After(farewell):
	}
	_ = conn.Close()
}

// goAway is the HTTP/2 frame (RFC 9113, section 6.8) that ends a connection with an error. It doesn't tell which requests
// were processed. Before it comes a frame of no settings, since settings have to come first on a connection, and net/http
// may not have sent its own yet.
func goAway() []byte {
	const typeSettings, typeGoAway, internalError, lastStream = 0x4, 0x7, 0x2, 1<<31 - 1
	frames := []byte{
		0, 0, 0, typeSettings, 0, 0, 0, 0, 0, // length, type, flags, stream 0
		0, 0, 8, typeGoAway, 0, 0, 0, 0, 0,
	}
	frames = binary.BigEndian.AppendUint32(frames, lastStream)
	return binary.BigEndian.AppendUint32(frames, internalError)
}
