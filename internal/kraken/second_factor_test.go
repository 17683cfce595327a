package kraken

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rfcSeed is the seed of RFC 6238's test vectors, "12345678901234567890" in base32.
const rfcSeed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

func TestTOTP(t *testing.T) {
	for name, seed := range map[string]string{
		"as displayed":     rfcSeed,
		"in groups":        "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
		"white space":      "\n" + rfcSeed + " \t",
		"needless padding": rfcSeed + "======",
	} {
		t.Run(name, func(t *testing.T) {
			factor, err := TOTP(seed)
			require.NoError(t, err)
			// The last six digits of RFC 6238's SHA-1 vectors.
			for seconds, want := range map[int64]string{59: "287082", 1111111109: "081804", 2000000000: "279037"} {
				code, err := factor(time.Unix(seconds, 0))
				require.NoError(t, err)
				assert.Equal(t, want, code)
			}
		})
	}
}

func TestTheShortestTOTPSeed(t *testing.T) {
	_, err := TOTP("GEZDGNBVGY3TQOJQ") // 80 bits
	assert.NoError(t, err)
	_, err = TOTP("GEZDGNBVGY3TQOI") // 75
	assert.ErrorContains(t, err, "too short")
}

func TestBadTOTPSeeds(t *testing.T) {
	for name, test := range map[string]struct{ seed, wantErr string }{
		"empty":                {"", "is too short for an authenticator's seed (at least 16 base32 characters)"},
		"short":                {"GEZDGNBV", "is too short for an authenticator's seed (at least 16 base32 characters)"},
		"a code, not the seed": {"287082", "is not base32 (letters A-Z and digits 2-7)"},
		"digits that aren't":   {strings.Repeat("0189", 8), "is not base32 (letters A-Z and digits 2-7)"},
		"an otpauth URL":       {"otpauth://totp/Kraken?secret=" + rfcSeed, "is not base32 (letters A-Z and digits 2-7)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := TOTP(test.seed)
			assert.EqualError(t, err, test.wantErr)
		})
	}
}

func TestPassword(t *testing.T) {
	code, err := Password("a static one")(time.Now())
	require.NoError(t, err)
	assert.Equal(t, "a static one", code)
}
