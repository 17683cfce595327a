package krakensim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/fault"
)

const (
	maxFrame       = 64 << 10 // bytes of a message from a client; an order is a few hundred
	maxSockets     = 1000     // at once
	maxUnsent      = 4096     // messages waiting for a client to read; then it is cut off
	writeTimeout   = 10 * time.Second
	heartbeatEvery = time.Second
)

// protocol is a version of Kraken's WebSocket API. A protocol's methods are called with Exchange.mu held; they answer
// by socket.send.
type protocol interface {
	// greet is called once, when the connection is there.
	greet(s *socket)
	// receive handles a message from the client, whatever its bytes.
	receive(s *socket, message []byte, now time.Time)
	// publish tells of a change to an order on a channel.
	publish(s *socket, channel string, sub *subscription, e event)
	heartbeat() []byte
}

// socket is a WebSocket connection.
type socket struct {
	exchange      *Exchange
	protocol      protocol
	subscriptions map[string]*subscription // by channel; Exchange.mu guards it
	unsent        chan []byte
	cut           context.CancelFunc
}

// subscription is a channel subscribed to. It keeps the token alive.
type subscription struct {
	session  *session
	token    string
	sequence int64 // of the last message
}

// next numbers a message of the channel.
func (sub *subscription) next() int64 {
	sub.sequence++
	return sub.sequence
}

func newSocket(x *Exchange, p protocol, cut context.CancelFunc) *socket {
	return &socket{
		exchange:      x,
		protocol:      p,
		subscriptions: make(map[string]*subscription),
		unsent:        make(chan []byte, maxUnsent),
		cut:           cut,
	}
}

// serveSocket runs a WebSocket connection until either side closes it.
func (x *Exchange) serveSocket(w http.ResponseWriter, r *http.Request, p protocol) {
	// Not the request's context: that is net/http's, which gives the connection away.
	ctx, cut := context.WithCancel(context.Background())
	defer cut()
	s := newSocket(x, p, cut)
	if !x.open(s) {
		fault.Page(http.StatusServiceUnavailable).Write(w, r)
		return
	}
	defer x.close(s)

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
		x.mu.Lock()
		p.receive(s, message, time.Now())
		x.mu.Unlock()
	}
	cut()
	<-written
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
	s.exchange.mu.Lock()
	defer s.exchange.mu.Unlock()
	return len(s.subscriptions) > 0
}

// Kraken's words for what it refuses over WebSocket.
const (
	invalidSession    = "ESession:Invalid session"
	permissionDenied  = "EGeneral:Permission denied"
	alreadySubscribed = "Already subscribed"
	notSubscribed     = "Subscription Not Found"
)

// subscribe opens a private channel with a token, or returns Kraken's refusal. The caller holds Exchange.mu.
func (s *socket) subscribe(channel, token, permission string, now time.Time) (_ *subscription, refusal string) {
	session := s.exchange.session(token, now)
	switch {
	case session == nil:
		return nil, invalidSession
	case !session.may(permission):
		return nil, permissionDenied
	case s.subscriptions[channel] != nil:
		return nil, alreadySubscribed
	}
	session.open++
	sub := &subscription{session: session, token: token}
	s.subscriptions[channel] = sub
	return sub, ""
}

// unsubscribe closes a private channel, or returns Kraken's refusal. The caller holds Exchange.mu.
func (s *socket) unsubscribe(channel, token string, now time.Time) (refusal string) {
	sub := s.subscriptions[channel]
	switch {
	case token != "" && s.exchange.session(token, now) == nil:
		return invalidSession
	case sub == nil:
		return notSubscribed
	}
	sub.session.open--
	delete(s.subscriptions, channel)
	return ""
}

// open counts a socket in, and greets the client; false if there are too many, or the server is closing.
func (x *Exchange) open(s *socket) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closing || len(x.sockets) >= maxSockets {
		return false
	}
	x.sockets[s] = struct{}{}
	s.protocol.greet(s)
	return true
}

// close ends a socket's subscriptions.
func (x *Exchange) close(s *socket) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for channel, sub := range s.subscriptions {
		sub.session.open--
		delete(s.subscriptions, channel)
	}
	delete(x.sockets, s)
}

// DropSockets cuts all WebSocket connections off without a word, as a network that breaks does. Clients may come again.
func (x *Exchange) DropSockets() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for s := range x.sockets {
		s.cut()
	}
}

// Subscribed returns the tokens of the subscriptions to a channel that are open, in no order.
func (x *Exchange) Subscribed(channel string) (tokens []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for s := range x.sockets {
		if sub := s.subscriptions[channel]; sub != nil {
			tokens = append(tokens, sub.token)
		}
	}
	return tokens
}

// closeSockets cuts all WebSocket connections off, and lets no new ones in.
func (x *Exchange) closeSockets() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closing = true
	for s := range x.sockets {
		s.cut()
	}
}

// newConnectionID is an unsigned 64-bit number, as Kraken's are.
func newConnectionID() uint64 { return rand.Uint64() }

// maxRateCounts are what a subscription's answer says of the tier's trading limit.
var maxRateCounts = map[Tier]int{TierStarter: 60, TierIntermediate: 125, TierPro: 180}

func (s *session) maxRateCount() int {
	if count, ok := maxRateCounts[s.tier]; ok {
		return count
	}
	return maxRateCounts[TierPro]
}
