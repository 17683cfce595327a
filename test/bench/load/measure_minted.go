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
	bareFar   = "bare signed call, 40 ms away"
	minted    = "minted"
	mintedFar = "minted, 40 ms away"
	leastNear = "the least plugin that calls"
	leastFar  = "the least plugin that calls, 40 ms away"
)

// mintedReads compares reads that mint a token to their parts, and takes along what the parts of a read's time are.
func mintedReads(w *world) error {
	names, err := w.cachedContenders()
	if err != nil {
		return err
	}
	if err := w.mount(callerOnly, callerOnly); err != nil {
		return err
	}
	for _, mount := range []string{kraken, callerOnly} {
		for name, url := range map[string]string{"near": w.near.RESTURL, "far": w.far.URL()} {
			if _, err := w.newAccount(mount, name, url, false); err != nil {
				return err
			}
		}
	}
	bare, err := w.newCaller(w.near, w.near.RESTURL)
	if err != nil {
		return err
	}
	defer bare.close()
	far, err := w.newCaller(w.nearTLS, w.far.URL())
	if err != nil {
		return err
	}
	defer far.close()
	until := w.span(150 * time.Millisecond)
	few := limit{requests: uint64(w.size(5, 2))}
	contenders := []contender{
		{bareCall, func() (sample, error) { return bare.repeat(until) }},
		{bareFar, func() (sample, error) { return far.repeat(few) }},
		w.readers(minted, 1, until, kraken+"/ws-token/near"),
		w.readers(mintedFar, 1, few, kraken+"/ws-token/far"),
		w.readers(leastNear, 1, until, callerOnly+"/ws-token/near"),
		w.readers(leastFar, 1, few, callerOnly+"/ws-token/far"),
	}
	for _, name := range names {
		if name != kvExternal {
			contenders = append(contenders, w.readers(name, 1, until, name+"/ws-token"))
		}
	}
	samples, err := interleave(w.rounds(25), contenders...)
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
	overRoundTrip := p50(mintedFar)
	for i := range overRoundTrip {
		overRoundTrip[i] /= roundTrip.Seconds()
	}
	w.results.set("minted-40", summarize(overRoundTrip), "%s; a bare signed call %s",
		milliseconds(median(p50(mintedFar))), milliseconds(median(p50(bareFar))))
	for id, pair := range map[string][2]string{"minted-least": {minted, leastNear}, "minted-40-least": {mintedFar, leastFar}} {
		ours, theirs := p50(pair[0]), p50(pair[1])
		w.results.set(id, summarize(ratios(ours, theirs)), "%s and %s", milliseconds(median(ours)), milliseconds(median(theirs)))
	}
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

// newCaller's calls go to url, which is the simulator's or a line's to it.
func (w *world) newCaller(s *simulator, url string) (*caller, error) {
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
	c.client = krakenapi.Client{BaseURL: url, APIKey: pair.APIKey, PrivateKey: key, UserAgent: "bench", Now: time.Now}
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
func (c *caller) repeat(until limit) (taken sample, err error) {
	for began := time.Now(); ; {
		taken.elapsed = time.Since(began)
		if _, stop := until.Pace(taken.elapsed, uint64(len(taken.latencies))); stop {
			break
		}
		took, err := c.call()
		if err != nil {
			return taken, err
		}
		taken.latencies = append(taken.latencies, took)
	}
	slices.Sort(taken.latencies)
	return taken, nil
}
