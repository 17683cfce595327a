package account

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Config is an account's configuration as it is stored: a key pair and how to use it. v0.1.0 stored the same. One that merge has
// made keeps to the rules of Fields; it doesn't change any more.
type Config struct {
	APIKey         string `json:"api_key"`
	APISecret      string `json:"api_secret"`
	OTPPassword    string `json:"otp_password,omitempty"`
	TOTPSecret     string `json:"totp_secret,omitempty"`
	APIURL         string `json:"api_url"`
	CACert         string `json:"ca_cert,omitempty"`
	RequestTimeout int    `json:"request_timeout"` // seconds
	CacheTTL       int    `json:"cache_ttl"`       // seconds
	Tier           string `json:"tier"`
}

// Shown is what a read of the config shows: everything but the secrets.
func (c *Config) Shown() map[string]any {
	shown := map[string]any{}
	for _, field := range Fields {
		if field.Shown() {
			shown[field.Name] = field.value(c)
		}
	}
	return shown
}

const pairRemedy = "give api_key and api_secret in one write"

// merge returns the config that a write makes of the stored one (nil: none yet): the fields given change, the rest stay. The
// error is a *FieldError.
func (c *Config) merge(change Change) (*Config, error) {
	created := c == nil
	if created {
		c = &Config{}
	}
	merged := *c
	for _, field := range Fields {
		switch {
		case field.text != nil:
			if text, given := change.texts[field.Name]; given {
				*field.text(&merged) = text
			} else if created && field.Default != nil {
				*field.text(&merged) = field.Default.(string)
			}
		case field.seconds != nil:
			if seconds, given := change.seconds[field.Name]; given {
				*field.seconds(&merged) = seconds
			} else if created && field.Default != nil {
				*field.seconds(&merged) = field.Default.(int)
			}
		}
	}
	for _, field := range Fields {
		if field.rule == nil {
			continue
		}
		if err := field.rule(&merged); err != nil {
			return nil, err
		}
	}
	if created {
		return &merged, nil
	}
	return &merged, c.checkPair(&merged, change)
}

// checkPair lets the two halves of a pair change only together, and the place where requests go only by the hand of someone who knows what is
// sent there. Else whoever may write the config, but doesn't know the secrets, could have signed requests and codes sent to a host of their own.
func (c *Config) checkPair(merged *Config, change Change) error {
	switch key, secret := change.gives(FieldAPIKey), change.gives(FieldAPISecret); {
	case key && !secret:
		return &FieldError{FieldAPIKey, "changes only together with api_secret", pairRemedy}
	case secret && !key:
		return &FieldError{FieldAPISecret, "changes only together with api_key", pairRemedy}
	}
	var moved string
	switch {
	case merged.APIURL != c.APIURL:
		moved = FieldAPIURL
	case merged.CACert != c.CACert:
		moved = FieldCACert
	default:
		return nil
	}
	if !change.gives(FieldAPIKey) {
		return &FieldError{moved, "changes only in a write that carries the key pair", pairRemedy + " with it"}
	}
	for field, stored := range map[string]string{FieldOTPPassword: c.OTPPassword, FieldTOTPSecret: c.TOTPSecret} { // one at most
		if stored != "" && !change.gives(field) {
			return &FieldError{moved, "changes only in a write that carries the second factor", fmt.Sprintf(`give %[1]s again, or %[1]s="" to drop it`, field)}
		}
	}
	return nil
}

// needsProof tells whether the write that makes a config of the stored one (nil: none yet) is to prove the pair first.
func (change Change) needsProof(stored, merged *Config) bool {
	if change.verify != nil {
		return *change.verify
	}
	return stored == nil || !stored.sameIdentity(merged)
}

// asksForProof tells whether the write says that the pair is to be proved.
func (change Change) asksForProof() bool { return change.verify != nil && *change.verify }

// sameIdentity tells whether two configs sign with the same credentials and send to the same place. All else may change while requests
// run.
func (c *Config) sameIdentity(other *Config) bool {
	return c.credentials() == other.credentials() && c.samePlace(other)
}

// samePlace tells whether two configs send to the same place.
func (c *Config) samePlace(other *Config) bool {
	return c.APIURL == other.APIURL && c.CACert == other.CACert
}

// credentials is the fingerprint of the pair and the second factor.
func (c *Config) credentials() keeper.Fingerprint {
	return fingerprint(c.APIKey, c.APISecret, c.OTPPassword, c.TOTPSecret)
}

// upstream names where requests go.
func (c *Config) upstream() string {
	place := fingerprint(c.APIURL, c.CACert)
	return string(place[:])
}

// withoutSecrets is the config without what is never shown. A text that is needed no more can't be wiped in Go, but it can be let go.
func (c *Config) withoutSecrets() *Config {
	kept := *c
	kept.APISecret, kept.OTPPassword, kept.TOTPSecret = "", "", ""
	return &kept
}

func fingerprint(parts ...string) (sum keeper.Fingerprint) {
	digest := sha256.New()
	for _, part := range parts {
		// With its length, so that no two lists of parts look alike.
		digest.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		digest.Write([]byte(part))
	}
	digest.Sum(sum[:0])
	return sum
}

func (c *Config) timeout() time.Duration  { return time.Duration(c.RequestTimeout) * time.Second }
func (c *Config) cacheTTL() time.Duration { return time.Duration(c.CacheTTL) * time.Second }

// twoFactor tells which second factor is stored, without showing it.
func (c *Config) twoFactor() string {
	switch {
	case c.OTPPassword != "":
		return "password"
	case c.TOTPSecret != "":
		return "totp"
	default:
		return "none"
	}
}

// secondFactor is what answers Kraken's second question, nil if there is none, and how often it changes, 0 if it doesn't.
func (c *Config) secondFactor() (factor kraken.SecondFactor, changes time.Duration, err error) {
	switch c.twoFactor() {
	case "password":
		return kraken.Password(c.OTPPassword), 0, nil
	case "totp":
		factor, err = kraken.TOTP(c.TOTPSecret)
		return factor, kraken.TOTPPeriod, err
	default:
		return nil, 0, nil
	}
}
