package account

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// This file has the small Kraken of the model test.

// modelPairs are the key pairs; their private keys are examples.
var modelPairs = []struct{ key, secret string }{
	{"FIRST", "Zmlyc3QgcHJpdmF0ZSBrZXkgb2YgdGhlIG1vZGVs"},
	{"SECOND", "c2Vjb25kIHByaXZhdGUga2V5IG9mIHRoZSBtb2RlbA=="},
}

// modelKey is what the small Kraken knows of an API key.
type modelKey struct {
	nonce       uint64 // the highest seen
	sent        uint64 // the highest sent
	count       float64
	steps       int64 // of its decay, taken
	lockedUntil time.Time
	unstored    bool                 // it was used before it was stored: such nonces are forgotten
	flying      map[string]time.Time // requests under way, by where they go: when they began
}

// modelDecayStep is how often Kraken's counter decays.
const modelDecayStep = 2 * time.Second

// modelTransport carries requests to the small Kraken.
type modelTransport struct{ world *world }

func (m *modelTransport) CloseIdleConnections() {}

func (m *modelTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := m.world
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	nonce, _ := strconv.ParseUint(form.Get("nonce"), 10, 64)
	apiKey := r.Header.Get("API-Key")
	use := apiKey + "@https://" + r.URL.Host
	w.checkUse("a call was made", use)
	w.mu.Lock()
	key := w.keys[apiKey]
	for other, began := range key.flying {
		if other == use || time.Since(began) < time.Second {
			w.broken = append(w.broken, fmt.Sprintf("a request to %s beside one to %s", use, other))
		}
		w.foreign = true // they may overtake each other
	}
	key.flying[use] = time.Now()
	if record, _ := w.storage.InmemStorage.Get(context.Background(), keyStorage+keeper.ID(apiKey)); record == nil {
		key.unstored = true
		w.foreign = w.foreign || w.behind > 0
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(key.flying, use)
	}()
	if key.sent >= nonce && !w.foreign {
		w.mu.Unlock()
		w.breaks("nonce %d was sent after %d", nonce, key.sent)
		w.mu.Lock()
	}
	key.sent = max(key.sent, nonce)
	trouble := func(what string) bool { return time.Now().Before(w.troubles[what]) }
	refuse, slow, hang := trouble("refuse"), trouble("slow"), trouble("hang")
	lose, busy := trouble("lose answers"), trouble("busy")
	w.mu.Unlock()

	if refuse {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	half := 20 * time.Millisecond
	if slow {
		half = time.Second
	}
	if err := pause(r.Context(), half); err != nil {
		return nil, err
	}
	if hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	answer := `{"error":["EService:Busy"]}`
	if !busy {
		answer = w.answer(key, apiKey, use, nonce, r.Header.Get("API-Sign"), r.URL.Path, form.Get("nonce"), body)
	}
	if err := pause(r.Context(), half); err != nil {
		return nil, err
	}
	if lose {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func pause(ctx context.Context, pause time.Duration) error {
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer is Kraken's, in its order: lockout, signature, nonce, counter.
func (w *world) answer(key *modelKey, apiKey, use string, nonce uint64, signature, path, nonceText string, body []byte) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	refuse := func(message string) string { return `{"error":["` + message + `"]}` }
	private, _ := kraken.ParsePrivateKey(w.secret(apiKey))
	steps := now.UnixNano() / int64(modelDecayStep)
	key.count = max(0, key.count-0.33*modelDecayStep.Seconds()*float64(steps-key.steps))
	key.steps = steps
	switch {
	case now.Before(key.lockedUntil):
		w.asked = true
		return refuse("EGeneral:Temporary lockout")
	case signature != private.Sign(path, nonceText, body):
		return refuse("EAPI:Invalid signature")
	case nonce <= key.nonce:
		if key.count++; !w.foreign {
			w.broken = append(w.broken, fmt.Sprintf("Kraken refused nonce %d after %d", nonce, key.nonce))
		}
		return refuse("EAPI:Invalid nonce")
	}
	key.nonce = nonce
	if key.count+1 > 15 {
		w.asked = true
		w.broken = append(w.broken, fmt.Sprintf("%s Kraken's counter was exceeded for %s", now.Format("15:04:05.000"), apiKey))
		return refuse("EAPI:Rate limit exceeded")
	}
	key.count++
	if strings.HasSuffix(path, methodKeyInfo) {
		return `{"error":[],"result":{"api_key_name":"model"}}`
	}
	text, _ := json.Marshal(use + "#" + nonceText)
	return `{"error":[],"result":{"token":` + string(text) + `,"expires":900}}`
}
