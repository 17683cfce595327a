package keeper

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The uses of two methods by the same config, and of one by a config that points elsewhere.
var (
	tokenUse     = Use{Credentials: Fingerprint{1}, Upstream: "https://api.kraken.com", Method: "GetWebSocketsToken"}
	infoUse      = Use{Credentials: Fingerprint{1}, Upstream: "https://api.kraken.com", Method: "GetApiKeyInfo"}
	elsewhereUse = Use{Credentials: Fingerprint{1}, Upstream: "https://gateway.example.com", Method: "GetWebSocketsToken"}
)

// proof is a use that proves.
func proof(use Use) Use {
	use.Proof = true
	return use
}

// beside is a proof that goes past calls to other upstreams.
func beside(use Use) Use {
	use.Proof, use.Beside = true, true
	return use
}

// fakeKraken is what Kraken knows of one API key.
type fakeKraken struct {
	// latency is how long a call takes to arrive, and then its answer to come back; nil is at once.
	latency func() (there, back time.Duration)
	// answer decides on the n-th call (from 1); nil is success.
	answer func(n int) error
	// checksNonces refuses nonces that aren't above lastNonce.
	checksNonces bool
	lastNonce    uint64
	// most, decay and step are how calls are counted: the decay is taken off once a step. A most of 0 doesn't count.
	most  int
	decay float64
	step  time.Duration

	mu            sync.Mutex
	calls         int
	nonces        []uint64
	times         []time.Time // of arrival
	flying        int
	mostFlying    int
	count         float64
	steps         int64
	rateLimited   int
	refusedNonces int
}

// call is a Call.
func (k *fakeKraken) call(ctx context.Context, nonce uint64) error {
	k.fly(1)
	defer k.fly(-1)
	var there, back time.Duration
	if k.latency != nil {
		there, back = k.latency()
	}
	if err := pause(ctx, there); err != nil {
		return err
	}
	answer := k.arrive(nonce)
	if err := pause(ctx, back); err != nil {
		return err
	}
	return answer
}

func (k *fakeKraken) fly(calls int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flying += calls
	k.mostFlying = max(k.mostFlying, k.flying)
}

func (k *fakeKraken) arrive(nonce uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	k.nonces = append(k.nonces, nonce)
	k.times = append(k.times, time.Now())
	if k.most > 0 {
		steps := time.Now().UnixNano() / int64(k.step)
		k.count = max(0, k.count-k.decay*k.step.Seconds()*float64(steps-k.steps))
		k.steps = steps
		if k.count+1 > float64(k.most) {
			k.rateLimited++
			return failed(kraken.KindRateLimited)
		}
		k.count++
	}
	if k.checksNonces && nonce <= k.lastNonce {
		k.refusedNonces++
		return failed(kraken.KindInvalidNonce)
	}
	k.lastNonce = nonce
	if k.answer != nil {
		return k.answer(k.calls)
	}
	return nil
}

func (k *fakeKraken) made() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

// hang is a Call that nobody answers.
func hang(ctx context.Context, _ uint64) error { return pause(ctx, hangs) }

const hangs = 1000 * time.Hour

// pause waits for a time, or for the end of ctx: then the answer is kraken's client's.
func pause(ctx context.Context, duration time.Duration) error {
	if duration <= 0 {
		return nil
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		kind := kraken.KindAborted
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			kind = kraken.KindTimeout
		}
		return &kraken.Error{Kind: kind, Detail: "no answer", Sent: true, Err: ctx.Err()}
	}
}

// fixed is a latency, half of it each way.
func fixed(latency time.Duration) func() (there, back time.Duration) {
	return func() (time.Duration, time.Duration) { return latency / 2, latency / 2 }
}

// varying is a latency of up to most in all, the same in every run of a seed.
func varying(seed uint64, most time.Duration) func() (there, back time.Duration) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 4))
	return func() (time.Duration, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		whole := time.Duration(random.Int64N(int64(most)))
		there := time.Duration(random.Int64N(int64(whole) + 1))
		return there, whole - there
	}
}

// failed is an error of a kind, as Kraken's answer to a request that was sent.
func failed(kind kraken.Kind) *kraken.Error {
	return &kraken.Error{Kind: kind, Sent: true, Detail: "a failure of kind " + kind.String()}
}

// unsent is the error of a request that surely wasn't sent.
func unsent(kind kraken.Kind) *kraken.Error {
	return &kraken.Error{Kind: kind, Detail: "a failure of kind " + kind.String() + ", not sent"}
}

// always fails every call alike.
func always(err error) func(int) error { return func(int) error { return err } }

// first fails the first calls with these, one each; later calls succeed.
func first(errs ...error) func(int) error {
	return func(n int) error {
		if n <= len(errs) {
			return errs[n-1]
		}
		return nil
	}
}

// from fails the n-th call and all after it.
func from(n int, err error) func(int) error {
	return func(m int) error {
		if m >= n {
			return err
		}
		return nil
	}
}

// fakeStore is a Store that counts.
type fakeStore struct {
	takes time.Duration // for each use, unless the context ends
	err   error

	mu                    sync.Mutex
	record                Record
	stored                bool
	loads, saves, deletes int
	users, mostUsers      int
}

// use is a use of the store.
func (s *fakeStore) use(ctx context.Context, change func()) error {
	s.mu.Lock()
	s.users++
	s.mostUsers = max(s.mostUsers, s.users)
	s.mu.Unlock()
	late := pause(ctx, s.takes) != nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	if late {
		return ctx.Err()
	}
	if s.err != nil {
		return s.err
	}
	change()
	return nil
}

func (s *fakeStore) Load(ctx context.Context) (record Record, stored bool, err error) {
	err = s.use(ctx, func() { record, stored, s.loads = s.record, s.stored, s.loads+1 })
	return record, stored, err
}

func (s *fakeStore) Save(ctx context.Context, record Record) error {
	return s.use(ctx, func() { s.record, s.stored, s.saves = record, true, s.saves+1 })
}

func (s *fakeStore) Delete(ctx context.Context) error {
	return s.use(ctx, func() { s.record, s.stored, s.deletes = Record{}, false, s.deletes+1 })
}

// bench is a keeper with all that it needs, in the bubble of its test.
type bench struct {
	*Keeper
	t       *testing.T
	keepers *Keepers
	kraken  *fakeKraken
	store   *fakeStore
	log     *bytes.Buffer
}

// newBench keeps the key of an account called desk, of no tier.
func newBench(t *testing.T, k *fakeKraken) *bench {
	return newBenchOver(t, k, &fakeStore{stored: true, record: Record{Account: "desk"}})
}

func newBenchOver(t *testing.T, k *fakeKraken, store *fakeStore) *bench {
	return newBenchWithClock(t, k, store, time.Now)
}

func newBenchWithClock(t *testing.T, k *fakeKraken, store *fakeStore, clock func() time.Time) *bench {
	t.Helper()
	b := &bench{t: t, kraken: k, store: store, log: &bytes.Buffer{}}
	b.keepers = NewKeepers(clock, hclog.New(&hclog.LoggerOptions{Output: b.log, DisableTime: true}))
	t.Cleanup(func() {
		b.keepers.Close()
		time.Sleep(2 * hangs) // calls under way come to their end
	})
	var err error
	b.Keeper, err = b.keepers.Hold("example-api-key", store)
	require.NoError(t, err)
	b.SetTier(TierNone)
	return b
}

// Do is Keeper.Do, by the account that the key is stored in unless the use names one.
func (b *bench) Do(ctx context.Context, use Use, call Call) error {
	return b.Keeper.Do(ctx, b.owned(use), call)
}

// do makes one call with a use, by somebody who has so much time.
func (b *bench) do(use Use, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(b.t.Context(), timeout)
	defer cancel()
	return b.Do(ctx, use, b.kraken.call)
}

// read makes one call for a token.
func (b *bench) read(timeout time.Duration) error { return b.do(tokenUse, timeout) }

// begin makes a call in the background, and returns once it is under way or waits. Its answer is sent.
func (b *bench) begin(ctx context.Context, use Use, call Call) <-chan error {
	answer := make(chan error, 1)
	go func() { answer <- b.Do(ctx, use, call) }()
	synctest.Wait()
	return answer
}

type answer struct {
	err  error
	took time.Duration
}

// readAll makes so many calls for a token at once and waits for all answers, which come in the order of the calls.
func (b *bench) readAll(reads int, timeout time.Duration) []answer {
	answers := make([]answer, reads)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			began := time.Now()
			answers[i] = answer{b.read(timeout), time.Since(began)}
		})
		synctest.Wait()
	}
	all.Wait()
	return answers
}

// left is how many calls the counter allows now.
func (b *bench) left() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counter.left(time.Now())
}

// waiting is how many wait in the queue.
func (b *bench) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}

// requireIdle asserts that nobody has the turn, waits for it, or goes beside.
func (b *bench) requireIdle() {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Nil(b.t, b.holder)
	require.Empty(b.t, b.queue)
	require.Zero(b.t, b.flying)
}

// within is a context that lives so long.
func within(t *testing.T, timeout time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

// served counts the good answers.
func served(answers []answer) (count int) {
	for _, a := range answers {
		if a.err == nil {
			count++
		}
	}
	return count
}

func requireKind(t *testing.T, want kraken.Kind, err error) *kraken.Error {
	t.Helper()
	var failed *kraken.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, want.String(), failed.Kind.String())
	return failed
}

func requireHeld(t *testing.T, err error) *HeldError {
	t.Helper()
	var held *HeldError
	require.ErrorAs(t, err, &held)
	require.GreaterOrEqual(t, held.Wait, time.Second)
	require.Zero(t, held.Wait%time.Second, "the wait is whole seconds")
	return held
}

func requireRemembered(t *testing.T, err error) *RememberedError {
	t.Helper()
	var remembered *RememberedError
	require.ErrorAs(t, err, &remembered)
	return remembered
}

func requireOutage(t *testing.T, err error) *OutageError {
	t.Helper()
	var outage *OutageError
	require.ErrorAs(t, err, &outage)
	return outage
}
