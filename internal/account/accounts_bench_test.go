package account

import (
	"context"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

// manyAccounts is as many as the benchmarks have at most.
const manyAccounts = 10_000

// tokenMill is a Kraken that costs next to nothing, and keeps nothing.
type tokenMill struct{ made atomic.Uint64 }

func (m *tokenMill) RoundTrip(request *http.Request) (*http.Response, error) {
	body := fmt.Sprintf(`{"error":[],"result":{"token":"WS/%040d","expires":900}}`, m.made.Add(1))
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: request,
	}, nil
}

// herd is a mount with many accounts, each with a key pair of its own.
type herd struct {
	*Accounts
	storage logical.Storage
}

func newHerd(storage logical.Storage) *herd {
	return &herd{storage: storage, Accounts: New(Options{Transport: func(*x509.CertPool) http.RoundTripper { return new(tokenMill) }})}
}

func herdName(i int) string { return fmt.Sprintf("desk-%05d", i) }

// write writes an account's config as Vault gives it: each text is one of its own.
func (h *herd) write(b *testing.B, i int, given fields) {
	digest := sha512.Sum512([]byte(herdName(i)))
	text, err := json.Marshal(pair(krakensim.Key{APIKey: base64.StdEncoding.EncodeToString(digest[:42]), APISecret: base64.StdEncoding.EncodeToString(digest[:])}, unproved, given))
	if err != nil {
		b.Fatal(err)
	}
	raw := fields{}
	if err := json.Unmarshal(text, &raw); err != nil {
		b.Fatal(err)
	}
	change, err := ParseChange(raw)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := h.Write(context.Background(), h.storage, herdName(i), change); err != nil {
		b.Fatal(err)
	}
}

func (h *herd) read(b *testing.B, i int) {
	if _, err := h.Token(context.Background(), h.storage, herdName(i)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAccountMemory is what an account holds that was configured, or loaded, and read once.
func BenchmarkAccountMemory(b *testing.B) {
	server, err := krakensim.Start(krakensim.Options{TLS: true})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	for _, bundle := range []string{"", server.CACertPEM()} {
		for _, loaded := range []bool{false, true} {
			b.Run(fmt.Sprintf("ca_cert=%t/loaded=%t", bundle != "", loaded), func(b *testing.B) {
				for b.Loop() {
					h := newHerd(&logical.InmemStorage{})
					for i := range manyAccounts {
						h.write(b, i, fields{FieldCacheTTL: "14m", FieldCACert: bundle})
					}
					if loaded {
						h.Close()
						h = newHerd(h.storage)
					}
					for i := range manyAccounts {
						h.read(b, i)
					}
					storage, with := h.storage, liveHeap()
					h.Close()
					h = nil
					b.ReportMetric(float64(with-liveHeap())/manyAccounts, "B/account")
					runtime.KeepAlive(storage)
				}
			})
		}
	}
}

// liveHeap is how many bytes are in use.
func liveHeap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkReadsByKeys is a read where so many keys are in use at once.
func BenchmarkReadsByKeys(b *testing.B) {
	for _, ttl := range []string{"14m", "0"} {
		for _, keys := range []int{1, 100, manyAccounts} {
			b.Run(fmt.Sprintf("cache_ttl=%s/keys=%d", ttl, keys), func(b *testing.B) {
				h := newHerd(&logical.InmemStorage{})
				defer h.Close()
				for i := range keys {
					h.write(b, i, fields{FieldCacheTTL: ttl})
					h.read(b, i)
				}
				var next atomic.Uint64
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						h.read(b, int(next.Add(1)*7919)%keys)
					}
				})
			})
		}
	}
}

// BenchmarkConfigWrites is the first write of an account's config, in a mount that has many.
func BenchmarkConfigWrites(b *testing.B) {
	h := newHerd(&logical.InmemStorage{})
	defer h.Close()
	var next atomic.Uint64
	b.ReportAllocs()
	b.SetParallelism(8 / min(8, runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.write(b, int(next.Add(1)), nil)
		}
	})
}
