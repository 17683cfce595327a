package krakensim

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// privateRequest is a request under /0/private/, taken apart.
type privateRequest struct {
	method      string
	path        string
	userAgent   string
	contentType string
	apiKey      string
	apiSign     string
	body        []byte

	fields    url.Values // the body's, be it a form or a JSON object
	nonceText string     // as it stands in the body, for that is what is signed
	nonce     uint64     // 0 if nonceText isn't an unsigned 64-bit integer
	otp       string
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

func parsePrivate(r *http.Request, path string, body []byte) privateRequest {
	p := privateRequest{
		method:    r.Method,
		path:      path,
		userAgent: r.UserAgent(),
		apiKey:    r.Header.Get("API-Key"),
		apiSign:   r.Header.Get("API-Sign"),
		body:      body,
	}
	// Some clients name no content type; what they send shows it.
	p.contentType = formType
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		p.contentType = jsonType
	}
	if header := r.Header.Get("Content-Type"); header != "" {
		p.contentType, _, _ = mime.ParseMediaType(header)
	}
	switch p.contentType {
	case formType:
		p.fields, _ = url.ParseQuery(string(body)) // what can be read of it
	case jsonType:
		var object map[string]json.RawMessage
		_ = json.Unmarshal(body, &object)
		p.fields = make(url.Values, len(object))
		for name, value := range object {
			p.fields.Set(name, scalar(value))
		}
	}
	p.nonceText, p.otp = p.fields.Get("nonce"), p.fields.Get("otp")
	if nonce, err := strconv.ParseUint(p.nonceText, 10, 64); err == nil {
		p.nonce = nonce
	}
	return p
}

// scalar is a JSON string's content, or the text of another JSON value: clients send the nonce in either form.
func scalar(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// acceptable checks what doesn't depend on the key; if something is wrong, the answer says so.
func (p privateRequest) acceptable() (answer, bool) {
	switch {
	case p.method != http.MethodPost:
		return refuse("EGeneral:Invalid method"), false
	case p.userAgent == "":
		return noUserAgent(), false
	case p.contentType != formType && p.contentType != jsonType:
		return refuse("EGeneral:Invalid arguments"), false
	}
	return answer{}, true
}

// authenticate checks who calls and what it may, in Kraken's order, and returns Kraken's error string for the first
// check that fails.
//
// The nonce is used up once it is found good: a signature that doesn't match leaves it alone, or anybody could burn a
// key's nonces; a call over the limit or without permission uses it. The call counter counts from there on too.
// The caller holds x.mu.
func (x *Exchange) authenticate(p privateRequest, method privateMethod, now time.Time) (*keyState, string) {
	if x.refused[p.apiKey].lockedOut(now) {
		return nil, "EGeneral:Temporary lockout"
	}
	key := x.keys[p.apiKey]
	switch {
	case !key.known(now):
		x.noteRefusal(p.apiKey, now)
		return nil, "EAPI:Invalid key"
	case p.nonce == 0: // without a nonce there is nothing that could be signed
		return nil, "EAPI:Invalid nonce"
	case !signed(p.apiSign, key.APISecret, p.path, p.nonceText, p.body), !key.secondFactor(p.otp, now):
		return nil, "EAPI:Invalid signature"
	case p.nonce <= key.nonce:
		return nil, "EAPI:Invalid nonce"
	}
	key.nonce, key.lastUsed = p.nonce, now
	switch {
	case !key.counter.add(key.Tier, key.DecayStep, now):
		return nil, "EAPI:Rate limit exceeded"
	case !method.permitted(key.permissions()):
		return nil, "EGeneral:Permission denied"
	}
	return key, ""
}

// An authenticator's code is right for a step of its own, and for one more to either side.
const (
	codeStep = 30 * time.Second
	codeLife = 3 * codeStep
)

// secondFactor reports whether a password or code is right for the key. The caller holds Exchange.mu.
func (k *keyState) secondFactor(code string, now time.Time) bool {
	switch {
	case k.OTPPassword != "":
		return subtle.ConstantTimeCompare([]byte(code), []byte(k.OTPPassword)) == 1
	case k.TOTPSecret != "":
		ok, err := totp.ValidateCustom(code, k.TOTPSecret, now, totp.ValidateOpts{
			Period: uint(codeStep / time.Second), Skew: 1, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
		})
		return ok && err == nil && (!k.SingleUseCodes || k.firstUse(strings.TrimSpace(code), now))
	}
	return true
}

// firstUse reports whether a code that is right wasn't used before, and uses it up.
func (k *keyState) firstUse(code string, now time.Time) bool {
	maps.DeleteFunc(k.codes, func(_ string, used time.Time) bool { return now.Sub(used) >= codeLife })
	if _, used := k.codes[code]; used {
		return false
	}
	if k.codes == nil {
		k.codes = make(map[string]time.Time)
	}
	k.codes[code] = now
	return true
}

// noteRefusal counts an EAPI:Invalid key towards the lockout. The caller holds x.mu.
func (x *Exchange) noteRefusal(apiKey string, now time.Time) {
	const maxRefused = 10_000 // so that made-up keys can't fill the memory
	if len(x.refused) >= maxRefused {
		clear(x.refused)
	}
	r := x.refused[apiKey]
	if r == nil {
		r = &refusals{since: now}
		x.refused[apiKey] = r
	}
	r.add(now)
}
