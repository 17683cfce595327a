package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// newClient returns a client that keeps up to connections to one server alive, and takes no proxy. caPEM is who certifies
// it; "": the system.
func newClient(caPEM string, connections int) (*http.Client, error) {
	transport := &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}
	if caPEM != "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(caPEM)) {
			return nil, errors.New("no certificates in what the simulator has written")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}, nil
}

// limit is when an attack ends: after a time, or a number of requests.
type limit struct {
	time     time.Duration
	requests uint64
}

// Pace is vegeta.Pacer's: the next request goes out as soon as a worker is free, which is a closed loop.
func (l limit) Pace(elapsed time.Duration, sent uint64) (wait time.Duration, stop bool) {
	return 0, l.time > 0 && elapsed >= l.time || l.requests > 0 && sent >= l.requests
}

// Rate is vegeta.Pacer's.
func (l limit) Rate(time.Duration) float64 { return 0 }

// attack has workers send requests one after the other, each as soon as it has the answer to the one before. A request
// that fails is an error: what is measured is answers.
func attack(ctx context.Context, client *http.Client, workers int, targets vegeta.Targeter, until limit) (sample, error) {
	attacker := vegeta.NewAttacker(vegeta.Client(client), vegeta.Workers(uint64(workers)), vegeta.MaxWorkers(uint64(workers)))
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()
	var taken sample
	var began, ended time.Time
	var failed error
	for result := range attacker.Attack(targets, until, 0, "") {
		if result.Error != "" {
			failed = fmt.Errorf("%s %s: %s %s", result.Method, result.URL, result.Error, result.Body)
			continue
		}
		taken.latencies = append(taken.latencies, result.Latency)
		if began.IsZero() || result.Timestamp.Before(began) {
			began = result.Timestamp
		}
		if end := result.End(); end.After(ended) {
			ended = end
		}
	}
	taken.elapsed = ended.Sub(began)
	if len(taken.latencies) == 0 && failed == nil {
		failed = errors.New("no request was made")
	}
	slices.Sort(taken.latencies)
	return taken, errors.Join(failed, ctx.Err())
}

// reads returns requests for the paths, in turn; it goes on where it was the last time.
func (v *vault) reads(paths ...string) vegeta.Targeter {
	return v.requests(http.MethodGet, nil, paths...)
}

// requests returns requests for the paths, in turn; bodies are as many, or nil.
func (v *vault) requests(method string, bodies [][]byte, paths ...string) vegeta.Targeter {
	targets := make([]vegeta.Target, len(paths))
	for i, path := range paths {
		targets[i] = vegeta.Target{Method: method, URL: v.Address + "/v1/" + path, Header: http.Header{"X-Vault-Token": {v.Token}}}
		if bodies != nil {
			targets[i].Body = bodies[i]
		}
	}
	return vegeta.NewStaticTargeter(targets...)
}
