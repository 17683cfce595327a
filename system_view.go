package krakensecrets

import (
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock"
	"golang.org/x/sync/singleflight"
)

// replicationMemory is how long what Vault has said of this node's place in its cluster holds. The framework asks for it at each request, by a call over the
// plugin boundary, which costs a cached read a fifth of its throughput. A node that has become a standby or a secondary finds out within this time.
const replicationMemory = time.Second

// replicationPatience is how long a request waits for Vault's answer, which is a matter of microseconds. Without one, another node may be the one that answers.
const replicationPatience = 5 * time.Second

// systemView is Vault's view of itself, but asks for this node's place in its cluster once in a replicationMemory. Its methods may be called by any number of
// goroutines at once.
type systemView struct {
	logical.SystemView
	// stepsDown is called when it shows that another node has taken over. nil: nothing is.
	stepsDown func()
	asking    singleflight.Group
	place     atomic.Pointer[place] // the last answer; nil: there is none
}

// place is a node's place in its cluster.
type place struct {
	state consts.ReplicationState
	local bool      // the mount is this cluster's own
	at    time.Time // before Vault was asked
}

func newSystemView(vault logical.SystemView) *systemView { return &systemView{SystemView: vault} }

// ReplicationState is at most a replicationMemory old.
func (v *systemView) ReplicationState() consts.ReplicationState { return v.now().state }

// LocalMount never changes while the mount is there. It is asked for along with the state all the same: over the plugin boundary, an error looks like false.
func (v *systemView) LocalMount() bool { return v.now().local }

// passive tells whether another node answers requests, keeps the nonces and writes the storage.
func (v *systemView) passive() bool { return v.now().passive() }

func (p place) passive() bool {
	return p.state.HasState(consts.ReplicationPerformanceStandby) ||
		p.state.HasState(consts.ReplicationPerformanceSecondary) && !p.local ||
		p.state.HasState(consts.ReplicationDRSecondary)
}

func (v *systemView) now() place {
	known := v.place.Load()
	if known != nil && clock.Age(known.at, time.Now()) < replicationMemory {
		return *known
	}
	asked := v.asking.DoChan("", func() (any, error) {
		p := &place{at: time.Now()}
		p.state, p.local = v.SystemView.ReplicationState(), v.SystemView.LocalMount()
		if v.stepsDown != nil && p.passive() && known != nil && !known.passive() {
			v.stepsDown()
		}
		v.place.Store(p) // one that comes late is old already
		return *p, nil
	})
	patience := time.NewTimer(replicationPatience)
	defer patience.Stop()
	select {
	case answer := <-asked:
		return answer.Val.(place)
	case <-patience.C:
		v.asking.Forget("") // whoever comes next has Vault asked anew
		return place{state: consts.ReplicationPerformanceStandby}
	}
}
