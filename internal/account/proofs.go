package account

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// longestProof is how long a proof may hold the turn of a key that the account doesn't have yet, or not any more.
const longestProof = 5 * time.Second

// prove has a token made by what would run, before anybody else uses it. It leaves what runs alone: it takes its place in the key's queue like any call, and
// holds the turn for half of the time that those behind it have.
func (w *write) prove(ctx context.Context) error {
	name := w.entry.name
	isStored := w.stored != nil && w.stored.credentials() == w.merged.credentials()
	if !w.beginProof() {
		return errOvertaken
	}
	defer w.endProof(w.fresh)
	if !isStored {
		if err := w.as.proofs.begin(name); err != nil {
			return err
		}
	}
	use := w.fresh.use(methodToken)
	use.Proof, use.Longest = true, longestProof
	if w.stored != nil && w.stored.APIKey == w.merged.APIKey && w.owner.Account == w.entry.name {
		use.Longest = w.stored.timeout() / 2
		use.Beside = !w.stored.samePlace(w.merged)
	}
	err := w.fresh.whileCurrent(ctx, time.Now(), func(ctx context.Context, a *Account) (err error) {
		w.token, err = a.askToken(ctx, use)
		return err
	})
	if !isStored {
		w.as.proofs.end(name, refusedByKraken(err))
	}
	if errors.Is(w.fresh.current.Err(), errReplaced) {
		w.giveUp()
		return errOvertaken // by a write that has disabled the account
	}
	if err != nil {
		return &ProofError{Err: err}
	}
	w.proved = true
	return nil
}

// beginProof notes that what would run is being proved, so that whoever disables the account can end that. It is false if what was read is old, or the
// mount is being closed.
func (w *write) beginProof() bool {
	w.as.mu.Lock()
	defer w.as.mu.Unlock()
	if w.entry.changes != w.seen || w.as.closed {
		return false
	}
	if w.entry.proving == nil {
		w.entry.proving = map[*Account]bool{}
	}
	w.entry.proving[w.fresh] = true
	return true
}

func (w *write) endProof(of *Account) {
	w.as.mu.Lock()
	defer w.as.mu.Unlock()
	if delete(w.entry.proving, of); len(w.entry.proving) == 0 {
		w.entry.proving = nil
	}
}

// refusedByKraken tells whether a proof is one that mustn't be repeated too often. A lockout is, though it passes: calls made meanwhile make it last longer, and
// other accounts may be in it.
func refusedByKraken(err error) bool {
	var failed *kraken.Error
	return errors.As(err, &failed) && !keeper.NotAsked(err) && (failed.Kind == kraken.KindLockout || !passes(err))
}

const (
	// Refused proofs of pairs that aren't stored are limited: a loop of bad writes must not lock out the account, nor this server's address at Kraken.
	proofsEach   = 5  // a minute for one account
	proofsAll    = 60 // a minute for the mount
	proofsMemory = time.Minute
)

// proofs limits the proofs that Kraken refuses, and with them the calls by pairs that were never proved. Proofs under way count as if they were refused, until it is known. Its methods may be called by any number of
// goroutines at once.
type proofs struct {
	mu       sync.Mutex // guards all below
	refused  []refusedProof
	underWay map[string]int // by account; those of use only
	all      int            // the sum of underWay
}

type refusedProof struct {
	account string
	at      time.Time
}

// begin lets a proof begin, or returns a *TooManyProofsError. What it has let begin must end.
func (p *proofs) begin(account string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.limit(account, time.Now(), p.underWay[account], p.all); err != nil {
		return err
	}
	p.underWay[account]++
	p.all++
	return nil
}

// tooMany is the error if so many refused proofs, the oldest first, and those under way reach a limit.
func tooMany(now time.Time, refused []refusedProof, underWay, limit int) *TooManyProofsError {
	excess := len(refused) + underWay - limit
	switch {
	case excess < 0:
		return nil
	case excess >= len(refused): // it depends on those under way
		return &TooManyProofsError{Wait: time.Second}
	default:
		return &TooManyProofsError{Wait: refused[excess].at.Add(proofsMemory).Sub(now)}
	}
}

// allow is a *keeper.HeldError where too many pairs were refused lately for an account's own unproved one to be asked about.
func (p *proofs) allow(account string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.limit(account, time.Now(), 0, 0); err != nil {
		return &keeper.HeldError{Wait: time.Duration(wholeSeconds(err.Wait)) * time.Second, Cause: errTooManyRefused}
	}
	return nil
}

var errTooManyRefused = errors.New("too many key pairs were refused by Kraken lately, and this one was never proved")

// note notes what came of a call by an account's unproved pair.
func (p *proofs) note(account string, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remember(account, refused)
}

// remember counts what was refused. p.mu is held.
func (p *proofs) remember(account string, refused bool) {
	if refused {
		p.refused = append(p.refused, refusedProof{account, time.Now()})
	}
}

// limit is the error where the refused proofs of an account or of all, and those under way, reach a limit; nil if they don't. p.mu is held.
func (p *proofs) limit(account string, now time.Time, ownUnderWay, allUnderWay int) *TooManyProofsError {
	p.refused = slices.DeleteFunc(p.refused, func(r refusedProof) bool { return now.Sub(r.at) >= proofsMemory })
	var own []refusedProof
	for _, r := range p.refused {
		if r.account == account {
			own = append(own, r)
		}
	}
	if err := tooMany(now, p.refused, allUnderWay, proofsAll); err != nil {
		return err
	}
	return tooMany(now, own, ownUnderWay, proofsEach)
}

// end notes how a proof has ended.
func (p *proofs) end(account string, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.underWay[account]--; p.underWay[account] == 0 {
		delete(p.underWay, account)
	}
	p.remember(account, refused)
}
