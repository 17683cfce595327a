package feed

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var trader = Holder{APIKey: "trader", Permissions: permission.Default(), MaxRateCount: 180, RateDecay: 3.75}

// service is a feed on a listener of its own.
type service struct {
	*Feed
	v1, v2 string // URLs
}

func serve(t *testing.T) service {
	f := New()
	mux := http.NewServeMux()
	mux.HandleFunc("/v1", f.ServeV1)
	mux.HandleFunc("/v2", f.ServeV2)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(f.Close)
	url := strings.Replace(server.URL, "http", "ws", 1)
	return service{f, url + "/v1", url + "/v2"}
}

// bench drives a protocol without a connection: what goes in is what would come from the client.
type bench struct {
	socket *socket
}

func newBench(f *Feed, p protocol) bench {
	s := newSocket(f, p, func() {})
	f.open(s)
	b := bench{s}
	b.sent()
	return b
}

// receive gives the protocol a message and returns what it sends.
func (b bench) receive(message []byte) []string {
	b.socket.receive(message)
	return b.sent()
}

func (b bench) sent() []string {
	var sent []string
	for {
		select {
		case message := <-b.socket.unsent:
			sent = append(sent, string(message))
		default:
			return sent
		}
	}
}

// with has do look at the trader's account, or change it beside the connections, as REST does.
func with(f *Feed, do func(*paper.Account)) {
	_ = f.WithAccount(trader.APIKey, func(account *paper.Account) error { do(account); return nil })
}

// openOrders are the trader's.
func openOrders(f *Feed) (orders []paper.Order) {
	with(f, func(account *paper.Account) { orders = account.Open() })
	return orders
}

// trades are the trader's.
func trades(f *Feed) (made []paper.Trade) {
	with(f, func(account *paper.Account) { made = account.Trades() })
	return made
}
