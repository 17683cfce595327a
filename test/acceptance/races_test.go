package acceptance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// 306 requests of a kind: so many accounts make so many each before every one of so many reloads of the plugin.
	racers, raceRequests, raceReloads = 6, 17, 3

	// A caller leaves between these two.
	leaveSoonest = 500 * time.Microsecond
	leaveLatest  = 20 * time.Millisecond
	// Until then the plugin has the request, if it ever gets it.
	leaveNoticed = 50 * time.Millisecond
	// Until then the engine has ended what it went on with; much sooner, but for a machine that is busy with other things.
	leaveEnded = time.Second
	// Until then what runs has followed what is stored.
	leaveSettled = 5 * time.Second
)

// What becomes of a request whose caller has left.
const (
	leftDone   = "left, and done"
	leftUndone = "left, and not done"
)

// Callers leave while their delete or config write is under way, on a server that has to write to its disk and to audit.
// Whatever becomes of it, what is stored and what runs agree, also after the plugin is reloaded.
func TestCallersWhoLeave(t *testing.T) {
	c := startCluster(t, setup{storage: onDisk})
	c.enable(t)
	t.Run("deletes", func(t *testing.T) { c.race(t, (*racer).delete) })
	t.Run("writes", func(t *testing.T) { c.race(t, (*racer).write) })
}

// race has accounts make a request again and again whose caller leaves. An account stops when something is wrong.
func (c *cluster) race(t *testing.T, request func(*racer) (outcome string, err error)) {
	t.Helper()
	server := c.leader(t)
	all := make([]*racer, racers)
	for i := range all {
		r := &racer{cluster: c, vault: server.client.Logical()}
		for k := range r.keys {
			var err error
			r.keys[k], err = c.newKey("password")
			require.NoError(t, err)
			r.names[k] = fmt.Sprintf("%s-%d-%d", path.Base(t.Name()), i, k)
		}
		require.NoError(t, r.store())
		all[i] = r
	}
	tally := newTally("requests")
	var mu sync.Mutex // guards it
	for range raceReloads {
		forEach(t, racers, func(i int) error {
			for range raceRequests {
				outcome, err := request(all[i])
				if err != nil {
					return err
				}
				mu.Lock()
				tally.note(outcome, nil)
				mu.Unlock()
			}
			return nil
		})
		time.Sleep(leaveEnded)
		configs := make([]map[string]any, racers)
		for i, r := range all {
			require.NoError(t, r.settle())
			configs[i] = r.config
		}
		server.run(t, "write", "sys/plugins/reload/backend", "mounts=kraken/")
		for i, r := range all {
			require.NoError(t, r.settle(), "after a reload")
			require.Equal(t, configs[i], r.config, "changed by a reload")
		}
	}
	t.Logf("%d requests: %d answered, %s", tally.tried(), tally.outcomes[answered], tally.refused())
	assert.Positive(t, tally.outcomes[leftDone]+tally.outcomes[leftUndone], "nobody left: this shows nothing")
}

// racer is an account, and what may take its place.
type racer struct {
	cluster *cluster
	vault   *api.Logical
	names   [2]string        // of the account, and of one that takes over its key
	keys    [2]krakensim.Key // that the account may have; the first to begin with
	config  map[string]any   // as it was last read; nil: there is none
}

// delete deletes the account. If it was deleted before, another one has its key at once, and is deleted.
func (r *racer) delete() (string, error) {
	if r.config == nil {
		slices.Reverse(r.names[:])
		if err := r.store(); err != nil {
			return "", fmt.Errorf("another account doesn't get the key: %w", err)
		}
	}
	before := r.config
	outcome, err := r.leave(
		func(ctx context.Context) error {
			_, err := r.vault.DeleteWithContext(ctx, r.path("config"))
			return err
		},
		func() bool { return r.config == nil },
	)
	if err == nil && r.config != nil && !assert.ObjectsAreEqual(before, r.config) {
		err = fmt.Errorf("neither deleted nor as stored: %v instead of %v", r.config, before)
	}
	return outcome, err
}

// write changes cache_ttl, and every other time the key pair too, which Kraken is asked to prove every other time.
func (r *racer) write() (string, error) {
	fields := map[string]any{"cache_ttl": "0"}
	if fmt.Sprint(r.config["cache_ttl"]) == "0" {
		fields["cache_ttl"] = "300"
	}
	apiKey := r.config["api_key"]
	if rand.N(2) == 0 {
		key := r.keys[0]
		if key.APIKey == apiKey {
			key = r.keys[1]
		}
		apiKey = key.APIKey
		fields["verify"] = rand.N(2) == 0
		fields = r.cluster.account(key, fields)
	}
	return r.leave(
		func(ctx context.Context) error {
			_, err := r.vault.WriteWithContext(ctx, r.path("config"), fields)
			return err
		},
		func() bool {
			return r.config["api_key"] == apiKey && fmt.Sprint(r.config["cache_ttl"]) == fields["cache_ttl"]
		},
	)
}

// leave makes a request and leaves soon. Who stays long enough to be answered is told the truth.
func (r *racer) leave(request func(context.Context) error, isDone func() bool) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveSoonest+rand.N(leaveLatest-leaveSoonest))
	defer cancel()
	err := request(ctx)
	left := ctx.Err() != nil && outcome(err) == noConnection
	if err != nil && !left {
		return "", err
	}
	if left {
		time.Sleep(leaveNoticed)
	}
	if err := r.settle(); err != nil {
		return "", fmt.Errorf("what is stored isn't what runs: %w", err)
	}
	switch done := isDone(); {
	case left && done:
		return leftDone, nil
	case left:
		return leftUndone, nil
	case done:
		return answered, nil
	default:
		return "", fmt.Errorf("answered, but there is still %v", r.config)
	}
}

// store stores the first pair in the account, which runs then.
func (r *racer) store() error {
	_, err := r.vault.Write(r.path("config"), r.cluster.account(r.keys[0], map[string]any{"cache_ttl": "300"}))
	return errors.Join(err, r.settle())
}

// settle looks at the account until what is stored and what runs agree.
func (r *racer) settle() error {
	for deadline := time.Now().Add(leaveSettled); ; time.Sleep(10 * time.Millisecond) {
		if err := r.look(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// look reads the config, and has a token minted. The error says how they disagree: Kraken sees another API key than the
// config's, another cache_ttl is kept to, or one is there without the other.
func (r *racer) look() error {
	stored, err := r.vault.Read(r.path("config"))
	if err != nil {
		return err
	}
	before := len(r.cluster.kraken.Calls())
	_, err = r.vault.Write(r.path("ws-token"), nil)
	if stored == nil {
		r.config = nil
		if outcome := outcome(err); outcome != "400" {
			return fmt.Errorf("%s has no config, but a token is %s: %v", r.names[0], outcome, err)
		}
		return nil
	}
	r.config = stored.Data
	if err != nil {
		return fmt.Errorf("%s has a config, but no token: %w", r.names[0], err)
	}
	used := ""
	for _, call := range r.cluster.kraken.Calls()[before:] {
		if call.APIKey == r.keys[0].APIKey || call.APIKey == r.keys[1].APIKey {
			used = call.APIKey
		}
	}
	if used != r.config["api_key"] {
		return fmt.Errorf("%s has API key %s, but uses %q", r.names[0], r.config["api_key"], used)
	}
	token, err := r.vault.Read(r.path("ws-token"))
	if err != nil {
		return err
	}
	if cacheTTL := fmt.Sprint(r.config["cache_ttl"]); token.Data["cached"] != (cacheTTL != "0") {
		return fmt.Errorf("%s has cache_ttl %s, but cached is %v", r.names[0], cacheTTL, token.Data["cached"])
	}
	return nil
}

func (r *racer) path(what string) string { return path.Join("kraken", what, r.names[0]) }
