package feed

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestTokensExpireUnlessASubscriptionStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		kept, unused := f.NewToken(trader), f.NewToken(trader)
		holder := newBench(f, v2{})
		wiretest.Matches(t, `{"success":true}`, holder.receive(fmt.Appendf(nil, v2Executions, kept))[0])

		time.Sleep(TokenLife)
		wiretest.Matches(t, `{"success":false,"error":"ESession:Invalid session"}`,
			newBench(f, v2{}).receive(fmt.Appendf(nil, v2Executions, unused))[0])
		other := newBench(f, v1{})
		wiretest.Matches(t, `{"status":"subscribed"}`, other.receive(fmt.Appendf(nil, v1OpenOrders, kept))[0])

		f.close(holder.socket)
		wiretest.Matches(t, `{"status":"subscribed"}`, newBench(f, v1{}).receive(fmt.Appendf(nil, v1OpenOrders, kept))[0])
		for s := range f.sockets {
			f.close(s)
		}
		wiretest.Matches(t, `{"status":"error","errorMessage":"ESession:Invalid session"}`,
			newBench(f, v1{}).receive(fmt.Appendf(nil, v1OpenOrders, kept))[0])
	})
}

func TestATokenWithoutSubscriptionsAnyMoreExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		token := f.NewToken(trader)
		b := newBench(f, v2{})
		b.receive(fmt.Appendf(nil, v2Executions, token))
		unsubscribe := `{"method":"unsubscribe","params":{"channel":"executions","token":"` + token + `"}}`
		wiretest.Matches(t, `{"success":true}`, b.receive([]byte(unsubscribe))[0])
		time.Sleep(TokenLife)
		wiretest.Matches(t, `{"error":"ESession:Invalid session"}`, b.receive(fmt.Appendf(nil, v2Executions, token))[0])
	})
}

func TestAFreshTokenLastsFifteenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		token := f.NewToken(trader)
		time.Sleep(TokenLife - time.Nanosecond)
		wiretest.Matches(t, `{"success":true}`, newBench(f, v2{}).receive(fmt.Appendf(nil, v2Executions, token))[0])
	})
}

func TestExpireTokensKillsThemAll(t *testing.T) {
	f := New()
	token := f.NewToken(trader)
	b := newBench(f, v2{})
	b.receive(fmt.Appendf(nil, v2Executions, token))
	f.ExpireTokens()
	wiretest.Matches(t, `{"error":"ESession:Invalid session"}`,
		newBench(f, v2{}).receive(fmt.Appendf(nil, v2Executions, token))[0])
	assert.Len(t, b.socket.subscriptions, 1, "what is open stays open")
}

func TestExpiredTokensAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		for range 1000 {
			f.NewToken(trader)
		}
		time.Sleep(TokenLife)
		for range 1000 {
			f.NewToken(trader)
		}
		assert.LessOrEqual(t, len(f.sessions), 1024)
	})
}

func TestAKeysPermissionsGoForItsTokens(t *testing.T) {
	f := New()
	token := f.NewToken(Holder{APIKey: trader.APIKey, Permissions: []string{permission.WebSockets}})
	b2, b1 := newBench(f, v2{}), newBench(f, v1{})
	denied := `{"error":"EGeneral:Permission denied","success":false}`
	wiretest.Matches(t, denied, b2.receive(fmt.Appendf(nil, v2Executions, token))[0])
	wiretest.Matches(t, denied, b2.receive([]byte(`{"method":"cancel_all","params":{"token":"` + token + `"}}`))[0])
	denied = `{"errorMessage":"EGeneral:Permission denied","status":"error"}`
	wiretest.Matches(t, denied, b1.receive(fmt.Appendf(nil, v1OpenOrders, token))[0])
	wiretest.Matches(t, denied, b1.receive([]byte(`{"event":"cancelOrder","token":"` + token + `"}`))[0])
}

func TestTokensAreBoundedButForThoseInUse(t *testing.T) {
	f := New()
	c := newV1Client(t, f)
	c.send(subscribeOpenOrders)
	for range maxTokens + 10 {
		f.NewToken(trader)
	}
	assert.Len(t, f.sessions, maxTokens)
	assert.Contains(t, f.sessions, c.token)
}
