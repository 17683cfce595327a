package krakensim

import (
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/feed"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// ExampleAPISecret is the private key of Kraken's own authentication guide. It opens no account; it is here because
// everybody can check its signatures against the guide.
const ExampleAPISecret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="

// ExampleAPIKey goes with [ExampleAPISecret]: made up, in the shape of Kraken's public keys (56 characters of the
// base64 alphabet).
const ExampleAPIKey = "EXAMPLE/KEY/OF/THE/KRAKEN/SIMULATOR/NOT/A/REAL/KEY/00000"

// A Key is an API key pair as an account holder makes it at Kraken. SingleUseCodes, DecayStep and CamelCase are no choices
// that Kraken offers. How it does there isn't known for sure, so a test may try either way.
type Key struct {
	APIKey    string `json:"api_key"`    // public key
	APISecret string `json:"api_secret"` // private key, base64 as Kraken issues it

	Name        string   `json:"name,omitempty"`        // its name, as GetApiKeyInfo tells it
	Permissions []string `json:"permissions,omitempty"` // see package permission; nil: permission.Default()

	// The second factor, at most one: a fixed password, or the base32 seed of an authenticator.
	OTPPassword string `json:"otp_password,omitempty"`
	TOTPSecret  string `json:"totp_secret,omitempty"`

	// SingleUseCodes takes an authenticator's code once (RFC 6238, section 5.2), and after it none of the same time or
	// of one before. A code is used up by a call that is signed well, whatever becomes of that call otherwise. Whether
	// Kraken does so isn't known.
	SingleUseCodes bool `json:"single_use_codes,omitempty"`

	Tier Tier `json:"tier,omitempty"`

	// DecayStep has the call counter decay at the clock's multiples of it, and stand still in between. Zero:
	// [DefaultDecayStep]. A nanosecond: it decays continuously.
	DecayStep time.Duration `json:"-"`

	// CamelCase has GetApiKeyInfo name its fields as Kraken's page does (validUntil), not as its API most likely does
	// (valid_until).
	CamelCase bool `json:"camel_case,omitempty"`

	ValidUntil time.Time `json:"valid_until,omitzero"` // zero: for ever; afterwards Kraken knows no such key
}

// Validate says what is wrong with the key. An Exchange takes an invalid key without complaint, and refuses every
// request that it signs. The error repeats no secret.
func (k Key) Validate() error {
	if k.APIKey == "" {
		return errors.New("the API key is empty")
	}
	if secret, err := base64.StdEncoding.DecodeString(k.APISecret); err != nil || len(secret) == 0 {
		return errors.New("the API secret isn't base64, the form in which Kraken issues it")
	}
	if k.OTPPassword != "" && k.TOTPSecret != "" {
		return errors.New("a key has one second factor: an OTP password or a TOTP secret, not both")
	}
	if k.TOTPSecret != "" {
		if _, err := totp.GenerateCode(k.TOTPSecret, time.Unix(0, 0)); err != nil {
			return errors.New("the TOTP secret isn't base32")
		}
	}
	if k.DecayStep < 0 {
		return errors.New("the decay step is negative")
	}
	if err := permission.Validate(k.Permissions); err != nil {
		return err
	}
	return k.Tier.validate()
}

func (k Key) permissions() []string {
	if k.Permissions == nil {
		return permission.Default()
	}
	return slices.Clone(k.Permissions)
}

// keyState is what the exchange knows of a public key. It outlives the key: one that is removed and set again goes on
// with its nonce and its counter.
type keyState struct {
	Key
	present  bool
	nonce    uint64
	lastCode uint64 // the step whose code was right last, of TOTPSecret
	counter  callCounter
	created  time.Time
	modified time.Time
	lastUsed time.Time
}

func (k *keyState) known(now time.Time) bool {
	return k != nil && k.present && (k.ValidUntil.IsZero() || now.Before(k.ValidUntil))
}

// holder is whom a WebSocket token of the key stands for.
func (k *keyState) holder() feed.Holder {
	limits := k.Tier.limits()
	return feed.Holder{APIKey: k.APIKey, Permissions: k.permissions(), MaxRateCount: limits.maxRateCount,
		RateDecay: limits.rateDecay}
}
