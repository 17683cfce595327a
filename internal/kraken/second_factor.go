package kraken

import (
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"
)

// SecondFactor gives the "otp" parameter for a request made at a time. A nil SecondFactor is none.
type SecondFactor func(at time.Time) (string, error)

// Password is the static second factor of an API key that has a password as 2FA.
func Password(password string) SecondFactor {
	return func(time.Time) (string, error) { return password, nil }
}

// TOTPPeriod is how long one TOTP code is the current one.
const TOTPPeriod = 30 * time.Second

// minTOTPSeed is the least seed length in bytes that TOTP may have (RFC 4226, section 4, R6: 128 bits, but
// authenticators in the wild go down to 80).
const minTOTPSeed = 10

// TOTP is the second factor of an API key that has an authenticator app as 2FA: six digits, new every TOTPPeriod
// (RFC 6238, SHA-1). The seed is base32 as Kraken displays it; white space, case and missing padding don't matter.
// The error says what is wrong and holds nothing of the input.
func TOTP(seed string) (SecondFactor, error) {
	seed = strings.TrimRight(strings.ToUpper(strings.Join(strings.Fields(seed), "")), "=")
	decoded, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed)
	if err != nil {
		return nil, errors.New("is not base32 (letters A-Z and digits 2-7)")
	}
	if len(decoded) < minTOTPSeed {
		return nil, errors.New("is too short for an authenticator's seed (at least 16 base32 characters)")
	}
	return func(at time.Time) (string, error) { return totp.GenerateCode(seed, at) }, nil
}
