package krakensecrets

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cluster is Vault's view of a node whose place changes. It counts how often it is asked.
type cluster struct {
	*logical.StaticSystemView
	state atomic.Uint32 // a consts.ReplicationState
	local atomic.Bool
	asked atomic.Int64
	takes time.Duration // until an answer
}

func (c *cluster) ReplicationState() consts.ReplicationState {
	c.asked.Add(1)
	time.Sleep(c.takes)
	return consts.ReplicationState(c.state.Load())
}

func (c *cluster) LocalMount() bool {
	c.asked.Add(1)
	return c.local.Load()
}

func (c *cluster) becomes(state consts.ReplicationState) { c.state.Store(uint32(state)) }

// TestACachedReadCallsBackNobody: neither Vault, nor its storage, nor Kraken.
func TestACachedReadCallsBackNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", map[string]any{account.FieldCacheTTL: "5m"})
		e.mustRead("ws-token")
		e.takeEvents()
		calls, asked, gets, puts := e.calls(), e.system.asked.Load(), e.storage.gets.Load(), e.storage.puts.Load()
		for range 100 {
			assert.Equal(t, true, e.mustRead("ws-token")[fieldCached])
		}
		assert.Equal(t, calls, e.calls(), "calls to Kraken")
		assert.Equal(t, asked, e.system.asked.Load(), "questions to Vault")
		assert.Equal(t, gets, e.storage.gets.Load(), "reads of the storage")
		assert.Equal(t, puts, e.storage.puts.Load(), "writes to the storage")
		assert.Empty(t, e.takeEvents())
	})
}

func TestVaultIsAskedOnceASecondForTheNodesPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{takes: 10 * time.Millisecond}
		view := newSystemView(c)
		var group sync.WaitGroup
		for range 50 { // at once: one asks for all
			group.Go(func() { view.ReplicationState() })
		}
		group.Wait()
		for range 99 {
			time.Sleep(100 * time.Millisecond)
			view.LocalMount()
		}
		assert.LessOrEqual(t, c.asked.Load(), int64(2*10))
	})
}

// TestANodeThatStepsDown is about the second in which a node doesn't know yet that another one answers in its place, and about what comes after it.
func TestANodeThatStepsDown(t *testing.T) {
	for _, test := range []struct {
		name    string
		becomes consts.ReplicationState
		local   bool
		passive bool
	}{
		{"a standby", consts.ReplicationPerformanceStandby, false, true},
		{"a standby with a local mount", consts.ReplicationPerformanceStandby, true, true},
		{"a secondary", consts.ReplicationPerformanceSecondary, false, true},
		{"a secondary with a local mount, which is its own", consts.ReplicationPerformanceSecondary, true, false},
		{"a primary", consts.ReplicationPerformancePrimary, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t, exampleKey, secondKey)
				e.system.local.Store(test.local)
				e.configure("", nil)
				e.configure("cached", map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret, account.FieldCacheTTL: "5m"})
				e.mustRead("ws-token/cached")
				e.mustRead("ws-token")
				e.system.becomes(test.becomes)
				e.storage.readOnly.Store(test.passive)

				puts := e.storage.puts.Load()
				e.mustRead("ws-token/cached")
				e.mustRead("ws-token") // by a nonce that it had reserved: all that the other node uses are above
				assert.Equal(t, puts, e.storage.puts.Load(), "a read in that second writes nothing")

				time.Sleep(replicationMemory)
				calls := e.calls()
				for _, path := range []string{"ws-token", "ws-token/cached", "key-info"} {
					_, err := e.read(path)
					assert.Equal(t, test.passive, errors.Is(err, logical.ErrReadOnly), "%s: %v", path, err)
				}
				if test.passive {
					assert.ErrorIs(t, e.writeOnly("ws-token", nil), logical.ErrReadOnly)
					assert.ErrorIs(t, e.writeOnly("config", e.pair(nil)), logical.ErrReadOnly)
					assert.ErrorIs(t, e.delete("config"), logical.ErrReadOnly)
					assert.Equal(t, calls, e.calls(), "calls to Kraken")
					assert.Equal(t, puts, e.storage.puts.Load(), "writes to the storage")
					status, err := e.backend.accounts.Status(t.Context(), e.storage, "")
					require.NoError(t, err)
					assert.Empty(t, status.FailedReads, "Vault has another node answer, so none has failed")
				}
			})
		})
	}
}

// TestWhatIsUnderWayWhenANodeStepsDownAsksNoMore: readers who wait, or who pause between two tries, are answered by the other node.
func TestWhatIsUnderWayWhenANodeStepsDownAsksNoMore(t *testing.T) {
	for name, becomes := range map[string]consts.ReplicationState{
		"a standby": consts.ReplicationPerformanceStandby, "a secondary": consts.ReplicationPerformanceSecondary, "a DR secondary": consts.ReplicationDRSecondary,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.configure("", map[string]any{account.FieldRequestTimeout: 55})
				e.sim.Misbehave(says("EService:Busy"))
				outcomes := e.herd(5)
				e.system.becomes(becomes)
				time.Sleep(replicationMemory)
				calls, puts := e.calls(), e.storage.puts.Load()
				for _, outcome := range outcomes() {
					assert.Equal(t, logical.ErrReadOnly, outcome.err)
					assert.Less(t, outcome.after, 10*time.Second)
				}
				assert.Equal(t, calls, e.calls())
				assert.Equal(t, puts, e.storage.puts.Load())
			})
		})
	}
}

// mintByAnotherNode has another node, whose clock is 40 s ahead, mint a token by the same storage.
func (e *engine) mintByAnotherNode() {
	e.t.Helper()
	other := *e
	other.system = &cluster{StaticSystemView: logical.TestSystemView()}
	other.options.Clock = func() time.Time { return time.Now().Add(40 * time.Second) }
	other.start()
	other.mustRead("ws-token")
	other.backend.Cleanup(context.Background())
}

// TestANodeThatIsActiveAgainKeepsNoNonceOfItsFirstTime, for the other node has used higher ones.
func TestANodeThatIsActiveAgainKeepsNoNonceOfItsFirstTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", map[string]any{account.FieldRequestTimeout: 55})
		e.mustRead("ws-token")
		e.sim.Misbehave(says("EService:Busy"))
		outcomes := e.herd(1)
		e.system.becomes(consts.ReplicationPerformanceStandby)
		require.ErrorIs(t, outcomes()[0].err, logical.ErrReadOnly)

		e.sim.Behave()
		e.mintByAnotherNode()
		e.system.becomes(consts.ReplicationPerformancePrimary)
		time.Sleep(replicationMemory)
		calls := e.calls()
		e.mustRead("ws-token")
		assert.Equal(t, calls+1, e.calls(), "no nonce is refused, though nobody has told this node that the record was changed")
	})
}

// TestAReadThatNeedsTheStorageOfANodeThatStepsDownIsForwarded, though over the plugin boundary the storage's error is no more than a text.
func TestAReadThatNeedsTheStorageOfANodeThatStepsDownIsForwarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.mustRead("ws-token")
		time.Sleep(5 * time.Minute) // past what is reserved
		e.backend.System().ReplicationState()
		e.takeEvents()
		e.system.becomes(consts.ReplicationPerformanceStandby)
		e.storage.readOnly.Store(true)
		_, err := e.read("ws-token")
		assert.Equal(t, logical.ErrReadOnly, err)
		assert.Empty(t, e.takeEvents(), "another node answers, so it is no failure")
		assert.Equal(t, logical.ErrReadOnly, e.writeOnly("config", e.pair(map[string]any{account.FieldVerify: false, account.FieldRequestTimeout: 20})))
		assert.Equal(t, logical.ErrReadOnly, e.delete("config"))
		assert.Empty(t, e.takeEvents())
	})
}

// TestANodeThatWasAStandbyForgetsTheNoncesOfAllKeys, whether somebody waited when it stepped down or not.
func TestANodeThatWasAStandbyForgetsTheNoncesOfAllKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.mustRead("ws-token")
		e.system.becomes(consts.ReplicationPerformanceStandby)
		time.Sleep(replicationMemory)
		_, err := e.read("ws-token")
		require.ErrorIs(t, err, logical.ErrReadOnly)

		e.mintByAnotherNode()
		e.system.becomes(consts.ReplicationPerformancePrimary)
		time.Sleep(replicationMemory)
		calls := e.calls()
		e.mustRead("ws-token")
		assert.Equal(t, calls+1, e.calls(), "no nonce is refused")
	})
}

// lostAnswer is Vault's view of a node whose first answer never comes.
type lostAnswer struct {
	cluster
	never chan struct{}
}

func (l *lostAnswer) ReplicationState() consts.ReplicationState {
	if l.asked.Add(1) == 1 {
		<-l.never
	}
	return consts.ReplicationState(l.state.Load())
}

// TestAnAnswerOfVaultsThatIsLostDoesNotHoldUpAllReads: who asks later has Vault asked anew.
func TestAnAnswerOfVaultsThatIsLostDoesNotHoldUpAllReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lostAnswer{never: make(chan struct{})}
		view := newSystemView(l)
		go view.ReplicationState()
		synctest.Wait()
		var answered atomic.Int64
		for range 3 {
			go func() {
				view.ReplicationState()
				answered.Add(1)
			}()
		}
		time.Sleep(time.Minute)
		assert.EqualValues(t, 3, answered.Load())
		assert.False(t, view.passive(), "it is known again")
		close(l.never)
	})
}

// TestAMountWithoutAViewOfVault is what a test of somebody else's has.
func TestAMountWithoutAViewOfVault(t *testing.T) {
	conf := logical.TestBackendConfig()
	conf.System = nil
	conf.StorageView = &logical.InmemStorage{}
	b, err := Factory(t.Context(), conf)
	require.NoError(t, err)
	defer b.Cleanup(context.Background())
	_, err = b.HandleRequest(t.Context(), &logical.Request{Operation: logical.ReadOperation, Path: "ws-token", Storage: conf.StorageView})
	assert.ErrorContains(t, err, "configured")
}
