package control

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestItMisbehavesUntilItIsToldToBehave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.done("POST misbehave", `{"path":"GetWebSocketsToken","errors":["EService:Busy"],"latency":"2s","header":{"Retry-After":["1"]}}`)
		begin := time.Now()
		assert.Equal(t, []string{"EService:Busy"}, b.call(token).Error)
		assert.Equal(t, 2*time.Second, time.Since(begin))
		b.done("POST behave", "")
		assert.Empty(t, b.call(token).Error)
	})
}

func TestEachWayToMisbehaveIsTaken(t *testing.T) {
	b := newBench(t)
	for _, fault := range []string{
		`"status":200`, `"status":599`, `"times":1`, `"oversize":1`, `"body":"x","content_type":"text/plain"`, `"hang":true`, `"drop":true`, `"reset":true`,
		`"truncate":true`, `"go_away":true`, `"swallow":true`, `"cloudflare":1010`, `"refuse":true`, `"process":true,"drop":true`, `"times":1,"latency":"0s"`,
	} {
		b.done("POST misbehave", `{"path":"nobody's",`+fault+`}`)
	}
}
