package account

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
	"unique"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Config is an account's configuration as it is stored: a key pair and how to use it. One that merge has made keeps to the rules of Fields;
// it doesn't change any more. What v0.1.0 stored lacks some fields: see Read.
type Config struct {
	APIKey         string `json:"api_key"`
	APISecret      string `json:"api_secret"`
	OTPPassword    string `json:"otp_password,omitempty"`
	TOTPSecret     string `json:"totp_secret,omitempty"`
	PairWrittenAt  string `json:"pair_written_at,omitempty"` // RFC 3339
	APIURL         string `json:"api_url"`
	WebSocketURL   string `json:"websocket_url"`
	CACert         string `json:"ca_cert,omitempty"`
	RequestTimeout int    `json:"request_timeout"` // seconds
	CacheTTL       int    `json:"cache_ttl"`       // seconds
	Tier           string `json:"tier"`
	Disabled       bool   `json:"disabled,omitempty"`
}

// Shown is what a read of the config shows: everything but the secrets.
func (c *Config) Shown() map[string]any {
	shown := map[string]any{}
	for _, field := range Fields {
		if !field.Shown() || field.hidden != nil && field.hidden(c) {
			continue
		}
		if value := field.value(c); value != nil {
			shown[field.Name] = value
		}
	}
	return shown
}

const pairRemedy = "give api_key and api_secret in one write"

// merge returns the config that a write, made at a time, makes of the stored one (nil: none yet): the fields given change, the rest stay.
// A write that carries the pair sets the credentials as a whole: a second factor that it doesn't name is dropped. The error is a *FieldError.
func (c *Config) merge(change Change, now time.Time) (*Config, error) {
	created := c == nil
	if created {
		c = &Config{}
	}
	merged := *c
	if change.carriesPair() {
		merged.OTPPassword, merged.TOTPSecret = "", ""
	}
	for _, field := range Fields {
		switch {
		case field.text != nil:
			set(field.text(&merged), change.texts, field, created)
		case field.seconds != nil:
			set(field.seconds(&merged), change.seconds, field, created)
		case field.flag != nil:
			set(field.flag(&merged), change.flags, field, created)
		}
	}
	for _, field := range Fields {
		// What an older version stored doesn't stand in the way of other fields, disabled above all.
		if field.rule == nil || !created && !change.carriesPair() && !change.changes(field, c, &merged) {
			continue
		}
		if err := field.rule(&merged); err != nil {
			return nil, err
		}
	}
	if merged.APIKey != c.APIKey || merged.APISecret != c.APISecret {
		merged.PairWrittenAt = now.UTC().Format(time.RFC3339)
	}
	if change.asksForProof() && merged.Disabled {
		return nil, &FieldError{FieldVerify, "is true, but a disabled account asks Kraken nothing", "leave it out, or enable the account with disabled=false"}
	}
	if created {
		return &merged, nil
	}
	return &merged, c.checkPair(&merged, change)
}

// changes tells whether the write gives another value of a field, or of one that excludes it.
func (change Change) changes(field *Field, stored, merged *Config) bool {
	if field.Name == FieldTOTPSecret && stored.OTPPassword != merged.OTPPassword {
		return true
	}
	return field.value(stored) != field.value(merged)
}

// set gives what is kept of a field the value given, or in a first write the default.
func set[T any](kept *T, given map[string]T, field *Field, created bool) {
	if value, ok := given[field.Name]; ok {
		*kept = value
	} else if created && field.Default != nil {
		*kept = field.Default.(T)
	}
}

// checkPair lets the two halves of a pair change only together, and the places where requests and tokens go only by the hand of someone who knows
// what is sent there. Else whoever may write the config, but doesn't know the secrets, could have them sent to a host of their own.
func (c *Config) checkPair(merged *Config, change Change) error {
	switch key, secret := change.gives(FieldAPIKey), change.gives(FieldAPISecret); {
	case key && !secret:
		return &FieldError{FieldAPIKey, "changes only together with api_secret", pairRemedy}
	case secret && !key:
		return &FieldError{FieldAPISecret, "changes only together with api_key", pairRemedy}
	case key:
		return nil
	}
	const problem, remedy = "changes only in a write that carries the key pair", pairRemedy + " with it"
	switch {
	case merged.APIURL != c.APIURL:
		return &FieldError{FieldAPIURL, problem, remedy}
	case merged.CACert != c.CACert:
		return &FieldError{FieldCACert, problem, remedy}
	case merged.WebSocketURL != c.WebSocketURL:
		return &FieldError{FieldWebSocketURL, problem, remedy}
	}
	return nil
}

// needsProof tells whether the write that makes a config of the stored one (nil: none yet) is to prove the pair first.
func (change Change) needsProof(stored, merged *Config) bool {
	if verify, given := change.flags[FieldVerify]; given {
		return verify
	}
	return !merged.Disabled && (stored == nil || !stored.sameIdentity(merged))
}

// asksForProof tells whether the write says that the pair is to be proved.
func (change Change) asksForProof() bool { return change.flags[FieldVerify] }

// sameIdentity tells whether two configs sign with the same credentials and send to the same place. What proves the one proves the other.
func (c *Config) sameIdentity(other *Config) bool {
	return c.credentials() == other.credentials() && c.samePlace(other)
}

// samePlace tells whether two configs send to the same place.
func (c *Config) samePlace(other *Config) bool {
	return c.APIURL == other.APIURL && c.CACert == other.CACert
}

// PrivateKeyBytes is how long the private key is; 0 if it can't be read.
func (c *Config) PrivateKeyBytes() int {
	key, _ := kraken.ParsePrivateKey(c.APISecret)
	return key.Len()
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

// changed are the names of the fields that another config has other values of; all that it has if there is none to compare with.
func (c *Config) changed(other *Config) (names []string) {
	if c == nil {
		c = &Config{}
	}
	for _, field := range Fields {
		if field.kept() && field.value(c) != field.value(other) {
			names = append(names, field.Name)
		}
	}
	return names
}

// settings are what an account needs of its config while it runs. They don't change.
type settings struct {
	apiKey, apiURL, webSocketURL, tier string
	timeout, cacheTTL                  time.Duration
	disabled                           bool
}

// settings are those of the config. They hold no secrets: a text that is needed no more can't be wiped in Go, but it can be let go.
func (c *Config) settings() *settings {
	return &settings{
		apiKey: c.APIKey, apiURL: shared(c.APIURL), webSocketURL: shared(c.WebSocketURL), tier: shared(c.Tier),
		timeout: c.timeout(), cacheTTL: c.cacheTTL(), disabled: c.Disabled,
	}
}

// shared is a text that most accounts have the same of, and keep once.
func shared(text string) string { return unique.Make(text).Value() }

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
