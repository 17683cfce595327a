package keeper

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// BenchmarkHold is what a config write of a new key costs while so many idle keepers still know something.
func BenchmarkHold(b *testing.B) {
	for _, idle := range []int{0, mostIdle} {
		b.Run(fmt.Sprintf("idle=%d", idle), func(b *testing.B) {
			ks := NewKeepers(time.Now, hclog.NewNullLogger())
			defer ks.Close()
			for n := range idle {
				k, err := ks.Hold("idle "+strconv.Itoa(n), &fakeStore{})
				if err != nil {
					b.Fatal(err)
				}
				k.hold(time.Now(), time.Hour, &kraken.Error{Kind: kraken.KindLockout, Sent: true})
				k.users, ks.idle[k.id] = 0, k
			}
			for n := 0; b.Loop(); n++ {
				k, err := ks.Hold(strconv.Itoa(n), &fakeStore{})
				if err != nil {
					b.Fatal(err)
				}
				ks.Release(k)
			}
		})
	}
}
