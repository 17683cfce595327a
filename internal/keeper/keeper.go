// Package keeper keeps what must be true of a Kraken API key, whoever uses it and whatever config writes come and go: its nonce only grows,
// its requests go out one at a time, Kraken's limits are kept, and nobody asks again and again for what Kraken has refused. There is one
// [Keeper] per API key; [Keepers] hands it out.
//
// It knows nothing of Vault, nor of how Kraken is asked: a call is a function that is given a nonce, and its error tells what came of it.
package keeper

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Fingerprint tells credentials apart without holding them.
type Fingerprint [32]byte

// Use is what a config brings to a call.
type Use struct {
	// Account is who calls. It must be the one that the key is stored in, unless the call is a Proof.
	Account string
	// Credentials are the fingerprint of the key pair and its second factor. Refusals are remembered for them.
	Credentials Fingerprint
	// Upstream names where the call goes. An outage is one of an upstream.
	Upstream string
	// Method is Kraken's name of the call.
	Method string
	// Tier is kept to from this call on, unless it is a Proof; "": the one before.
	Tier string
	// Proof is a call that finds out whether credentials are good, before anybody uses them. It is made although reads were refused lately, and teaches
	// nothing about the upstream, for it may be the credentials' writer that is in the wrong place.
	Proof bool
	// Beside is a Proof by which somebody mends where the key's requests go: it doesn't wait for a call that hangs at another upstream.
	Beside bool
	// Longest is how long the turn may be held, with all waits and tries; 0: until the deadline of the context.
	Longest time.Duration
	// Codes is how often the one-time code changes that goes with the call; 0: there is none.
	Codes time.Duration
	// Allowed is asked before each nonce that is taken, and again before it is sent. Its error is the answer instead. It must not block for long. nil: the call
	// is allowed.
	Allowed func() error
	// While tells why what the call is made for is over, nil if it isn't: no call begins then, and that is the answer. nil: it never is. Who waits is woken
	// by the end of its own context, not by this. It may be called with locks held, and must return at once.
	While func() error
	// Wire ends the call itself, once it is made. nil: nothing does but its deadline.
	Wire context.Context
}

// Call asks Kraken once, with a nonce. Its error is a *kraken.Error or nil. Its context has the deadline of Do's, but doesn't end with the caller:
// a signed request left behind in the network could arrive after the next one, whose nonce is higher.
type Call func(ctx context.Context, nonce uint64) error

// mostCallTime bounds the time set aside for a call that has to wait first (see callTime): the shortest time that a read may have.
const mostCallTime = time.Second

// LeastCallTime is what a call to Kraken takes at the very least, connection included. One that has less left could only end in a
// timeout, which would hide what really went wrong before.
const LeastCallTime = 100 * time.Millisecond

// Keeper keeps one API key. Its methods may be called by any number of goroutines at once.
type Keeper struct {
	*common
	id    string // a digest
	users int    // who hold it; Keepers.mu guards it

	proving gate // of proofs: one is made at a time

	// mu guards all below. It is never held over I/O or a call.
	mu       sync.Mutex
	record   record
	nonces   nonces
	counter  counter
	refusals refusals
	codes    *codes   // nil: none was sent
	outage   *outage  // nil: none
	holdOff  *holdOff // nil: none since the last success

	queue  []*waiter // in the order of their coming; nobody who has the turn is in it
	holder *waiter   // who has the turn; nil: nobody
	beside *waiter   // who goes beside the holder; nil: nobody
	flying int       // calls under way: the holder's, and perhaps one beside

	answered uint64        // calls that got an answer of whatever kind
	slowest  time.Duration // of the answers; fades

	troubles *troubles // nil: there were none
}

// holdOff is what rate-limit and lockout answers have come to since the last success.
type holdOff struct {
	until time.Time // it may be over
	cause error     // the last of them
	times int       // how many they were, up to mostHolds
}

// count is how many they were; 0 if there is no hold-off.
func (h *holdOff) count() int {
	if h == nil {
		return 0
	}
	return h.times
}

// troubles are what most keys never have.
type troubles struct {
	nonceRefusals uint64
	holdOffs      map[string]uint64 // by kind: answers that began or prolonged one

	refusedNonces    repeats
	heldBack, silent episode
	notices          []notice // to log
}

// Do makes a call when it may be made. The calls of a key are made one at a time, in the order in which their callers came. Waits end with ctx, and
// are only begun if they leave time for the call before ctx's deadline. The tries of one caller bring the same ctx, and it must end when the caller gives
// up: until then nobody else finds out whether an outage is over.
//
// An invalid nonce is answered by another one, further ahead each time, before any other call is made. An [*AheadError] means that
// nothing helped.
//
// The error is the call's own; a [*HeldError], [*RememberedError] or [*OutageError] if Kraken isn't asked; a [*NotOwnerError]; a [*StoreError]; [ErrClosed]; a *kraken.Error
// of KindTimeout if the turn didn't come in time because Kraken doesn't answer; or the cause of ctx's end.
func (k *Keeper) Do(ctx context.Context, use Use, call Call) (err error) {
	if use.Proof {
		switch err := k.proving.take(ctx, k.closed); {
		case err == nil:
		case errors.Is(err, ErrClosed):
			return err
		default:
			return ended(ctx)
		}
		defer func() {
			if err != nil {
				k.proofFailed()
			}
			k.proving.give()
		}()
	}
	w, err := k.takeTurn(ctx, use)
	if err != nil {
		return err
	}
	defer k.logNotices() // when the turn is given back
	defer k.giveTurn(w)
	for {
		w.again = false
		if err := k.waitUntilAllowed(w); err != nil {
			return err
		}
		if err := k.ask(w, call); !w.again {
			return err
		}
	}
}

// ask makes a call, with the turn held, and draws the consequences.
func (k *Keeper) ask(w *waiter, call Call) (err error) {
	wire, cancel := w.wire()
	defer cancel()
	if err := w.use.permit(); err != nil {
		return err
	}
	nonce, err := k.nextNonce(wire, w.use)
	if err != nil {
		return storeError(wire, err)
	}
	if err := w.use.permit(); err != nil { // the store may have taken its time
		return err
	}
	if err := k.begin(w); err != nil {
		return err
	}
	defer func() { err = k.learn(w, err) }()
	// What is learnt if the call panics.
	err = &kraken.Error{Kind: kraken.KindAborted, Detail: "the call panicked", Sent: true}
	err = call(wire, nonce)
	return err
}

// permit is why a call isn't allowed; nil: it is.
func (u *Use) permit() error {
	if u.Allowed == nil {
		return nil
	}
	return u.Allowed()
}

// begin notes that the call is under way. It is refused if the caller has gone in the meantime, or what it came for.
func (k *Keeper) begin(w *waiter) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.over(w); err != nil {
		return err
	}
	w.began, w.flying, w.claims = time.Now(), true, k.record.claims
	k.flying++
	return nil
}

// learn draws the consequences of a call's outcome, and tells all who wait and are doomed by it. It returns the outcome as an answer.
//
// Kraken counts a call when it arrives, at some moment between its beginning and now. Counted at its beginning, ours could fall below Kraken's, for
// what is counted earlier has decayed more.
func (k *Keeper) learn(w *waiter, err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	k.flying--
	w.flying = false
	cause := failure(err)
	sent := cause == nil || cause.Sent
	if sent {
		k.counter.count(now)
	}
	codeAgain := sent && k.codeWasSent(w)
	switch {
	case err == nil:
		k.holdOff = nil
		if k.troubles != nil {
			k.troubles.heldBack.ends(k, now, "the account is no longer held back")
		}
		k.nonces.rival.wasAccepted(now)
		k.refusals.succeeded(w.use)
		k.record.used = true
		// A proof's credentials aren't the account's yet.
		if !w.use.Proof && w.use.Account == k.record.Account && w.claims == k.record.claims {
			k.record.accepted = true
		}
		if k.teaches(w.use) {
			k.upstreams.succeeded(w.use.Upstream, w.began)
		}
		k.wasAnswered(w, now)
	case cause == nil, cause.Kind == kraken.KindAborted:
	case cause.Kind == kraken.KindUnavailable, cause.Kind == kraken.KindTimeout:
		k.wasNotAnswered(w, now, cause)
	default:
		k.wasAnswered(w, now)
		err = k.wasRefused(w, now, cause, codeAgain)
	}
	k.nonces.rival.keepDistance(now)
	k.sweep(now)
	return err
}

// proofFailed takes back what a proof has gone ahead, if the key isn't stored.
func (k *Keeper) proofFailed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.record.stored {
		k.nonces.forgetLead(k.clock())
	}
}

// SetTier keeps to another tier from now on. What was counted stays counted.
func (k *Keeper) SetTier(tier string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counter.setTier(tier, time.Now())
}

// The methods below need k.mu.

// wasAnswered notes that Kraken answered, whatever it said. A proof's answer may be another upstream's.
func (k *Keeper) wasAnswered(w *waiter, now time.Time) {
	if w.use.Proof {
		return
	}
	k.answered++
	k.slowest = max(now.Sub(w.began), k.slowest*7/8)
	k.outage = nil
	if k.troubles != nil {
		k.troubles.silent.ends(k, now, "Kraken can be reached again")
	}
}

// wasNotAnswered notes that Kraken gave no answer, or that it can't give one now.
func (k *Keeper) wasNotAnswered(w *waiter, now time.Time, cause *kraken.Error) {
	if w.use.Proof {
		return
	}
	if took := now.Sub(w.began); cause.Kind == kraken.KindTimeout && took < max(outageAfter, min(2*k.slowest, amplePatience)) {
		return // it had too little time
	}
	k.outage = k.outage.failed(w.ctx, w.use, w.began, now, cause, k.counter.limited())
	if k.outage.declared {
		k.inTrouble().silent.begins(k, k.outage.since, now, "Kraken can't be reached", "error", cause)
	}
}

// wasRefused draws the consequences of an answer that is no good one. It returns it as an answer.
func (k *Keeper) wasRefused(w *waiter, now time.Time, cause *kraken.Error, codeAgain bool) error {
	switch kind := cause.Kind; {
	case kind == kraken.KindRateLimited:
		told := k.hold(now, min(firstHold<<k.holdOff.count(), longestHold), cause)
		k.meets(w, now, told, told.RetryAfter)
		return told
	case kind == kraken.KindLockout:
		return k.hold(now, lockoutHold, cause)
	case kind == kraken.KindInvalidNonce:
		k.nonceRefused(now)
		if w.again = k.nonces.wasRefused(k.clock(), now); !w.again {
			err := &AheadError{Err: cause}
			k.refusals.remember(refused{}, w.use, now, err)
			return err
		}
	case codeAgain && (kind == kraken.KindInvalidKey || kind == kraken.KindInvalidSignature || kind == kraken.KindPermissionDenied):
		k.codes.singleUntil = now.Add(singleUseMemory)
		w.again = true
	case aboutMethod(kind):
		k.refusals.remember(refused{w.use.Credentials, w.use.Method}, w.use, now, cause)
	case isRefusal(kind):
		k.meets(w, now, cause, refusalMemory)
		k.refusals.remember(refused{w.use.Credentials, ""}, w.use, now, cause)
	}
	return cause
}

const (
	// A rate-limit answer holds the key back for firstHold, and each further one, until a call succeeds, for twice as long as the one before,
	// up to longestHold.
	firstHold   = 5 * time.Second
	longestHold = 15 * time.Minute
	// lockoutHold is how long Kraken's older pages say that a temporary lockout lasts. Calls made meanwhile make it last longer.
	lockoutHold = 15 * time.Minute
	// longestAsked bounds the hold that an answer may ask for, lest a broken gateway stop an account for days.
	longestAsked = time.Hour
	// mostHolds is where counting them ends, far past longestHold.
	mostHolds = 16
)

// hold makes no calls for a while, or for as long as the answer asks. It returns the answer, with that time as its RetryAfter.
//
// Like every wait here, it goes by the monotonic clock: a wall clock that is set on must not end it early, nor one that is set back make it
// longer. While the host sleeps it stands still, which costs time, but no call too many.
func (k *Keeper) hold(now time.Time, hold time.Duration, cause *kraken.Error) *kraken.Error {
	told := *cause
	told.RetryAfter = max(hold, min(cause.RetryAfter, longestAsked))
	k.holdOff = &holdOff{until: now.Add(told.RetryAfter), cause: &told, times: min(k.holdOff.count()+1, mostHolds)}
	troubles := k.inTrouble()
	if troubles.holdOffs == nil {
		troubles.holdOffs = map[string]uint64{}
	}
	troubles.holdOffs[cause.Kind.String()]++
	troubles.heldBack.begins(k, now, now, "the account is held back", "kind", cause.Kind, "for", told.RetryAfter, "error", cause)
	return &told
}

// meets has all keys of the upstream profit from what this one has met for so long, if that is about this host's address.
func (k *Keeper) meets(w *waiter, now time.Time, cause *kraken.Error, memory time.Duration) {
	if aboutAddress(cause) && k.teaches(w.use) {
		k.upstreams.met(w.use.Upstream, k.id, w.use.Account, cause, now, now.Add(memory))
	}
}

// teaches tells whether what comes of a call says anything about its upstream that others may believe.
func (k *Keeper) teaches(use Use) bool { return k.record.stored && !use.Proof }

// inTrouble is where the key's troubles are noted.
func (k *Keeper) inTrouble() *troubles {
	if k.troubles == nil {
		k.troubles = new(troubles)
	}
	return k.troubles
}

// nonceRefused counts a refused nonce, and has it logged.
func (k *Keeper) nonceRefused(now time.Time) {
	troubles := k.inTrouble()
	troubles.nonceRefusals++
	if times, log := troubles.refusedNonces.came(now); log {
		k.note(hclog.Warn, "Kraken refused a nonce: the API key is used elsewhere as well, or a clock was set back",
			"times", times, "ahead", k.nonces.ahead(k.clock()).Truncate(time.Millisecond))
	}
}
