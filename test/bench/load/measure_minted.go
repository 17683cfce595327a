package main

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	krakenapi "github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// What is compared to a minted read, beside the contenders of cachedReads.
const (
	bareCall  = "bare signed call"
	minted    = "minted"
	mintedFar = "minted, 40 ms away"
)

// mintedReads compares reads that mint a token to their parts, and takes along what the parts of a read's time are.
func mintedReads(w *world) error {
	names, err := w.cachedContenders()
	if err != nil {
		return err
	}
	if _, err := w.newAccount(kraken, minted, w.near.REST, false); err != nil {
		return err
	}
	if _, err := w.newAccount(kraken, "far", w.far.URL(), false); err != nil {
		return err
	}
	bare, err := w.newCaller(w.near, bareCall)
	if err != nil {
		return err
	}
	defer bare.close()
	until := w.span(300 * time.Millisecond)
	contenders := []contender{
		{bareCall, func() (sample, error) { return bare.repeat(until.time) }},
		w.readers(minted, 1, until, kraken+"/ws-token/"+minted),
		w.readers(mintedFar, 1, limit{requests: uint64(w.size(8, 2))}, kraken+"/ws-token/far"),
	}
	for _, name := range names {
		if name != kvExternal {
			contenders = append(contenders, w.readers(name, 1, until, name+"/ws-token"))
		}
	}
	samples, err := interleave(w.rounds(13), contenders...)
	if err != nil {
		return err
	}
	p50 := func(name string) []float64 { return each(samples[name], sample.p50) }
	parts := slices.Clone(p50(constant))
	for i, call := range p50(bareCall) {
		parts[i] += call
	}
	w.results.set("minted", summarize(ratios(p50(minted), parts)), "%s; constant plugin %s, call %s",
		milliseconds(median(p50(minted))), milliseconds(median(p50(constant))), milliseconds(median(p50(bareCall))))
	far := make([]float64, len(p50(mintedFar)))
	for i, took := range p50(mintedFar) {
		far[i] = took / roundTrip.Seconds()
	}
	w.results.set("minted-40", summarize(far), "%s", milliseconds(median(p50(mintedFar))))
	w.plots.times = map[string]float64{}
	for name := range samples {
		w.plots.times[name] = median(p50(name))
	}
	return nil
}

// caller calls Kraken itself, with a key of its own, as the engine does.
type caller struct {
	w         *world
	client    krakenapi.Client
	transport *krakenapi.Transport
	roots     *x509.CertPool
	nonce     uint64
}

func (w *world) newCaller(s *simulator, userAgent string) (*caller, error) {
	pair := newKeyPair()
	if err := s.addKeys(w.ctx, pair); err != nil {
		return nil, err
	}
	key, err := krakenapi.ParsePrivateKey(pair.APISecret)
	if err != nil {
		return nil, err
	}
	c := &caller{w: w, nonce: uint64(time.Now().UnixNano())}
	if s.caPEM != "" {
		if c.roots, err = krakenapi.ParseCertificates(s.caPEM); err != nil {
			return nil, err
		}
	}
	c.client = krakenapi.Client{BaseURL: s.REST, APIKey: pair.APIKey, PrivateKey: key, UserAgent: userAgent, Now: time.Now}
	c.connect()
	return c, nil
}

// connect has the next call make a new connection.
func (c *caller) connect() {
	c.close()
	c.transport = krakenapi.NewTransport(c.roots)
	c.client.Transport = c.transport
}

func (c *caller) close() {
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// call makes one call, and tells how long it took.
func (c *caller) call() (time.Duration, error) {
	c.nonce++
	began := time.Now()
	_, err := c.client.GetWebSocketsToken(c.w.ctx, c.nonce)
	if err != nil {
		return 0, fmt.Errorf("a call without Vault: %w", err)
	}
	return time.Since(began), nil
}

// repeat makes one call after the other.
func (c *caller) repeat(span time.Duration) (taken sample, err error) {
	began := time.Now()
	for time.Since(began) < span {
		took, err := c.call()
		if err != nil {
			return taken, err
		}
		taken.latencies = append(taken.latencies, took)
	}
	taken.elapsed = time.Since(began)
	slices.Sort(taken.latencies)
	return taken, nil
}
