package krakensim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestACodeMayBeGoodForOneCall(t *testing.T) {
	const seed = "JBSWY3DPEHPK3PXP"
	for _, singleUse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			key := exampleKey
			key.TOTPSecret, key.SingleUseCodes = seed, singleUse
			x := New(key)
			code := func() string {
				code, err := totp.GenerateCode(seed, time.Now())
				require.NoError(t, err)
				return code
			}
			call := func(nonce uint64, code string) []string {
				q := newRequest(tokenPath, nonce)
				q.body += "&" + form("otp", code)
				return q.do(t, x.Transport()).Error
			}
			again := []string(nil)
			if singleUse {
				again = []string{"EAPI:Invalid signature"}
			}
			first := code()
			require.Empty(t, call(1, first))
			assert.ElementsMatch(t, again, call(2, first))
			assert.ElementsMatch(t, again, call(3, first+" "), "the same code in other words")
			time.Sleep(30 * time.Second)
			assert.ElementsMatch(t, again, call(4, first), "while it would be right")
			require.Empty(t, call(5, code()))

			time.Sleep(30 * time.Second)
			assert.Equal(t, []string{"EAPI:Invalid nonce"}, call(5, code()))
			assert.ElementsMatch(t, again, call(6, code()), "it was right, if not the nonce")
			time.Sleep(2 * time.Minute)
			require.Empty(t, call(7, code()))
			if singleUse {
				assert.Len(t, x.keys[ExampleAPIKey].codes, 1, "old ones are forgotten")
			}
		})
	}
}

func TestACodeForAKeyWithoutSecondFactorIsIgnored(t *testing.T) {
	q := newRequest(tokenPath, 1)
	q.body += "&otp=123456"
	key := exampleKey
	key.SingleUseCodes = true
	x := New(key)
	assert.Empty(t, q.do(t, x.Transport()).Error)
}
