package kraken

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exampleSecret is the private key of Kraken's authentication guide.
const exampleSecret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="

func TestSign(t *testing.T) {
	for name, test := range map[string]struct{ path, nonce, body, want string }{
		"the known answer of Kraken's authentication guide": {
			"/0/private/AddOrder", "1616492376594",
			"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25",
			"4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==",
		},
		// What Kraken's Python example for GetWebSocketsToken computes for these nonces.
		"Kraken's example program, in milliseconds": {
			"/0/private/GetWebSocketsToken", "1616492376594", "nonce=1616492376594",
			"+mRDmY9Ks0Moc1zjv/BjfvYa98buO0x1yHChZR5onlfAzAUbfIYlLggUZzdQ0RsmXm4Sh+Q8iAIZdo2wSeHeiA==",
		},
		"Kraken's example program, the highest nonce": {
			"/0/private/GetWebSocketsToken", "18446744073709551615", "nonce=18446744073709551615",
			"Y7CbCLfOyOqebtbaLkXdcWW7emFH9PHNRZqhItnEDbusaYzLVgyps/mFOF/IV2MIRoJJcuifj+SKKETfg4ipow==",
		},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ParsePrivateKey(exampleSecret)
			require.NoError(t, err)
			assert.Equal(t, test.want, key.Sign(test.path, test.nonce, []byte(test.body)))
		})
	}
}

func TestParsePrivateKey(t *testing.T) {
	for name, test := range map[string]struct{ text, wantErr string }{
		"as Kraken displays it":        {exampleSecret, ""},
		"white space around it":        {"\r\n\t " + exampleSecret + " \n", ""},
		"empty":                        {"", "is empty"},
		"white space only":             {" \n", "is empty"},
		"not base64":                   {"kQH5HW/8p1uGOV!!", "is not base64"},
		"without its padding":          {strings.TrimRight(exampleSecret, "="), "is not base64"},
		"URL-safe base64":              {strings.ReplaceAll(exampleSecret, "/", "_"), "is not base64"},
		"stray bits after the last 8":  {"AB==", "is not base64"},
		"two keys in one":              {exampleSecret + exampleSecret, "is not base64"},
		"a control character in it":    {"kQH5\x00HW/8p1uG", "is not base64"},
		"a non-ASCII letter inside it": {"kQH5ä8p1", "is not base64"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePrivateKey(test.text)
			if test.wantErr == "" {
				require.NoError(t, err)
				return
			}
			assert.EqualError(t, err, test.wantErr)
		})
	}
}

func TestPrivateKeyIsNeverPrinted(t *testing.T) {
	key, err := ParsePrivateKey(exampleSecret)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{key, &key, Client{PrivateKey: key}, []PrivateKey{key}} {
			assert.NotContains(t, fmt.Sprintf(verb, value), "145 1 249", verb) // the key's first bytes
			assert.NotContains(t, fmt.Sprintf(verb, value), "9101f91d", verb)
		}
		assert.Equal(t, "[private key]", fmt.Sprintf(verb, key))
	}
}

// FuzzSign checks for any input what a signature is made of: each part counts, and it is deterministic.
func FuzzSign(f *testing.F) {
	f.Add("/0/private/GetWebSocketsToken", "1616492376594", []byte("nonce=1616492376594"))
	f.Add("", "", []byte{})
	key, err := ParsePrivateKey(exampleSecret)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, path, nonce string, body []byte) {
		signature := key.Sign(path, nonce, body)
		assert.Len(t, signature, 88)
		assert.Equal(t, signature, key.Sign(path, nonce, body))
		assert.NotEqual(t, signature, key.Sign(path+"/", nonce, body))
		assert.NotEqual(t, signature, key.Sign(path, nonce, append(slices.Clip(body), 0)))
	})
}

// TestSignaturesMadeAtOnce are each as crypto/hmac makes it, whatever the length of the key.
func TestSignaturesMadeAtOnce(t *testing.T) {
	var group sync.WaitGroup
	for _, length := range []int{0, 1, 64, 128, 129, 1000} {
		key := PrivateKey{secret: bytes.Repeat([]byte{byte(length)}, length)}
		for i := range 100 {
			group.Go(func() {
				path, nonce, body := strings.Repeat("/", i), fmt.Sprint(i), make([]byte, i*i)
				digest := sha256.Sum256(append([]byte(nonce), body...))
				mac := hmac.New(sha512.New, key.secret)
				mac.Write(append([]byte(path), digest[:]...))
				assert.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), key.Sign(path, nonce, body))
			})
		}
	}
	group.Wait()
}

// benchmarkPath is the path that is signed for a token.
const benchmarkPath = "/0/private/GetWebSocketsToken"

// BenchmarkSign is one signature. Its yardstick is BenchmarkTwoHMACs.
func BenchmarkSign(b *testing.B) {
	key, err := ParsePrivateKey(exampleSecret)
	require.NoError(b, err)
	body := []byte("nonce=1616492376594000000")
	b.ReportAllocs()
	for b.Loop() {
		key.Sign(benchmarkPath, "1616492376594000000", body)
	}
}

// BenchmarkTwoHMACs is twice the HMAC-SHA512 of as many bytes as a signature is of, with a key of the same length.
func BenchmarkTwoHMACs(b *testing.B) {
	key, err := ParsePrivateKey(exampleSecret)
	require.NoError(b, err)
	message := make([]byte, len(benchmarkPath)+sha256.Size)
	b.ReportAllocs()
	for b.Loop() {
		for range 2 {
			mac := hmac.New(sha512.New, key.secret)
			mac.Write(message)
			mac.Sum(nil)
		}
	}
}
