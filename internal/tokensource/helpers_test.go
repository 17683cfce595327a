package tokensource

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tokenLife = 15 * time.Minute

// fakeKraken mints tokens named 1, 2, 3… and counts calls as Kraken does: when they arrive.
type fakeKraken struct {
	// latency is how long a call takes to arrive, and then its answer to come back; nil is at once.
	latency func() (there, back time.Duration)
	// answer decides on the n-th call (from 1); nil is success.
	answer func(n int) error
	// max and decay are the tier; zero doesn't count.
	max   int
	decay float64

	mu          sync.Mutex
	calls       int
	inFlight    int
	mostFlying  int
	count       float64
	countedAt   time.Time
	rateLimited int
	callTimes   []time.Time
}

func (k *fakeKraken) Token(ctx context.Context) (Token, error) {
	requestedAt := time.Now()
	k.mu.Lock()
	k.inFlight++
	k.mostFlying = max(k.mostFlying, k.inFlight)
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		k.inFlight--
		k.mu.Unlock()
	}()
	var there, back time.Duration
	if k.latency != nil {
		there, back = k.latency()
	}
	if there > 0 {
		if err := sleep(ctx, there); err != nil {
			return Token{}, ended(ctx, "no answer")
		}
	}
	n, err := k.arrive()
	if back > 0 {
		if err := sleep(ctx, back); err != nil {
			return Token{}, ended(ctx, "no answer")
		}
	}
	if err != nil {
		return Token{}, err
	}
	return Token{Value: strconv.Itoa(n), RequestedAt: requestedAt, ExpiresAt: requestedAt.Add(tokenLife)}, nil
}

func (k *fakeKraken) arrive() (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	k.calls++
	k.callTimes = append(k.callTimes, now)
	if k.max > 0 {
		k.count = max(0, k.count-k.decay*now.Sub(k.countedAt).Seconds())
		k.countedAt = now
		if k.count+1 > float64(k.max) {
			k.rateLimited++
			return k.calls, failure(kraken.KindRateLimited)
		}
		k.count++
	}
	if k.answer != nil {
		return k.calls, k.answer(k.calls)
	}
	return k.calls, nil
}

func (k *fakeKraken) made() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

// fixed is a latency, half of it each way.
func fixed(latency time.Duration) func() (time.Duration, time.Duration) {
	return func() (time.Duration, time.Duration) { return latency / 2, latency / 2 }
}

// varying is a latency of up to most in all, the same in every run.
func varying(most time.Duration) func() (time.Duration, time.Duration) {
	random := rand.New(rand.NewPCG(3, 4)) // calls come one at a time
	return func() (time.Duration, time.Duration) {
		whole := time.Duration(random.Int64N(int64(most)))
		there := time.Duration(random.Int64N(int64(whole) + 1))
		return there, whole - there
	}
}

var kindMessages = map[kraken.Kind]string{
	kraken.KindInvalidKey:       "EAPI:Invalid key",
	kraken.KindInvalidSignature: "EAPI:Invalid signature",
	kraken.KindPermissionDenied: "EGeneral:Permission denied",
	kraken.KindInvalidNonce:     "EAPI:Invalid nonce",
	kraken.KindRateLimited:      "EAPI:Rate limit exceeded",
	kraken.KindLockout:          "EGeneral:Temporary lockout",
	kraken.KindUnavailable:      "EService:Unavailable",
	kraken.KindUnexpected:       "EOther:Surprise",
}

// failure is a new error of that kind.
func failure(kind kraken.Kind) *kraken.Error {
	if message, ok := kindMessages[kind]; ok {
		return &kraken.Error{Kind: kind, Messages: []string{message}}
	}
	return &kraken.Error{Kind: kind, Detail: "failure of kind " + kind.String()}
}

// always fails every call alike.
func always(kind kraken.Kind) func(int) error { return func(int) error { return failure(kind) } }

// firstFail fails the first calls with these kinds, one each; later calls succeed.
func firstFail(kinds ...kraken.Kind) func(int) error {
	return func(n int) error {
		if n <= len(kinds) {
			return failure(kinds[n-1])
		}
		return nil
	}
}

type answer struct {
	token Token
	err   error
	took  time.Duration
}

// readAll makes so many reads at once and waits for all answers.
func readAll(ctx context.Context, source Source, reads int) []answer {
	answers := make([]answer, reads)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			began := time.Now()
			token, err := source.Token(ctx)
			answers[i] = answer{token, err, time.Since(began)}
		})
	}
	all.Wait()
	return answers
}

func requireKind(t *testing.T, want kraken.Kind, err error) {
	t.Helper()
	var failure *kraken.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, want.String(), failure.Kind.String())
}

func requireHeldBack(t *testing.T, err error) *HeldBackError {
	t.Helper()
	var heldBack *HeldBackError
	require.ErrorAs(t, err, &heldBack)
	require.GreaterOrEqual(t, heldBack.Wait, time.Second)
	require.Zero(t, heldBack.Wait%time.Second, "the wait is whole seconds")
	return heldBack
}

func within(t *testing.T, timeout time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}
