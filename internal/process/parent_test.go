package process

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheProcessEndsWithItsParent(t *testing.T) {
	for name, test := range map[string]struct {
		self, parent int
		becomes      int
		ends         bool
	}{
		"init takes over":                        {self: 7, parent: 5, becomes: 1, ends: true},
		"a subreaper takes over":                 {self: 7, parent: 5, becomes: 3, ends: true},
		"who takes over is outside":              {self: 7, parent: 5, becomes: 0, ends: true},
		"the parent stays":                       {self: 7, parent: 5, becomes: 5},
		"a container's first process":            {self: 1, parent: 0, becomes: 9},
		"a process whose parent is outside":      {self: 7, parent: 0, becomes: 9},
		"the parent is a container's first":      {self: 7, parent: 1, becomes: 9},
		"a first process whose parent is inside": {self: 1, parent: 5, becomes: 9},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, began := test.parent, time.Now()
				var gone time.Time
				stop := time.Now().Add(time.Hour) // of what would go on for good
				watch(test.self, test.parent, func() int {
					if time.Since(began) >= 90*time.Second {
						parent = test.becomes
					}
					if !time.Now().Before(stop) {
						return -1
					}
					return parent
				}, func() { gone = time.Now() })
				switch {
				case test.ends:
					assert.Equal(t, 90*time.Second, gone.Sub(began))
				case test.self == 1 || test.parent <= 1:
					assert.Zero(t, gone)
					assert.Equal(t, began, time.Now(), "there is nothing to watch")
				default:
					assert.Equal(t, stop, gone, "it was ended before")
				}
			})
		})
	}
}
