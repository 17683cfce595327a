package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/line"
)

// world is all that is measured, and what is measured with it.
type world struct {
	ctx     context.Context
	here    string // this module's directory
	dir     string // of all files; removed in the end
	quick   bool   // every measure is to be tried, not measured
	vault   *vault
	near    *simulator   // without TLS
	nearTLS *simulator   // with TLS
	far     *line.Line   // to nearTLS, a round trip away
	client  *http.Client // to Vault
	mounts  []string
	many    []account // the 10,000, once they are written
	results results
	plots   plots
}

// keyPair is an API key pair, as the simulator takes it.
type keyPair struct {
	APIKey    string `json:"api_key"`
	APISecret string `json:"api_secret"`
}

// newKeyPair makes up a pair in the shape of Kraken's.
func newKeyPair() keyPair {
	random := make([]byte, 42+64)
	_, _ = rand.Read(random) // never fails
	return keyPair{base64.StdEncoding.EncodeToString(random[:42]), base64.StdEncoding.EncodeToString(random[42:])}
}

// account is a key pair under a name in the engine.
type account struct {
	keyPair
	name string // "": the default account
}

// newWorld builds and starts all that is needed. The caller has to call close, whatever the error.
func newWorld(ctx context.Context, here, vaultBinary string, quick bool) (w *world, err error) {
	w = &world{ctx: ctx, here: here, quick: quick, results: results{}}
	if w.dir, err = os.MkdirTemp("", "kraken-bench-"); err != nil {
		return w, err
	}
	fmt.Println("building the plugins")
	if err := build(ctx, here, w.dir); err != nil {
		return w, err
	}
	fmt.Println("starting Vault and the simulators")
	if w.vault, err = startVault(ctx, vaultBinary, w.dir); err != nil {
		return w, err
	}
	if w.near, err = startSimulator(ctx, w.binary(krakenSim), w.dir, "near", false); err != nil {
		return w, err
	}
	if w.nearTLS, err = startSimulator(ctx, w.binary(krakenSim), w.dir, "near-tls", true); err != nil {
		return w, err
	}
	if w.far, err = layFarLine(w.nearTLS.RESTURL); err != nil {
		return w, err
	}
	w.client, err = newClient("", 64)
	return w, err
}

func (w *world) close() {
	if w.far != nil {
		w.far.Close()
	}
	if w.vault != nil {
		_ = w.vault.Terminate(stopTimeout)
	}
	for _, s := range []*simulator{w.near, w.nearTLS} {
		if s != nil {
			_ = s.Terminate(stopTimeout)
		}
	}
	_ = os.RemoveAll(w.dir)
}

// binary is what was built.
func (w *world) binary(name string) string { return filepath.Join(w.dir, name) }

// rounds is how many rounds to measure; only one to see that it works.
func (w *world) rounds(full int) int {
	if w.quick {
		return 1
	}
	return full
}

// span is how long to measure one contender in one round.
func (w *world) span(full time.Duration) limit {
	if w.quick {
		full = min(full, 50*time.Millisecond)
	}
	return limit{time: full}
}

// size is how many there are to be of something.
func (w *world) size(full, quick int) int {
	if w.quick {
		return quick
	}
	return full
}

// mount mounts a plugin, the built-in one of that name if it isn't one of those built here, unless it is mounted already. Its
// path is its name, or the alias: that is a plugin of its own, with a process of its own, from the same binary.
func (w *world) mount(plugin, alias string) error {
	if slices.Contains(w.mounts, alias) {
		return nil
	}
	w.mounts = append(w.mounts, alias)
	input := &api.MountInput{Type: plugin}
	if plugin != "kv" {
		if err := w.vault.register(w.ctx, w.binary(plugin), alias); err != nil {
			return err
		}
		input.Type = alias
	}
	if plugin == kraken {
		input.Options = map[string]string{"allowed_api_urls": w.near.RESTURL + "," + w.nearTLS.RESTURL + "," + w.far.URL()}
	}
	return w.vault.client.Sys().MountWithContext(w.ctx, alias, input)
}

// write writes to Vault.
func (w *world) write(path string, data map[string]any) error {
	_, err := w.vault.client.Logical().WriteWithContext(w.ctx, path, data)
	return err
}

// newAccount makes an account with a pair of its own, which Kraken knows. url is one of near's, nearTLS's and far's.
// Every token is good for 14 minutes of reads, or for one.
func (w *world) newAccount(mount, name, url string, cached bool) (account, error) {
	made := account{newKeyPair(), name}
	s := w.near
	if url != w.near.RESTURL {
		s = w.nearTLS
	}
	if err := s.addKeys(w.ctx, made.keyPair); err != nil {
		return made, err
	}
	return made, w.write(made.path(mount, "config"), made.config(url, s.caPEM, cached))
}

// path is a path of the account, such as kraken/config/NAME.
func (a account) path(mount, base string) string {
	if a.name == "" {
		return mount + "/" + base
	}
	return mount + "/" + base + "/" + a.name
}

func (a account) config(url, caPEM string, cached bool) map[string]any {
	config := map[string]any{
		"api_key": a.APIKey, "api_secret": a.APISecret, "api_url": url, "tier": "none", "cache_ttl": 0, "verify": false,
	}
	if cached {
		config["cache_ttl"] = 840
	}
	if caPEM != "" {
		config["ca_cert"] = caPEM
	}
	return config
}

// read makes one read of a path over a client, and tells how long it took.
func (w *world) read(client *http.Client, path string) (time.Duration, error) {
	request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.vault.Address+"/v1/"+path, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-Vault-Token", w.vault.Token)
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(response.Body)
	took := time.Since(began)
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("read of %s: %s: %s", path, response.Status, body)
	}
	return took, err
}

// readers is a contender: so many readers of paths, in turn.
func (w *world) readers(name string, readers int, until limit, paths ...string) contender {
	targets := w.vault.reads(paths...)
	return contender{name, func() (sample, error) { return attack(w.ctx, w.client, readers, targets, until) }}
}
