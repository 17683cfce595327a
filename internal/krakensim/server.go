package krakensim

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/ca"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/fault"
)

// Options say how to serve an exchange. The zero Options are a good choice for a test.
type Options struct {
	Addr string // host:port to listen on; "" is 127.0.0.1:0, any free port
	TLS  bool   // serve https and wss
	CA   *ca.CA // with TLS, whom the server has its certificate from; nil is one of its own
	Keys []Key  // that the exchange knows from the start

	Lockout Lockout // of who is refused again and again

	// ServerName, if set, is the only name in the certificate, to see clients refuse a wrong one. Otherwise it is
	// valid for localhost, the loopback addresses, the host of Addr, and Kraken's own names, to which a proxy may lead.
	ServerName string

	// Control, if set, makes what serves the paths below [Server.ControlURL], beside Kraken. Use control.Handler, which
	// this package can't know. It needs no credentials.
	Control func(*Server) http.Handler
}

// A Server is an exchange on a listener of its own.
type Server struct {
	*Exchange
	tls    bool
	host   string // host:port as clients write it
	ca     *ca.CA // nil without TLS
	server *http.Server
	served chan struct{} // closed when the listener is

	mu      sync.Mutex // guards conns and closed
	conns   map[net.Conn]http.ConnState
	closed  bool
	pending sync.WaitGroup // handlers, and connections that net/http has
}

// Start serves a new exchange. The caller has to call [Server.Close].
//
// The client chooses between HTTP/1.1 and HTTP/2: over TLS by ALPN, in the clear by prior knowledge (RFC 9113, section
// 3.3). WebSockets are on HTTP/1.1 anyway.
func Start(options Options) (*Server, error) {
	for _, key := range options.Keys {
		if err := key.Validate(); err != nil {
			return nil, err
		}
	}
	if err := options.Lockout.Validate(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cmp.Or(options.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	s := &Server{
		Exchange: New(options.Keys...),
		tls:      options.TLS,
		host:     reachable(listener.Addr()),
		served:   make(chan struct{}),
		conns:    make(map[net.Conn]http.ConnState),
	}
	s.SetLockout(options.Lockout)
	var handler http.Handler = s.Exchange
	if options.Control != nil {
		handler = withControl(options.Control(s), handler)
	}
	s.server = &http.Server{
		Handler:           s.counted(handler),
		ReadHeaderTimeout: answerTimeout,
		IdleTimeout:       2 * time.Minute, // outlasts Go's clients' own, 90 s: it isn't closed just as a request comes
		ConnState:         s.connState,
		ErrorLog:          log.New(io.Discard, "", 0), // a client that doesn't trust the CA is none of our errors
		Protocols:         new(http.Protocols),
		ConnContext:       fault.WithConn,
	}
	s.server.Protocols.SetHTTP1(true)
	s.server.Protocols.SetHTTP2(true)
	s.server.Protocols.SetUnencryptedHTTP2(true)
	serve := s.server.Serve
	if options.TLS {
		names := []string{"localhost", "127.0.0.1", "::1", "api.kraken.com", "ws-auth.kraken.com"}
		if host, _, _ := net.SplitHostPort(s.host); !slices.Contains(names, host) {
			names = append(names, host)
		}
		if options.ServerName != "" {
			names = []string{options.ServerName}
		}
		if s.ca = options.CA; s.ca == nil {
			s.ca, err = ca.New()
		}
		if err == nil {
			s.server.TLSConfig, err = s.ca.ServerConfig(names)
		}
		if err != nil {
			_ = listener.Close()
			return nil, err
		}
		serve = func(listener net.Listener) error { return s.server.ServeTLS(listener, "", "") }
	}
	go func() {
		defer close(s.served)
		_ = serve(fault.Listen(listener)) // until Close
	}()
	return s, nil
}

// reachable is the listener's host:port; where it listens on all addresses, the loopback one.
func reachable(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (s *Server) url(scheme, path string) string {
	if s.tls {
		scheme += "s"
	}
	return fmt.Sprintf("%s://%s%s", scheme, s.host, path)
}

// RESTURL is the base of the REST API, in the place of https://api.kraken.com.
func (s *Server) RESTURL() string { return s.url("http", "") }

// WebSocketURL is where WebSocket v1 is, in the place of wss://ws-auth.kraken.com.
func (s *Server) WebSocketURL() string { return s.url("ws", "") }

// WebSocketV2URL is where WebSocket v2 is, in the place of wss://ws-auth.kraken.com/v2.
func (s *Server) WebSocketV2URL() string { return s.url("ws", "/v2") }

const controlPath = "/sim"

// ControlURL is the base of what [Options.Control] serves: package control says what there is.
func (s *Server) ControlURL() string { return s.url("http", controlPath+"/") }

// CACertPEM is the certificate, in PEM, of the CA that the server's own is from; "" without TLS.
func (s *Server) CACertPEM() string {
	if s.ca == nil {
		return ""
	}
	return s.ca.CertificatePEM()
}

// CloseConnections closes all connections that are kept alive and idle, as the CDN in front of Kraken does now and
// then. WebSockets stay.
func (s *Server) CloseConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, state := range s.conns {
		if state == http.StateIdle {
			_ = conn.Close()
		}
	}
}

// Close stops the server, cuts all connections off and waits until nothing of it is left running.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.server.Close()
	<-s.served
	s.feed.Close()
	s.pending.Wait()
}

// counted lets Close wait for handlers, which http.Server.Close doesn't, and connState for connections: net/http goes
// on for half a second with one that it has closed before it had read all.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.pending.Add(1)
		s.mu.Unlock()
		defer s.pending.Done()
		next.ServeHTTP(w, r)
	})
}

func (s *Server) connState(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, conn)
		s.pending.Done()
		return
	case http.StateNew: // net/http tells so before the listener's end, and so before Close waits
		s.pending.Add(1)
	}
	s.conns[conn] = state
}

// withControl puts the control paths in front of the exchange.
func withControl(control, exchange http.Handler) http.Handler {
	control = http.StripPrefix(controlPath, control)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, controlPath+"/") {
			control.ServeHTTP(w, r)
			return
		}
		exchange.ServeHTTP(w, r)
	})
}
