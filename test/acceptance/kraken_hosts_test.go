package acceptance

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// krakenHosts are the names that a proxy of startProxy leads to the simulator.
var krakenHosts = []string{"api.kraken.com:443", "ws-auth.kraken.com:443"}

// startProxy starts a proxy that leads who asks for Kraken to the simulator, so that documents' commands can be run as they stand, without
// api_url. It refuses to lead anywhere else. What goes through it is TLS, from end to end.
func startProxy(t *testing.T, krakenURL string) (proxyURL string) {
	t.Helper()
	simulator, err := url.Parse(krakenURL)
	require.NoError(t, err)
	var relays sync.WaitGroup
	ended := make(chan struct{})
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || !slices.Contains(krakenHosts, r.Host) {
			http.Error(w, "only to Kraken", http.StatusForbidden)
			return
		}
		kraken, err := net.Dial("tcp", simulator.Host)
		if err != nil {
			http.Error(w, "Kraken can't be reached", http.StatusBadGateway)
			return
		}
		defer kraken.Close()
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			return
		}
		relays.Add(1)
		defer relays.Done()
		done := make(chan struct{}, 2)
		for from, to := range map[net.Conn]net.Conn{client: kraken, kraken: client} {
			relays.Go(func() {
				_, _ = io.Copy(to, from)
				done <- struct{}{}
			})
		}
		select { // the first end ends both ways
		case <-done:
		case <-ended:
		}
	}))
	t.Cleanup(func() {
		proxy.Close() // it doesn't wait for connections that were taken over
		close(ended)
		relays.Wait()
	})
	return proxy.URL
}
