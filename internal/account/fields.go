package account

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// The names of a config's fields.
const (
	FieldAPIKey         = "api_key"
	FieldAPISecret      = "api_secret"
	FieldOTPPassword    = "otp_password"
	FieldTOTPSecret     = "totp_secret"
	FieldTwoFactor      = "two_factor"
	FieldAPIURL         = "api_url"
	FieldCACert         = "ca_cert"
	FieldRequestTimeout = "request_timeout"
	FieldCacheTTL       = "cache_ttl"
	FieldTier           = "tier"
	FieldVerify         = "verify"
)

// Type is the type of a field's value.
type Type int

const (
	Text    Type = iota // a string; white space around it is dropped
	Seconds             // a whole number of seconds, or a duration such as "5m"
	Bool
)

// Field describes a field of a config: what a write may give, what a read shows, and the rules between.
type Field struct {
	Name        string
	Type        Type
	Description string
	Title       string   // for a user interface; "": made of Name
	Multiline   bool     // for a user interface
	Required    bool     // in the first write
	Secret      bool     // never shown
	Default     any      // nil: the zero value
	Allowed     []string // all values there are; nil: any

	text    func(*Config) *string // where a Text is kept; nil: it isn't
	seconds func(*Config) *int    // where Seconds are kept
	shown   func(*Config) any     // instead of what is kept
	rule    func(*Config) error
}

// Given tells whether a write may give the field; one that isn't is only shown.
func (f *Field) Given() bool { return f.shown == nil }

// Shown tells whether a read shows the field.
func (f *Field) Shown() bool { return !f.Secret && f.Name != FieldVerify }

// value is what a read shows.
func (f *Field) value(c *Config) any {
	switch {
	case f.shown != nil:
		return f.shown(c)
	case f.Type == Seconds:
		return *f.seconds(c)
	default:
		return *f.text(c)
	}
}

const (
	defaultRequestTimeout = 10 * time.Second
	minRequestTimeout     = 1 * time.Second
	maxRequestTimeout     = 60 * time.Second
	// A token must be used within 15 minutes of its making; this leaves whoever gets an old one a minute to do so.
	maxCacheTTL = 14 * time.Minute

	// Kraken's API keys have 56 characters and its private keys 88; the bounds only keep nonsense out of the storage.
	maxAPIKeyLength = 256
	maxSecretLength = 1024
	maxURLLength    = 2048
	maxBundleLength = 512 << 10
)

const (
	apiKeyRemedy = "give the public key as Kraken displays it"
	secretRemedy = "give the private key as Kraken displays it, best from a file: api_secret=@FILE"
)

// Fields are all the fields of a config, in the order in which they are checked.
var Fields = []*Field{
	{
		Name: FieldAPIKey, Title: "API key", Required: true,
		Description: "Public key of the Kraken API key pair.",
		text:        func(c *Config) *string { return &c.APIKey },
		rule: func(c *Config) error {
			switch {
			case c.APIKey == "":
				return &FieldError{FieldAPIKey, "is missing", apiKeyRemedy}
			case len(c.APIKey) > maxAPIKeyLength:
				return tooLong(FieldAPIKey, len(c.APIKey), maxAPIKeyLength)
			case strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
				return &FieldError{FieldAPIKey, "holds white space, control or non-ASCII characters", apiKeyRemedy}
			}
			return nil
		},
	},
	{
		Name: FieldAPISecret, Title: "Private key", Required: true, Secret: true,
		Description: "Private key of the pair, base64 as Kraken displays it. Never returned. Changes only together with api_key. Best given from a file: api_secret=@FILE.",
		text:        func(c *Config) *string { return &c.APISecret },
		rule: func(c *Config) error {
			switch {
			case c.APISecret == "":
				return &FieldError{FieldAPISecret, "is missing", secretRemedy}
			case len(c.APISecret) > maxSecretLength:
				return tooLong(FieldAPISecret, len(c.APISecret), maxSecretLength)
			}
			if _, err := kraken.ParsePrivateKey(c.APISecret); err != nil {
				return &FieldError{FieldAPISecret, err.Error(), secretRemedy}
			}
			return nil
		},
	},
	{
		Name: FieldOTPPassword, Title: "2FA password", Secret: true,
		Description: "Password, where the API key has a static password as second factor. Never returned. An empty one drops it.",
		text:        func(c *Config) *string { return &c.OTPPassword },
		rule: func(c *Config) error {
			switch {
			case len(c.OTPPassword) > maxSecretLength:
				return tooLong(FieldOTPPassword, len(c.OTPPassword), maxSecretLength)
			case strings.ContainsFunc(c.OTPPassword, unicode.IsControl):
				return &FieldError{FieldOTPPassword, "holds control characters", "give the password as it was set for the API key"}
			}
			return nil
		},
	},
	{
		Name: FieldTOTPSecret, Title: "2FA authenticator seed", Secret: true,
		Description: "Base32 seed, where the API key has an authenticator as second factor. Never returned. Excludes otp_password. An empty one drops it.",
		text:        func(c *Config) *string { return &c.TOTPSecret },
		rule: func(c *Config) error {
			switch {
			case len(c.TOTPSecret) > maxSecretLength:
				return tooLong(FieldTOTPSecret, len(c.TOTPSecret), maxSecretLength)
			case c.TOTPSecret == "":
				return nil
			case c.OTPPassword != "":
				return &FieldError{FieldTOTPSecret, "excludes otp_password", `an API key has one second factor: drop the other one with otp_password="" or totp_secret=""`}
			}
			if _, err := kraken.TOTP(c.TOTPSecret); err != nil {
				return &FieldError{FieldTOTPSecret, err.Error(), "give the seed that Kraken showed beside the QR code"}
			}
			return nil
		},
	},
	{
		Name: FieldTwoFactor, Allowed: []string{"none", "password", "totp"},
		Description: "Second factor that is stored: none, password or totp.",
		shown:       func(c *Config) any { return c.twoFactor() },
	},
	{
		Name: FieldAPIURL, Title: "API URL", Default: kraken.DefaultURL,
		Description: "Where Kraken's REST API is: https, or http on a loopback host. Changes only in a write that carries the key pair.",
		text:        func(c *Config) *string { return &c.APIURL },
		rule: func(c *Config) error {
			normal, problem := normalURL(c.APIURL)
			if problem != "" {
				return &FieldError{FieldAPIURL, problem, "give https://HOST[:PORT][/PREFIX], as in " + kraken.DefaultURL}
			}
			c.APIURL = normal
			return nil
		},
	},
	{
		Name: FieldCACert, Title: "CA certificates", Multiline: true,
		Description: "PEM bundle of the CA certificates that verify a private gateway at api_url; without it, the system's. Changes only in a write that carries the key pair.",
		text:        func(c *Config) *string { return &c.CACert },
		rule: func(c *Config) error {
			switch {
			case len(c.CACert) > maxBundleLength:
				return tooLong(FieldCACert, len(c.CACert), maxBundleLength)
			case c.CACert == "":
				return nil
			}
			if _, err := kraken.ParseCertificates(c.CACert); err != nil {
				return &FieldError{FieldCACert, err.Error(), "give the gateway's CA certificates as PEM, best from a file: ca_cert=@FILE"}
			}
			return nil
		},
	},
	{
		Name: FieldRequestTimeout, Type: Seconds, Default: int(defaultRequestTimeout.Seconds()),
		Description: "How long one read may take, retries included: 1s to 60s.",
		seconds:     func(c *Config) *int { return &c.RequestTimeout },
		rule: func(c *Config) error {
			if c.timeout() < minRequestTimeout || c.timeout() > maxRequestTimeout {
				return &FieldError{FieldRequestTimeout, "is out of range", "give 1s to 60s"}
			}
			return nil
		},
	},
	{
		Name: FieldCacheTTL, Title: "Cache TTL", Type: Seconds, Default: 0,
		Description: "How old a token may be to be handed out again: 0 (every read mints its own) to 14m.",
		seconds:     func(c *Config) *int { return &c.CacheTTL },
		rule: func(c *Config) error {
			if c.cacheTTL() < 0 || c.cacheTTL() > maxCacheTTL {
				return &FieldError{FieldCacheTTL, "is out of range", "give 0 (no cache) to 14m"}
			}
			return nil
		},
	},
	{
		Name: FieldTier, Default: keeper.TierStarter, Allowed: keeper.Tiers(),
		Description: "Kraken tier of the account, whose API call counter the engine keeps to: starter, intermediate, pro, or none to keep to no limit.",
		text:        func(c *Config) *string { return &c.Tier },
		rule: func(c *Config) error {
			if !slices.Contains(keeper.Tiers(), c.Tier) {
				return &FieldError{FieldTier, "is none of Kraken's", "give starter, intermediate, pro, or none (no limit kept)"}
			}
			return nil
		},
	},
	{
		Name: FieldVerify, Type: Bool, Default: true,
		Description: "Prove the pair by getting a token from Kraken before storing it; by default, where the write brings credentials, api_url or ca_cert. Not stored.",
	},
}

func tooLong(field string, length, most int) error {
	return &FieldError{field, fmt.Sprintf("is %d bytes long", length), fmt.Sprintf("at most %d make sense", most)}
}

// Change is what a write gives.
type Change struct {
	texts   map[string]string
	seconds map[string]int
	verify  *bool // nil: not given
}

// ParseChange reads what a write gives, as it came from JSON or a command line. Names that aren't a field's are passed over. The error is a
// *FieldError, and quotes no value.
func ParseChange(raw map[string]any) (Change, error) {
	change := Change{texts: map[string]string{}, seconds: map[string]int{}}
	for _, field := range Fields {
		value, given := raw[field.Name]
		if !given || !field.Given() {
			continue
		}
		switch field.Type {
		case Text:
			text, ok := parseText(value)
			if !ok {
				return Change{}, &FieldError{field.Name, "is not text", "give one string"}
			}
			change.texts[field.Name] = text
		case Seconds:
			seconds, problem := parseSeconds(value)
			if problem != "" {
				return Change{}, &FieldError{field.Name, problem, "give whole seconds, as 30, or with a unit, as 30s or 5m"}
			}
			change.seconds[field.Name] = seconds
		case Bool:
			verify, err := strconv.ParseBool(fmt.Sprint(value))
			if err != nil {
				return Change{}, &FieldError{field.Name, "is neither true nor false", "give true or false"}
			}
			change.verify = &verify
		}
	}
	return change, nil
}

func parseText(value any) (text string, ok bool) {
	switch value := value.(type) {
	case nil:
		return "", true
	case string:
		// White space around a value comes from files and copying, and means nothing in any of these fields.
		return strings.TrimSpace(value), true
	case json.Number:
		return value.String(), true
	}
	return "", false
}

func parseSeconds(value any) (seconds int, problem string) {
	duration, err := parseutil.ParseDurationSecond(value)
	switch {
	case err != nil || value == nil || value == "":
		return 0, "is not a duration"
	case duration < 0:
		return 0, "is negative"
	case duration%time.Second != 0:
		return 0, "is not a number of whole seconds"
	}
	return int(duration / time.Second), ""
}

// gives tells whether the write gives any of these fields.
func (change Change) gives(fields ...string) bool {
	return slices.ContainsFunc(fields, func(field string) bool { _, ok := change.texts[field]; return ok })
}
