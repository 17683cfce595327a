package feed

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

const (
	maxFrame       = 64 << 10 // bytes of a message from a client; an order is a few hundred
	maxSockets     = 1000     // at once: fewer than the 1,024 open files that a process usually may have
	maxUnsent      = 4096     // messages waiting for a client to read; then it is cut off
	writeTimeout   = 10 * time.Second
	heartbeatEvery = time.Second
	maxTradesShown = 50 // in a snapshot, as in Kraken's
)

// protocol is a version of Kraken's WebSocket API. A protocol's methods are called with Feed.mu held; they answer
// by socket.send.
type protocol interface {
	// greet is called once, when the connection is there.
	greet(s *socket)
	// receive handles a message from the client, whatever its bytes.
	receive(s *socket, message []byte, now time.Time)
	// publish tells of a change to an account on a channel.
	publish(s *socket, channel string, sub *subscription, e paper.Event)
	// channels are the private ones, in the order in which they tell of a change.
	channels() []string
	heartbeat() []byte
}

// socket is a WebSocket connection.
type socket struct {
	feed          *Feed
	protocol      protocol
	subscriptions map[string]*subscription // by channel; Feed.mu guards it
	trading       *account                 // what the message at hand trades for; Feed.mu guards it
	unsent        chan []byte
	cut           context.CancelFunc
}

// privateChannel is a channel that takes a token.
type privateChannel struct {
	need    permission.Need
	options form // of a subscription
}

// subscription is a channel subscribed to. It keeps the token alive.
type subscription struct {
	session  *session
	token    string
	sequence int64 // of the last message

	rateCounter bool // it was asked for
	brief       bool // v2's executions only of how orders begin and end
}

// next numbers a message of the channel.
func (sub *subscription) next() int64 {
	sub.sequence++
	return sub.sequence
}

func newSocket(f *Feed, p protocol, cut context.CancelFunc) *socket {
	return &socket{
		feed:          f,
		protocol:      p,
		subscriptions: make(map[string]*subscription),
		unsent:        make(chan []byte, maxUnsent),
		cut:           cut,
	}
}

// acceptOptions lets browsers in from anywhere, as Kraken does: the token is what protects an account.
var acceptOptions = &websocket.AcceptOptions{InsecureSkipVerify: true}

// serve runs a WebSocket connection until either side closes it.
func (f *Feed) serve(w http.ResponseWriter, r *http.Request, p protocol) {
	// Not the request's context: that is net/http's, which gives the connection away.
	ctx, cut := context.WithCancel(context.Background())
	defer cut()
	s := newSocket(f, p, cut)
	if !f.open(s) {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	defer f.close(s)

	conn, err := websocket.Accept(w, r, acceptOptions)
	if err != nil {
		return // Accept has told the client
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxFrame)

	written := make(chan struct{})
	go func() {
		defer close(written)
		defer cut()
		s.write(ctx, conn)
	}()
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			break
		}
		s.receive(message)
	}
	cut()
	<-written
}

// receive handles a message from the client. What it changes is published after it is answered.
func (s *socket) receive(message []byte) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	s.protocol.receive(s, message, time.Now())
	if s.trading != nil {
		s.feed.publish(s.trading)
		s.trading = nil
	}
}

// write sends what the protocol wants sent, and heartbeats while there is a subscription.
func (s *socket) write(ctx context.Context, conn *websocket.Conn) {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for {
		var message []byte
		select {
		case <-ctx.Done():
			return
		case message = <-s.unsent:
		case <-ticker.C:
			if !s.subscribed() {
				continue
			}
			message = s.protocol.heartbeat()
		}
		timeout, cancel := context.WithTimeout(ctx, writeTimeout)
		err := conn.Write(timeout, websocket.MessageText, message)
		cancel()
		if err != nil {
			return
		}
	}
}

// send queues a message to the client. One that doesn't read is cut off, not waited for.
func (s *socket) send(message any) {
	select {
	case s.unsent <- encode(message):
	default:
		s.cut()
	}
}

func (s *socket) subscribed() bool {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return len(s.subscriptions) > 0
}

// What Kraken refuses over WebSocket, in its words.
const (
	invalidSession    paper.Refusal = "ESession:Invalid session"
	noMarketData      paper.Refusal = "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com"
	alreadySubscribed paper.Refusal = "Already subscribed"
	notSubscribed     paper.Refusal = "Subscription Not Found"
	unsupported       paper.Refusal = "Unsupported event" // a method, an event or a channel that it doesn't have
)

// authorize finds what a token stands for, if that may do what it is needed for. The error is a [paper.Refusal]. The
// caller holds Feed.mu.
func (s *socket) authorize(token string, need permission.Need, now time.Time) (*session, error) {
	session := s.feed.session(token, now)
	switch {
	case session == nil:
		return nil, invalidSession
	case !need.MetBy(session.Permissions):
		return nil, paper.PermissionDenied
	}
	return session, nil
}

// subscribe opens a private channel with a token. The error is a [paper.Refusal]. The caller holds Feed.mu.
func (s *socket) subscribe(channel, token string, need permission.Need, now time.Time) (*subscription, error) {
	session, err := s.authorize(token, need, now)
	if err != nil {
		return nil, err
	}
	if s.subscriptions[channel] != nil {
		return nil, alreadySubscribed
	}
	session.open++
	sub := &subscription{session: session, token: token}
	s.subscriptions[channel] = sub
	return sub, nil
}

// unsubscribe closes a private channel. The error is a [paper.Refusal]. The caller holds Feed.mu.
func (s *socket) unsubscribe(channel, token string, now time.Time) error {
	sub := s.subscriptions[channel]
	switch {
	case token != "" && s.feed.session(token, now) == nil:
		return invalidSession
	case sub == nil:
		return notSubscribed
	}
	sub.session.open--
	delete(s.subscriptions, channel)
	return nil
}

// accountFor returns the account of a token that meets a need. The error is a [paper.Refusal]. What then changes is published
// once the message at hand is answered. The caller holds Feed.mu.
func (s *socket) accountFor(token string, need permission.Need, now time.Time) (*paper.Account, error) {
	session, err := s.authorize(token, need, now)
	if err != nil {
		return nil, err
	}
	s.trading = s.feed.account(session.APIKey)
	return s.trading.Account, nil
}

// open counts a socket in, and greets the client; false if there are too many, or the server is closing.
func (f *Feed) open(s *socket) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.sockets) >= maxSockets {
		return false
	}
	f.sockets[s] = struct{}{}
	s.protocol.greet(s)
	return true
}

// close ends a socket's subscriptions.
func (f *Feed) close(s *socket) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for channel, sub := range s.subscriptions {
		sub.session.open--
		delete(s.subscriptions, channel)
	}
	delete(f.sockets, s)
}
