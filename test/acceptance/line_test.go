package acceptance

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// line is the network between the plugin and Kraken, which can be cut and mended.
type line struct {
	url     string // of Kraken, by way of the line
	address string // where the line begins
	kraken  string // where it ends

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
}

func newLine(t *testing.T, kraken string) *line {
	t.Helper()
	l := &line{address: "127.0.0.1:0", kraken: kraken, open: map[net.Conn]bool{}}
	require.NoError(t, l.mend())
	l.address = l.listener.Addr().String()
	l.url = "https://" + l.address
	t.Cleanup(l.cut)
	return l
}

// mend lets connections through.
func (l *line) mend() error {
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // cut
			}
			go l.carry(conn)
		}
	}()
	return nil
}

// cut breaks all connections, and refuses new ones.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.listener.Close()
	for conn := range l.open {
		_ = conn.Close()
	}
}

// carry connects one connection with Kraken, until either end closes it.
func (l *line) carry(conn net.Conn) {
	kraken, err := net.Dial("tcp", l.kraken)
	if err != nil {
		_ = conn.Close()
		return
	}
	l.mu.Lock()
	l.open[conn], l.open[kraken] = true, true
	l.mu.Unlock()
	copied := make(chan struct{}, 2)
	for from, to := range map[net.Conn]net.Conn{conn: kraken, kraken: conn} {
		go func() {
			_, _ = io.Copy(to, from)
			copied <- struct{}{}
		}()
	}
	<-copied
	_ = conn.Close()
	_ = kraken.Close()
	<-copied
	l.mu.Lock()
	delete(l.open, conn)
	delete(l.open, kraken)
	l.mu.Unlock()
}
