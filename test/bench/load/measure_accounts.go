package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// manyAccounts is the plugin with 10,000 accounts, and oneAccount one beside it, each with a process of its own.
const (
	manyAccounts = "kraken-many"
	oneAccount   = "kraken-one"
)

// configWrites compares writes of accounts to the same writes to the KV engine, in batches, one after the other.
func configWrites(w *world) error {
	if err := w.mount(kvExternal, kvExternal); err != nil {
		return err
	}
	if err := w.mount(kraken, manyAccounts); err != nil {
		return err
	}
	count, batch := w.size(10_000, 200), w.size(250, 100)
	var ours, theirs []string
	var bodies [][]byte
	w.many = make([]account, count)
	for i := range w.many {
		w.many[i] = account{newKeyPair(), fmt.Sprintf("desk-%05d", i)}
		body, err := json.Marshal(w.many[i].config(w.near.RESTURL, "", true))
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
		ours = append(ours, w.many[i].path(manyAccounts, "config"))
		theirs = append(theirs, w.many[i].path(kvExternal, "config"))
		if err := w.near.addKeys(w.ctx, w.many[i].keyPair); err != nil {
			return err
		}
	}
	writes := func(name string, paths []string) contender {
		targets := w.vault.requests(http.MethodPut, bodies, paths...) // a batch goes on where the one before ended
		return contender{name, func() (sample, error) {
			return attack(w.ctx, w.client, 8, targets, limit{requests: uint64(batch)})
		}}
	}
	samples, err := interleave(count/batch, writes(kraken, ours), writes(kvExternal, theirs))
	if err != nil {
		return err
	}
	rates := func(name string) []float64 { return each(samples[name], sample.throughput) }
	w.results.set("writes", summarize(ratios(rates(kvExternal), rates(kraken))), "%.0f and %.0f writes/s",
		median(rates(kraken)), median(rates(kvExternal)))
	return nil
}

// needMany has the 10,000 accounts written.
func (w *world) needMany() error {
	if w.many != nil {
		return nil
	}
	return configWrites(w)
}

// tokenPaths are where the first so many of the 10,000 have their tokens.
func (w *world) tokenPaths(count int) (paths []string) {
	for _, account := range w.many[:min(count, len(w.many))] {
		paths = append(paths, account.path(manyAccounts, "ws-token"))
	}
	return paths
}

// askEach has every one of the 10,000 accounts asked for a token once: GET reads, PUT mints past the cache.
func (w *world) askEach(method string) error {
	all := w.tokenPaths(len(w.many))
	_, err := attack(w.ctx, w.client, 8, w.vault.requests(method, nil, all...), limit{requests: uint64(len(all))})
	return err
}

// accountsInUse compares a plugin with 10,000 accounts in use to one with one.
func accountsInUse(w *world) error {
	if err := w.needMany(); err != nil {
		return err
	}
	if err := w.mount(kraken, oneAccount); err != nil {
		return err
	}
	one, err := w.newAccount(oneAccount, "desk-00000", w.near.RESTURL, true)
	if err != nil {
		return err
	}
	if err := w.askEach(http.MethodGet); err != nil { // in use, with a token in the cache
		return err
	}
	until := w.span(200 * time.Millisecond)
	samples, err := interleave(w.rounds(25),
		w.readers(manyAccounts, 1, until, w.tokenPaths(len(w.many))...),
		w.readers(oneAccount, 1, until, one.path(oneAccount, "ws-token")))
	if err != nil {
		return err
	}
	p50 := func(name string) []float64 { return each(samples[name], sample.p50) }
	w.results.set("many-p50", summarize(ratios(p50(manyAccounts), p50(oneAccount))), "%s and %s",
		milliseconds(median(p50(manyAccounts))), milliseconds(median(p50(oneAccount))))

	resident, err := w.settledMemory(manyAccounts, oneAccount)
	if err != nil || resident == nil {
		w.results.missing("no /proc", "many-memory")
		return err
	}
	w.results.set("many-memory", summarize([]float64{resident[0] - resident[1]}), "%.1f and %.1f MiB", resident[0], resident[1])
	return nil
}

// growth compares reads with few keys in use at once to reads with many, of the same plugin.
func growth(w *world) error {
	if err := w.needMany(); err != nil {
		return err
	}
	// Twice, for the second token of a key that was stored unproved costs a storage write: the engine notes that Kraken has accepted the first. All rounds must be
	// over a minute later, when the ceilings of the nonces are used up.
	for range 2 {
		if err := w.askEach(http.MethodPut); err != nil {
			return err
		}
	}
	until := w.span(200 * time.Millisecond)
	counts := []int{1, 100, 10_000}
	var contenders []contender
	for _, count := range counts {
		mints := w.vault.requests(http.MethodPut, nil, w.tokenPaths(count)...) // past the cache
		contenders = append(contenders,
			w.readers(fmt.Sprintf("cached-%d", count), 1, until, w.tokenPaths(count)...),
			contender{fmt.Sprintf("minted-%d", count), func() (sample, error) { return attack(w.ctx, w.client, 1, mints, until) }})
	}
	samples, err := interleave(w.rounds(15), contenders...)
	if err != nil {
		return err
	}
	for _, how := range []string{"cached", "minted"} {
		p50 := func(count int) []float64 { return each(samples[fmt.Sprintf("%s-%d", how, count)], sample.p50) }
		for _, count := range counts[1:] {
			w.results.set(fmt.Sprintf("growth-%s-%d", how, count), summarize(ratios(p50(count), p50(1))), "p50 %s and %s",
				milliseconds(median(p50(count))), milliseconds(median(p50(1))))
		}
	}
	return nil
}
