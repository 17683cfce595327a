package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// herd compares a thousand readers at once of an account without a token to as many of the floor. All have a connection
// to Vault beforehand.
func herd(w *world) error {
	for _, name := range []string{kraken, floor} {
		if err := w.mount(name, name); err != nil {
			return err
		}
	}
	clients := make([]*http.Client, w.size(1000, 50))
	for i := range clients {
		var err error
		if clients[i], err = newClient("", 1); err != nil {
			return err
		}
		defer clients[i].CloseIdleConnections()
		if _, err := w.read(clients[i], floor+"/ws-token"); err != nil {
			return err
		}
	}
	var calls []float64
	ours := contender{kraken, func() (sample, error) {
		cold, err := w.newAccount(kraken, fmt.Sprintf("herd-%d", len(calls)), w.near.RESTURL, true)
		if err != nil {
			return sample{}, err
		}
		if err := w.near.forgetCalls(w.ctx); err != nil {
			return sample{}, err
		}
		taken, err := w.atOnce(clients, cold.path(kraken, "ws-token"))
		if err != nil {
			return sample{}, err
		}
		made, err := w.near.calls(w.ctx, cold.APIKey)
		calls = append(calls, float64(made))
		return taken, err
	}}
	theirs := contender{floor, func() (sample, error) { return w.atOnce(clients, floor+"/ws-token") }}
	samples, err := interleave(w.rounds(21), ours, theirs)
	if err != nil {
		return err
	}
	w.results.set("herd-calls", summarize([]float64{slices.Max(calls)}), "the most of %d herds", len(calls))
	p99 := func(name string) []float64 { return each(samples[name], sample.p99) }
	w.results.set("herd-p99", summarize(ratios(p99(kraken), p99(floor))), "%s and %s; of each herd's p99",
		milliseconds(median(p99(kraken))), milliseconds(median(p99(floor))))
	return nil
}

// atOnce has each client read the path once, all at the same time.
func (w *world) atOnce(clients []*http.Client, path string) (sample, error) {
	latencies, errs := make([]time.Duration, len(clients)), make([]error, len(clients))
	start := make(chan struct{})
	var group sync.WaitGroup
	for i, client := range clients {
		group.Go(func() {
			<-start
			latencies[i], errs[i] = w.read(client, path)
		})
	}
	began := time.Now()
	close(start)
	group.Wait()
	slices.Sort(latencies)
	return sample{latencies: latencies, elapsed: time.Since(began)}, errors.Join(errs...)
}
