package account

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"pgregory.net/rapid"
)

// This file has Accounts live through plans that nobody would think of: reads, proofs, deletes, config writes, crashes and reloads from storage, in
// any order and at any distance, while Kraken and the storage have troubles. A plan is drawn before it is lived through, under a fake clock; what must be
// true is checked all the time.

// modelRuns is how many plans make unit lives through. make fuzz has more: -rapid.checks.
const modelRuns = "2000"

func TestModel(t *testing.T) {
	if !given("rapid.checks") {
		_ = flag.Set("rapid.checks", modelRuns)
	}
	if testing.Short() {
		_ = flag.Set("rapid.checks", "100")
	}
	rapid.Check(t, func(rt *rapid.T) {
		plan := rapid.SliceOfN(rapid.Custom(drawModelStep), 1, 25).Draw(rt, "plan")
		var broken string
		synctest.Test(t, func(t *testing.T) { broken = live(t, plan) })
		if broken != "" {
			rt.Fatal(broken)
		}
	})
}

// given tells whether a flag stands on the command line.
func given(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// modelStep is one thing that happens, some time after the one before.
type modelStep struct {
	After time.Duration
	What  string
	Pair  int           // for a write
	Place int           // for a write
	For   time.Duration // how long a trouble lasts, or a caller stays; 0: for good
	Proof bool
}

var modelSteps = []string{
	"read", "read", "read", "read", "read", "read", "herd", "mint", "key info",
	"write pair", "write pair", "write wrong pair", "write ttl", "disable", "enable", "delete", "crash", "reload", "invalidate",
	"slow", "refuse", "hang", "lose answers", "busy", "lock out", "another user", "clock goes back", "storage fails", "storage lies", "storage is slow",
}

func drawModelStep(rt *rapid.T) modelStep {
	durations := []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second, 7 * time.Second, 35 * time.Second, 3 * time.Minute}
	return modelStep{
		After: rapid.SampledFrom(durations).Draw(rt, "after"),
		What:  rapid.SampledFrom(modelSteps).Draw(rt, "what"),
		Pair:  rapid.IntRange(0, 1).Draw(rt, "pair"),
		Place: rapid.IntRange(0, 1).Draw(rt, "place"),
		For:   rapid.SampledFrom(durations).Draw(rt, "for"),
		Proof: rapid.Bool().Draw(rt, "proof"),
	}
}

// world is all that a plan happens to.
type world struct {
	t        *testing.T
	storage  *modelStorage
	accounts *Accounts
	group    sync.WaitGroup

	mu       sync.Mutex
	broken   []string
	keys     map[string]*modelKey
	troubles map[string]time.Time // until when
	foreign  bool                 // somebody else has used a key's nonces
	asked    bool                 // Kraken itself asked to wait
	behind   time.Duration        // how far the clock of the nonces was set back

	// What may be used: the pair and place that are stored, since when, and how many writes are under way, by which others may come.
	allowed  string
	since    time.Time
	changing int
	crashes  int
}

func live(t *testing.T, plan []modelStep) string {
	w := &world{t: t, storage: &modelStorage{InmemStorage: &logical.InmemStorage{}}, keys: map[string]*modelKey{}, troubles: map[string]time.Time{}}
	for _, pair := range modelPairs {
		w.keys[pair.key] = &modelKey{flying: map[string]time.Time{}}
	}
	w.start()
	w.write(map[string]any{}, modelPairs[0].key, modelPairs[0].secret, 0, false, 0)
	for _, s := range plan {
		time.Sleep(s.After)
		w.take(s)
	}
	w.finish()
	w.accounts.Close()
	w.group.Wait()
	if len(w.broken) > 0 {
		return strings.Join(w.broken, "\n")
	}
	return ""
}

func (w *world) breaks(format string, arguments ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.broken) < 5 {
		w.broken = append(w.broken, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, arguments...))
	}
}

func (w *world) start() {
	w.accounts = New(Options{
		Allowed:   places,
		Transport: func(*x509.CertPool) http.RoundTripper { return &modelTransport{world: w} },
		Clock: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return time.Now().Add(-w.behind)
		},
	})
}

// take does what a step says. What takes time goes on by itself.
func (w *world) take(s modelStep) {
	switch s.What {
	case "read":
		w.read((*Accounts).Token, s.For)
	case "herd":
		for range 20 {
			w.read((*Accounts).Token, 0)
		}
	case "mint":
		w.read((*Accounts).Mint, s.For)
	case "key info":
		w.group.Go(func() { _, _ = w.accounts.KeyInfo(context.Background(), w.storage, "") })
	case "write pair":
		pair := modelPairs[s.Pair]
		w.group.Go(func() { w.write(map[string]any{}, pair.key, pair.secret, s.Place, s.Proof, s.For) })
	case "write wrong pair":
		w.group.Go(func() {
			w.write(map[string]any{}, modelPairs[s.Pair].key, modelPairs[1-s.Pair].secret, s.Place, true, s.For)
		})
	case "write ttl":
		w.group.Go(func() {
			change, _ := ParseChange(map[string]any{FieldCacheTTL: int(s.For / time.Second)})
			_, _ = w.accounts.Write(context.Background(), w.storage, "", change)
		})
	case "disable", "enable":
		w.group.Go(func() {
			change, _ := ParseChange(map[string]any{FieldDisabled: s.What == "disable"})
			defer w.changes()()
			_, _ = w.accounts.Write(context.Background(), w.storage, "", change)
		})
	case "delete":
		w.group.Go(func() { w.delete(s.For) })
	case "crash", "reload":
		w.restart(s.What == "crash")
	case "invalidate":
		w.accounts.Invalidate(ConfigStorage)
		for _, pair := range modelPairs {
			w.accounts.Invalidate(keyStorage + keeper.ID(pair.key))
		}
	case "another user":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.foreign = true
		key := w.keys[modelPairs[s.Pair].key]
		key.nonce = max(key.nonce, uint64(time.Now().Add(2*s.For).UnixNano()))
	case "lock out":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.keys[modelPairs[s.Pair].key].lockedUntil = time.Now().Add(s.For)
	case "clock goes back":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.behind = s.For
		for _, key := range w.keys {
			w.foreign = w.foreign || key.unstored
		}
	case "storage fails":
		w.storage.trouble(storageTrouble{until: time.Now().Add(s.For), err: errors.New("the disk is full")})
	case "storage lies":
		w.storage.trouble(storageTrouble{until: time.Now().Add(s.For), err: errors.New("the answer was lost"), after: true})
	case "storage is slow":
		trouble := storageTrouble{until: time.Now().Add(s.For), delay: 3 * time.Second}
		if s.Proof {
			trouble.delay, trouble.lands = storeTimeout*2/3, true // the second of two steps comes too late
		}
		w.storage.trouble(trouble)
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.troubles[s.What] = time.Now().Add(s.For)
	}
}

// read has a reader who stays for a while.
func (w *world) read(how func(*Accounts, context.Context, logical.Storage, string) (Token, error), stays time.Duration) {
	accounts := w.accounts
	w.group.Go(func() {
		ctx, leave := staying(stays)
		defer leave()
		token, err := how(accounts, ctx, w.storage, "")
		w.checkAnswer(token, err)
	})
}

func staying(stays time.Duration) (context.Context, context.CancelFunc) {
	if stays == 0 {
		return context.WithCancel(context.Background())
	}
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(stays, cancel)
	return ctx, func() { timer.Stop(); cancel() }
}

// checkAnswer checks what a reader gets.
func (w *world) checkAnswer(token Token, err error) {
	var held *keeper.HeldError
	w.mu.Lock()
	asked := w.asked
	w.mu.Unlock()
	switch {
	case errors.As(err, &held):
		if held.Wait > time.Minute && !asked {
			w.breaks("told to wait %v: %v", held.Wait, err)
		}
	case err == nil:
		made, _, _ := strings.Cut(token.Value, "#")
		w.checkUse("a token was handed out", made)
	}
}

// checkUse checks that a pair and place may be used. What happens in the same instant as a change may be before it.
func (w *world) checkUse(what, used string) {
	w.mu.Lock()
	bad := w.changing == 0 && used != w.allowed && time.Now().After(w.since)
	allowed := w.allowed
	w.mu.Unlock()
	if bad {
		w.breaks("%s of %q, but %q is stored", what, used, allowed)
	}
}

// changes begins a change. What it returns ends it.
func (w *world) changes() (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changing++
	life := w.crashes
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.changing--; w.changing == 0 && w.crashes == life {
			w.allowed, w.since = w.stored(), time.Now()
		}
	}
}

// stored is the pair and place that are stored; empty if there are none, or the account is disabled.
func (w *world) stored() string {
	c, err := Read(context.Background(), w.storage.InmemStorage, "")
	if err != nil || c == nil || c.Disabled {
		return ""
	}
	return c.APIKey + "@" + c.APIURL
}

func (w *world) write(raw map[string]any, key, secret string, place int, proof bool, stays time.Duration) {
	raw[FieldAPIKey], raw[FieldAPISecret] = key, secret
	raw[FieldAPIURL] = "https://place" + strconv.Itoa(place) + ".example"
	raw[FieldVerify] = proof
	change, err := ParseChange(raw)
	if err != nil {
		w.breaks("a good write is refused: %v", err)
		return
	}
	ctx, leave := staying(stays)
	defer leave()
	defer w.changes()()
	var field *FieldError
	var notAllowed *PlaceError
	if _, err := w.accounts.Write(ctx, w.storage, "", change); errors.As(err, &notAllowed) || errors.As(err, &field) && field.Field != FieldVerify {
		w.breaks("a good write is refused: %v", err)
	}
}

func (w *world) delete(stays time.Duration) {
	ctx, leave := staying(stays)
	defer leave()
	defer w.changes()()
	_, _ = w.accounts.Delete(ctx, w.storage, "")
}

// restart ends the process and begins another. A crash leaves storage as it is at this moment.
func (w *world) restart(crash bool) {
	old := w.accounts
	w.mu.Lock()
	w.crashes++
	for _, key := range w.keys { // a new process takes its time
		key.count = 0
	}
	w.mu.Unlock()
	if crash {
		w.storage.freeze()
	}
	old.Close()
	w.group.Wait()
	w.storage = w.storage.thaw()
	w.mu.Lock()
	w.allowed, w.since, w.changing = "", time.Now(), 0
	w.mu.Unlock()
	stored := w.stored()
	w.mu.Lock()
	w.allowed = stored
	w.mu.Unlock()
	w.start()
}
