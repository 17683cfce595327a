package krakensecrets

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/tokensource"
)

// config is an account's stored configuration: a key pair and how to use it. A value that has passed validate can be
// run as it is.
type config struct {
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

const (
	configStorage = "config" // the default account; a named one is at "config/<name>"

	defaultRequestTimeout = 10 * time.Second
	minRequestTimeout     = 1 * time.Second
	maxRequestTimeout     = 60 * time.Second
	// A token must be used within 15 minutes of its making; this leaves whoever gets an old one a minute to do so.
	maxCacheTTL = 14 * time.Minute
	defaultTier = tokensource.TierStarter

	// Kraken's API keys have 56 characters and its private keys 88; the bounds only keep nonsense out of the storage.
	maxAPIKeyLength = 256
	maxSecretLength = 1024
	maxURLLength    = 2048
	maxBundleLength = 512 << 10
)

// configPath is where an account's config is in storage.
func configPath(name string) string { return accountPath(configStorage, name) }

// getConfig returns an account's stored config, nil if there is none.
func getConfig(ctx context.Context, storage logical.Storage, name string) (*config, error) {
	entry, err := storage.Get(ctx, configPath(name))
	if err != nil || entry == nil {
		return nil, err
	}
	stored := new(config)
	if err := entry.DecodeJSON(stored); err != nil {
		// The decoder's own error may quote what it read.
		return nil, fmt.Errorf("the stored config of %s can't be decoded; write it again", accountTitle(name))
	}
	return stored, nil
}

func setConfig(ctx context.Context, storage logical.Storage, name string, c *config) error {
	entry, err := logical.StorageEntryJSON(configPath(name), c)
	if err != nil {
		return err
	}
	return storage.Put(ctx, entry)
}

const pairRemedy = "give api_key and api_secret in one write"

// merge returns the config that a write makes of the stored one (nil: none yet): the fields given change, the
// rest stay. The error is one to answer with.
func (c *config) merge(data *framework.FieldData) (*config, error) {
	created := c == nil
	if created {
		c = &config{APIURL: kraken.DefaultURL, RequestTimeout: int(defaultRequestTimeout.Seconds()), Tier: defaultTier}
	}
	merged := *c
	given := func(field string) bool { _, ok := data.GetOk(field); return ok }
	for field, target := range map[string]*string{
		fieldAPIKey:      &merged.APIKey,
		fieldAPISecret:   &merged.APISecret,
		fieldOTPPassword: &merged.OTPPassword,
		fieldTOTPSecret:  &merged.TOTPSecret,
		fieldAPIURL:      &merged.APIURL,
		fieldCACert:      &merged.CACert,
		fieldTier:        &merged.Tier,
	} {
		if given(field) {
			// White space around a value comes from files and copying, and means nothing in any of these fields.
			*target = strings.TrimSpace(data.Get(field).(string))
		}
	}
	for field, target := range map[string]*int{fieldRequestTimeout: &merged.RequestTimeout, fieldCacheTTL: &merged.CacheTTL} {
		if given(field) {
			*target = data.Get(field).(int)
		}
	}

	if err := merged.validate(); err != nil {
		return nil, err
	}
	pair := given(fieldAPIKey) && given(fieldAPISecret)
	switch {
	case created || pair:
	case given(fieldAPIKey):
		return nil, badField(fieldAPIKey, "changes only together with api_secret", pairRemedy)
	case given(fieldAPISecret):
		return nil, badField(fieldAPISecret, "changes only together with api_key", pairRemedy)
	}
	if created {
		return &merged, nil
	}
	// Where requests go changes only by the hand of someone who knows what is sent there. Else whoever may write the
	// config, but doesn't know the secrets, could have signed requests and codes sent to a host of their own.
	var moved string
	switch {
	case merged.APIURL != c.APIURL:
		moved = fieldAPIURL
	case merged.CACert != c.CACert:
		moved = fieldCACert
	default:
		return &merged, nil
	}
	if !pair {
		return nil, badField(moved, "changes only in a write that carries the key pair", pairRemedy+" with it")
	}
	for field, stored := range map[string]string{fieldOTPPassword: c.OTPPassword, fieldTOTPSecret: c.TOTPSecret} { // one at most
		if stored != "" && !given(field) {
			return nil, badField(moved, "changes only in a write that carries the second factor", fmt.Sprintf(`give %[1]s again, or %[1]s="" to drop it`, field))
		}
	}
	return &merged, nil
}

// validate checks every field and brings api_url into its one form. The error is one to answer with.
func (c *config) validate() error {
	switch {
	case c.APIKey == "":
		return badField(fieldAPIKey, "is missing", "give the public key as Kraken displays it")
	case len(c.APIKey) > maxAPIKeyLength:
		return tooLong(fieldAPIKey, len(c.APIKey), maxAPIKeyLength)
	case strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
		return badField(fieldAPIKey, "holds white space, control or non-ASCII characters", "give the public key as Kraken displays it")
	case c.APISecret == "":
		return badField(fieldAPISecret, "is missing", "give the private key as Kraken displays it, best from a file: api_secret=@FILE")
	case len(c.APISecret) > maxSecretLength:
		return tooLong(fieldAPISecret, len(c.APISecret), maxSecretLength)
	case len(c.OTPPassword) > maxSecretLength:
		return tooLong(fieldOTPPassword, len(c.OTPPassword), maxSecretLength)
	case strings.ContainsFunc(c.OTPPassword, unicode.IsControl):
		return badField(fieldOTPPassword, "holds control characters", "give the password as it was set for the API key")
	case len(c.TOTPSecret) > maxSecretLength:
		return tooLong(fieldTOTPSecret, len(c.TOTPSecret), maxSecretLength)
	case c.OTPPassword != "" && c.TOTPSecret != "":
		return badField(fieldTOTPSecret, "excludes otp_password", `an API key has one second factor: drop the other one with otp_password="" or totp_secret=""`)
	case c.RequestTimeout < int(minRequestTimeout.Seconds()) || c.RequestTimeout > int(maxRequestTimeout.Seconds()):
		return badField(fieldRequestTimeout, "is out of range", "give 1s to 60s")
	case c.CacheTTL < 0 || c.CacheTTL > int(maxCacheTTL.Seconds()):
		return badField(fieldCacheTTL, "is out of range", "give 0 (no cache) to 14m")
	case !slices.Contains(tokensource.Tiers(), c.Tier):
		return badField(fieldTier, "is none of Kraken's", "give starter, intermediate, pro, or none (no limit kept)")
	case len(c.CACert) > maxBundleLength:
		return tooLong(fieldCACert, len(c.CACert), maxBundleLength)
	}
	if _, err := kraken.ParsePrivateKey(c.APISecret); err != nil {
		return badField(fieldAPISecret, err.Error(), "give the private key as Kraken displays it, best from a file: api_secret=@FILE")
	}
	if c.TOTPSecret != "" {
		if _, err := kraken.TOTP(c.TOTPSecret); err != nil {
			return badField(fieldTOTPSecret, err.Error(), "give the seed that Kraken showed beside the QR code")
		}
	}
	if c.CACert != "" {
		if _, err := kraken.ParseCertificates(c.CACert); err != nil {
			return badField(fieldCACert, err.Error(), "give the gateway's CA certificates as PEM, best from a file: ca_cert=@FILE")
		}
	}
	normal, problem := normalURL(c.APIURL)
	if problem != "" {
		return badField(fieldAPIURL, problem, "give https://HOST[:PORT][/PREFIX], as in "+kraken.DefaultURL)
	}
	c.APIURL = normal
	return nil
}

func tooLong(field string, length, most int) error {
	return badField(field, fmt.Sprintf("is %d bytes long", length), fmt.Sprintf("at most %d make sense", most))
}

// normalURL checks api_url and returns its one form, in lower case and without a slash at its end. The problem is
// empty if there is none.
func normalURL(text string) (normal, problem string) {
	if text == "" {
		return "", "is empty"
	}
	if len(text) > maxURLLength {
		return "", fmt.Sprintf("is %d bytes long, which is more than %d", len(text), maxURLLength)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", "holds white space, control or non-ASCII characters"
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Opaque != "" || parsed.Hostname() == "" {
		return "", "is not a URL with a host"
	}
	host := strings.ToLower(parsed.Hostname())
	address, addressErr := netip.ParseAddr(host)
	switch {
	case parsed.User != nil:
		return "", "holds user info before an @"
	case strings.ContainsAny(text, "?#"):
		return "", "holds a query or a fragment"
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return "", "is not https"
	case addressErr != nil && !validHostname(host), address.Zone() != "":
		return "", "has a host that is neither a name nor an address"
	case parsed.Scheme == "http" && host != "localhost" && !(addressErr == nil && address.IsLoopback()):
		return "", "is http, which is for loopback hosts only"
	case !validPort(parsed):
		return "", "has a port that is out of range"
	}
	path := strings.TrimRight(parsed.Path, "/")
	switch {
	case parsed.RawPath != "" || parsed.EscapedPath() != parsed.Path || strings.ContainsAny(parsed.Path, `\;`):
		return "", "has a path with characters that need escaping"
	case strings.Contains(path, "//") || slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." }):
		return "", "has a path with empty or dot segments"
	case strings.HasSuffix(path, "/0") || strings.Contains(path+"/", "/0/private/"):
		return "", "includes /0, which the engine adds itself"
	}
	return parsed.Scheme + "://" + strings.ToLower(parsed.Host) + path, ""
}

func validPort(parsed *url.URL) bool {
	if strings.HasSuffix(parsed.Host, ":") {
		return false
	}
	port := parsed.Port()
	number, err := strconv.ParseUint(port, 10, 16)
	return port == "" || (err == nil && number > 0)
}

func validHostname(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	}) && strings.ContainsFunc(host, func(r rune) bool { return r >= 'a' && r <= 'z' }) && !strings.HasPrefix(host, ".")
}

// twoFactor tells which second factor is stored, without showing it.
func (c *config) twoFactor() string {
	switch {
	case c.OTPPassword != "":
		return "password"
	case c.TOTPSecret != "":
		return "totp"
	default:
		return "none"
	}
}

// secondFactor is what answers Kraken's second question; nil if there is none.
func (c *config) secondFactor() (kraken.SecondFactor, error) {
	switch c.twoFactor() {
	case "password":
		return kraken.Password(c.OTPPassword), nil
	case "totp":
		return kraken.TOTP(c.TOTPSecret)
	default:
		return nil, nil
	}
}
