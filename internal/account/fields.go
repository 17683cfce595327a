package account

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

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
	FieldPairWrittenAt  = "pair_written_at"
	FieldAPIURL         = "api_url"
	FieldWebSocketURL   = "websocket_url"
	FieldCACert         = "ca_cert"
	FieldRequestTimeout = "request_timeout"
	FieldCacheTTL       = "cache_ttl"
	FieldTier           = "tier"
	FieldDisabled       = "disabled"
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
	flag    func(*Config) *bool   // where a Bool is kept; nil: it isn't
	shown   func(*Config) any     // instead of what is kept; nil of it: nothing
	hidden  func(*Config) bool    // it isn't shown, though the field is; nil: it is
	rule    func(*Config) error
}

// Given tells whether a write may give the field; one that isn't is only shown.
func (f *Field) Given() bool { return f.shown == nil }

// Shown tells whether a read shows the field.
func (f *Field) Shown() bool { return !f.Secret && f.Name != FieldVerify }

// kept tells whether a config keeps what a write gives of the field.
func (f *Field) kept() bool { return f.text != nil || f.seconds != nil || f.flag != nil }

// value is what a read shows, or would show of a secret.
func (f *Field) value(c *Config) any {
	switch {
	case f.shown != nil:
		return f.shown(c)
	case f.Type == Seconds:
		return *f.seconds(c)
	case f.Type == Bool:
		return *f.flag(c)
	default:
		return *f.text(c)
	}
}

const (
	defaultRequestTimeout = 10 * time.Second
	minRequestTimeout     = 1 * time.Second
	// Vault's own clients give up after 60 seconds. What is left is for them to hear why there is no token.
	maxRequestTimeout = 55 * time.Second
	// A token must be used within 15 minutes of its making; this leaves whoever gets an old one a minute to do so.
	maxCacheTTL = 14 * time.Minute

	// Kraken's API keys have 56 characters; its private keys have 88, which are base64 of kraken.PrivateKeyBytes. The bounds only keep nonsense out of the storage.
	apiKeyLength    = 56
	maxAPIKeyLength = 256
	maxSecretLength = 1024
	maxURLLength    = 2048
	maxBundleLength = 512 << 10
)

const (
	apiKeyRemedy = "give the public key as Kraken displays it"
	secretRemedy = "give the private key as Kraken displays it, all 88 characters, best from a file: api_secret=@FILE"
	// What was given is never repeated, for it may be the private key.
	swappedRemedy = "the two halves of the pair look swapped: api_key is the public key (56 characters), api_secret the private key (88)"

	base64Characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
)

// Fields are all the fields of a config, in the order in which they are checked.
var Fields = []*Field{
	{
		Name: FieldAPIKey, Title: "API key", Required: true,
		Description: "Public key of the Kraken API key pair.",
		text:        func(c *Config) *string { return &c.APIKey },
		hidden:      func(c *Config) bool { return isPrivateKey(c.APIKey, c.APISecret) }, // as an early version may have stored it
		rule: func(c *Config) error {
			switch {
			case c.APIKey == "":
				return &FieldError{FieldAPIKey, "is missing", apiKeyRemedy}
			case len(c.APIKey) > maxAPIKeyLength:
				return tooLong(FieldAPIKey, len(c.APIKey), maxAPIKeyLength)
			case strings.Trim(c.APIKey, base64Characters) != "":
				return &FieldError{FieldAPIKey, "holds characters that aren't base64's", apiKeyRemedy}
			case isPrivateKey(c.APIKey, c.APISecret):
				return &FieldError{FieldAPIKey, "is a private key", swappedRemedy}
			}
			return nil
		},
	},
	{
		Name: FieldAPISecret, Title: "Private key", Required: true, Secret: true,
		Description: "Private key of the pair, base64 as Kraken displays it. Never returned. Can change only together with api_key. Best given from a file: api_secret=@FILE.",
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
		Description: "The password, if the API key has a static password as its second factor. Never returned. Empty: the stored one is removed.",
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
		Description: "The base32 seed, if the API key has an authenticator as its second factor. Never returned. A key has otp_password or totp_secret, not both. Empty: the stored one is removed.",
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
		Description: "Which second factor is stored: none, password or totp.",
		shown:       func(c *Config) any { return c.twoFactor() },
	},
	{
		Name:        FieldPairWrittenAt,
		Description: "When the key pair was written (RFC 3339, UTC). Missing if an early version of the engine wrote it.",
		shown: func(c *Config) any {
			if c.PairWrittenAt == "" {
				return nil
			}
			return c.PairWrittenAt
		},
	},
	{
		Name: FieldAPIURL, Title: "API URL", Default: kraken.DefaultURL,
		Description: "Where Kraken's REST API is. The mount's option allowed_api_urls must allow it. Can change only in a write that includes api_key and api_secret.",
		text:        func(c *Config) *string { return &c.APIURL },
		rule: func(c *Config) (err error) {
			c.APIURL, err = apiURLs.normal(FieldAPIURL, c.APIURL)
			return err
		},
	},
	{
		Name: FieldWebSocketURL, Title: "WebSocket URL", Default: DefaultWebSocketURL,
		Description: "Where readers are told to use their tokens: wss, or ws on a loopback host. The engine sends nothing there. Can change only in a write that includes api_key and api_secret.",
		text:        func(c *Config) *string { return &c.WebSocketURL },
		rule: func(c *Config) (err error) {
			c.WebSocketURL, err = webSocketURLs.normal(FieldWebSocketURL, c.WebSocketURL)
			return err
		},
	},
	{
		Name: FieldCACert, Title: "CA certificates", Multiline: true,
		Description: "CA certificates in PEM that verify a private gateway at api_url. Without any, the system's are used. Can change only in a write that includes api_key and api_secret.",
		text:        func(c *Config) *string { return &c.CACert },
		rule: func(c *Config) error {
			switch {
			case len(c.CACert) > maxBundleLength:
				return tooLong(FieldCACert, len(c.CACert), maxBundleLength)
			case c.CACert == "":
				return nil
			}
			const remedy = "give the gateway's CA certificates as PEM, best from a file: ca_cert=@FILE"
			if strings.ContainsFunc(c.CACert, func(r rune) bool { return !unicode.IsPrint(r) && !strings.ContainsRune("\t\r\n", r) }) {
				return &FieldError{FieldCACert, "holds control characters", remedy} // which a terminal would obey whenever the config is read
			}
			if _, err := kraken.ParseCertificates(c.CACert); err != nil {
				return &FieldError{FieldCACert, err.Error(), remedy}
			}
			return nil
		},
	},
	{
		Name: FieldRequestTimeout, Type: Seconds, Default: int(defaultRequestTimeout.Seconds()),
		Description: "How long one read may take, retries included: 1s to 55s.",
		seconds:     func(c *Config) *int { return &c.RequestTimeout },
		rule: func(c *Config) error {
			if c.timeout() < minRequestTimeout || c.timeout() > maxRequestTimeout {
				return &FieldError{FieldRequestTimeout, "is out of range", "give 1s to 55s"}
			}
			return nil
		},
	},
	{
		Name: FieldCacheTTL, Title: "Cache TTL", Type: Seconds, Default: 0,
		Description: "How old a token may be to be handed out again: 0s (every read mints its own) to 14m.",
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
		Description: "Tier of the Kraken account: starter, intermediate or pro, in any letter case. The engine keeps to the tier's call counter. none: it keeps to no limit.",
		text:        func(c *Config) *string { return &c.Tier },
		rule: func(c *Config) error {
			c.Tier = strings.ToLower(c.Tier) // Kraken writes Pro
			if !slices.Contains(keeper.Tiers(), c.Tier) {
				return &FieldError{FieldTier, "is none of Kraken's", "give starter, intermediate, pro, or none (no limit kept)"}
			}
			return nil
		},
	},
	{
		Name: FieldDisabled, Type: Bool, Default: false,
		Description: "Whether the account is disabled: it hands out no token and asks Kraken nothing, but keeps the pair. The switch for an incident.",
		flag:        func(c *Config) *bool { return &c.Disabled },
	},
	{
		Name: FieldVerify, Type: Bool,
		Description: "Whether to prove the pair, by getting a token with it, before it is stored. Left out: if the write changes the pair, the second factor, api_url or ca_cert, and the account isn't disabled. Not stored.",
	},
}

func tooLong(field string, length, most int) error {
	return &FieldError{field, fmt.Sprintf("is %d bytes long", length), fmt.Sprintf("at most %d make sense", most)}
}

// isPrivateKey tells whether what is given as the public key is the private one, as far as that can be seen: it may have lost its end in copying.
func isPrivateKey(apiKey, apiSecret string) bool {
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(apiKey, "="))
	return err == nil && len(decoded) == kraken.PrivateKeyBytes ||
		apiKey == apiSecret ||
		len(apiSecret) == apiKeyLength && len(apiKey) > apiKeyLength
}
