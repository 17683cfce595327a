package control

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

func TestANonceIsUsed(t *testing.T) {
	b := newBench(t)
	b.done("PUT nonce", `{"api_key":"`+krakensim.ExampleAPIKey+`","nonce":18446744073709551614}`)
	assert.EqualValues(t, uint64(18446744073709551614), b.LastNonce(krakensim.ExampleAPIKey))
	b.done("PUT nonce", `{"api_key":"`+krakensim.ExampleAPIKey+`","nonce":0}`)
	assert.Zero(t, b.LastNonce(krakensim.ExampleAPIKey))
}

func TestAKeyComesAndGoes(t *testing.T) {
	b := newBench(t)
	b.done("DELETE key", `{"api_key":"`+krakensim.ExampleAPIKey+`"}`)
	assert.Equal(t, []string{"EAPI:Invalid key"}, b.call(token).Error)
	b.done("PUT key", exampleKey)
	assert.Empty(t, b.call(token).Error)
}

func TestAKeyIsAsItIsAskedFor(t *testing.T) {
	const seed = "JBSWY3DPEHPK3PXP"
	with := func(fields string) string { return strings.Replace(exampleKey, "{", "{"+fields+",", 1) }

	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.done("PUT key", with(`"name":"desk","valid_until":"2100-01-01T00:00:00Z","permissions":["query-funds"],"camel_case":true`))
		info := b.call("GetApiKeyInfo").Result
		assert.Equal(t, "desk", info["apiKeyName"])
		assert.Equal(t, "4102444800", info["validUntil"])
		assert.Equal(t, []any{"query-funds"}, info["permissions"])

		b.done("PUT key", with(`"otp_password":"sesame"`))
		assert.NotEmpty(t, b.call(token).Error)
		assert.Empty(t, b.call(token, "otp=sesame").Error)

		b.done("PUT key", with(`"totp_secret":"`+seed+`","single_use_codes":true`))
		code, err := totp.GenerateCode(seed, time.Now())
		require.NoError(t, err)
		assert.Empty(t, b.call(token, "otp="+code).Error)
		assert.NotEmpty(t, b.call(token, "otp="+code).Error)

		b.done("PUT key", with(`"tier":"pro","decay_step":"10s"`))
		for len(b.call(token).Error) == 0 {
		}
		time.Sleep(9 * time.Second)
		assert.Equal(t, []string{"EAPI:Rate limit exceeded"}, b.call(token).Error)
		time.Sleep(time.Second)
		assert.Empty(t, b.call(token).Error)
	})
}
