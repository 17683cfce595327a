package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// exampleProgram compares the program that Kraken publishes for getting a token to curl doing the same by way of Vault,
// whole processes both.
func exampleProgram(w *world) error {
	for _, program := range []string{"python3", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			w.results.missing("no "+program, "seed")
			return nil
		}
	}
	if err := w.mount(kraken, kraken); err != nil {
		return err
	}
	if _, err := w.newAccount(kraken, "curl", w.far.URL(), false); err != nil {
		return err
	}
	file, err := w.fillInExample()
	if err != nil {
		return err
	}
	// The token goes by standard input, where curl takes its options from; so it isn't seen among the processes.
	options := fmt.Sprintf("url = %q\nheader = \"X-Vault-Token: %s\"\nsilent\nshow-error\nfail\n",
		w.vault.Address+"/v1/"+kraken+"/ws-token/curl", w.vault.Token)
	curl := contender{"curl", func() (sample, error) { return w.runs(options, "curl", "-q", "-K", "-") }}
	program := contender{"the example program", func() (sample, error) { return w.runs("", "python3", file) }}
	if _, err := curl.measure(); err != nil { // the engine's connection to Kraken is warm
		return err
	}
	samples, err := interleave(w.rounds(12), program, curl)
	if err != nil {
		return err
	}
	theirs, ours := each(samples[program.name], sample.p50), each(samples[curl.name], sample.p50)
	w.results.set("seed", summarize(ratios(theirs, ours)), "%s and %s", milliseconds(median(theirs)), milliseconds(median(ours)))
	return nil
}

// fillInExample writes the program with nothing but a key pair and Kraken's address filled in.
func (w *world) fillInExample() (file string, err error) {
	program, err := os.ReadFile(filepath.Join(w.here, "../../../internal/krakensim/testdata/get_websockets_token.py"))
	if err != nil {
		return "", err
	}
	pair := newKeyPair()
	if err := w.nearTLS.addKeys(w.ctx, pair); err != nil {
		return "", err
	}
	filledIn := strings.NewReplacer(
		"COPY/PASTE API PUBLIC KEY HERE", pair.APIKey,
		"COPY/PASTE API PRIVATE KEY HERE", pair.APISecret,
		"https://api.kraken.com", w.far.URL(),
	).Replace(string(program))
	file = filepath.Join(w.dir, "get_websockets_token.py")
	return file, os.WriteFile(file, []byte(filledIn), 0o600)
}

// runs runs a program once, from its start to its end. It must print something.
func (w *world) runs(input, program string, args ...string) (sample, error) {
	command := exec.CommandContext(w.ctx, program, args...)
	command.Stdin = strings.NewReader(input)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "SSL_CERT_FILE=" + w.nearTLS.caFile}
	began := time.Now()
	printed, err := command.Output()
	took := time.Since(began)
	if err != nil || len(printed) == 0 {
		return sample{}, fmt.Errorf("it printed %d bytes: %w", len(printed), err)
	}
	return sample{latencies: []time.Duration{took}, elapsed: took}, nil
}
