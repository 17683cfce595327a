package feed

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// v1Client is a client of WebSocket v1 with a token, without a connection. In what it sends and gets, TOKEN is the token,
// and O1, T1, … are the ids of orders and trades, in the order in which they came.
type v1Client struct {
	t     *testing.T
	feed  *Feed
	bench bench
	token string
	names map[string]string // by id
	count map[string]int    // by kind
}

func newV1Client(t *testing.T, f *Feed) *v1Client {
	return &v1Client{t, f, newBench(f, v1{}), f.NewToken(trader), make(map[string]string), make(map[string]int)}
}

// exchange sends a message, and checks all that comes for it.
func (c *v1Client) exchange(message string, want ...string) {
	c.t.Helper()
	c.compare(c.send(message), want)
}

// gets checks all that comes without a message.
func (c *v1Client) gets(want ...string) {
	c.t.Helper()
	c.compare(c.bench.sent(), want)
}

func (c *v1Client) send(message string) []string {
	message = strings.ReplaceAll(message, "TOKEN", c.token)
	for id, name := range c.names {
		message = strings.ReplaceAll(message, `"`+name+`"`, `"`+id+`"`)
	}
	return c.bench.receive([]byte(message))
}

func (c *v1Client) compare(got, want []string) {
	c.t.Helper()
	require.Len(c.t, got, len(want), "%s", got)
	for i := range want {
		assert.JSONEq(c.t, want[i], c.named(got[i]))
	}
}

var anyID = regexp.MustCompile(`[OT][A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}`)

func (c *v1Client) named(message string) string {
	message = strings.ReplaceAll(message, c.token, "TOKEN")
	return anyID.ReplaceAllStringFunc(message, func(id string) string {
		if id != paper.NoPosition && c.names[id] == "" {
			c.count[id[:1]]++
			c.names[id] = fmt.Sprint(id[:1], c.count[id[:1]])
		}
		if name := c.names[id]; name != "" {
			return name
		}
		return id
	})
}

// id is an id by its name.
func (c *v1Client) id(name string) string {
	for id, named := range c.names {
		if named == name {
			return id
		}
	}
	c.t.Fatalf("nobody has told of %s", name)
	return ""
}

// add places an order of 1 ETH, and returns its name. What fields has is added to the message.
func (c *v1Client) add(fields string) string {
	c.t.Helper()
	sent := c.send(v1Add(fields))
	require.NotEmpty(c.t, sent)
	require.Contains(c.t, sent[0], `"status":"ok"`)
	return c.names[anyID.FindString(c.identify(sent[0]))]
}

// identify names the ids of a message, and returns it as it came.
func (c *v1Client) identify(message string) string {
	c.named(message)
	return message
}

// open is how many open orders the account has.
func (c *v1Client) open() int { return len(openOrders(c.feed)) }

// v1Add is an addOrder of 1 ETH at 2000 dollars. What fields has takes the place of the fields before it.
func v1Add(fields string) string {
	return `{"event":"addOrder","token":"TOKEN","pair":"ETH/USD","type":"buy","ordertype":"limit","price":"2000","volume":"1"` +
		fields + `}`
}

const (
	subscribeOpenOrders = `{"event":"subscribe","subscription":{"name":"openOrders","token":"TOKEN"}}`
	subscribeOwnTrades  = `{"event":"subscribe","subscription":{"name":"ownTrades","token":"TOKEN"}}`
)
