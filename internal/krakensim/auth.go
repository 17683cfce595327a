package krakensim

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// privateRequest is a request under /0/private/, taken apart.
type privateRequest struct {
	method    string
	path      string
	userAgent string
	apiKey    string
	apiSign   string
	address   string // the client's host; "" in process
	body      []byte

	malformed bool       // what it asks for can't be told for sure
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
		apiKey:    clip(r.Header.Get("API-Key")),
		apiSign:   r.Header.Get("API-Sign"),
		body:      body,
	}
	p.address, _, _ = net.SplitHostPort(r.RemoteAddr)
	var ok bool
	p.fields, ok = readFields(r.Header.Get("Content-Type"), body)
	p.malformed = !ok || r.URL.RawQuery != "" // whether Kraken looks there isn't known
	p.nonceText, p.otp = p.fields.Get("nonce"), p.fields.Get("otp")
	if nonce, err := strconv.ParseUint(p.nonceText, 10, 64); err == nil {
		p.nonce = nonce
	}
	return p
}

// readFields reads a body by its type. It isn't ok if it can't be read as a whole, or has a field twice: Kraken may
// take the first, or the last, and who sends it can't rely on either.
func readFields(header string, body []byte) (fields url.Values, ok bool) {
	// Some clients name no content type; what they send shows it.
	contentType := formType
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		contentType = jsonType
	}
	if header != "" {
		contentType, _, _ = mime.ParseMediaType(header)
	}
	switch contentType {
	case formType:
		var err error
		fields, err = url.ParseQuery(string(body)) // what can be read of it
		return fields, err == nil && !repeated(fields)
	case jsonType:
		fields = jsonFields(body)
		return fields, fields != nil && !repeated(fields)
	}
	return nil, false
}

func repeated(fields url.Values) bool {
	for _, values := range fields {
		if len(values) > 1 {
			return true
		}
	}
	return false
}

// jsonFields are the fields of a JSON object, repeated ones too; nil if it isn't one.
func jsonFields(body []byte) url.Values {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if begin, _ := decoder.Token(); begin != json.Delim('{') || !json.Valid(body) {
		return nil
	}
	fields := url.Values{}
	for decoder.More() {
		name, _ := decoder.Token()
		var value json.RawMessage
		_ = decoder.Decode(&value)
		fields.Add(name.(string), scalar(value)) // it is valid JSON
	}
	return fields
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
		return refuse(paper.Refusal("EGeneral:Invalid method")), false
	case p.userAgent == "":
		return noUserAgent(), false
	case p.malformed:
		return refuse(paper.InvalidArguments), false
	}
	return answer{}, true
}

// authenticate checks who calls and what it may. The refusal is that of the first check that fails, or "". Kraken's order
// isn't published.
//
// The nonce is used up once it is found good: a signature that doesn't match leaves it alone, or anybody could burn a
// key's nonces; a call over the limit or without permission uses it. The call counter counts refused calls too
// (support.kraken.com, "API Error Codes"), but not those during a lockout. The caller holds x.mu.
func (x *Exchange) authenticate(p privateRequest, method privateMethod, now time.Time) (*keyState, paper.Refusal) {
	if x.lockouts.refuse(p, now) {
		return nil, "EGeneral:Temporary lockout"
	}
	key := x.keys[p.apiKey]
	if !key.known(now) {
		x.lockouts.note(p, invalidKey, now)
		return nil, invalidKey
	}
	withinLimit := key.counter.add(method.cost, key.Tier, key.DecayStep, now)
	if refusal := key.refusal(p, now); refusal != "" {
		x.lockouts.note(p, refusal, now)
		return nil, refusal
	}
	key.nonce, key.lastUsed = p.nonce, now
	switch {
	case !withinLimit:
		return nil, "EAPI:Rate limit exceeded"
	case !method.need.MetBy(key.permissions()):
		return nil, paper.PermissionDenied
	}
	return key, ""
}

const (
	invalidKey       = "EAPI:Invalid key"
	invalidSignature = "EAPI:Invalid signature"
	invalidNonce     = "EAPI:Invalid nonce"
)

// refusal is of a request that isn't good for the key, or "".
func (k *keyState) refusal(p privateRequest, now time.Time) paper.Refusal {
	secondFactor, codeSent := k.OTPPassword != "" || k.TOTPSecret != "", p.fields.Has("otp")
	switch {
	case p.nonce == 0: // told before the signature, as seen in github.com/krijnsent/crypto_vba/issues/24
		return invalidNonce
	case !signed(p.apiSign, k.APISecret, p.path, p.nonceText, p.body):
		return invalidSignature
	case codeSent && !secondFactor: // as seen in github.com/nothingisdead/npm-kraken-api/issues/64
		return invalidKey
	case secondFactor && !codeSent: // and in issues/61 there, like the next
		return paper.PermissionDenied
	case secondFactor && !k.takes(p.otp, now):
		return invalidSignature
	case p.nonce <= k.nonce:
		return invalidNonce
	}
	return ""
}

// takes reports whether a password or code is right.
func (k *keyState) takes(code string, now time.Time) bool {
	if k.OTPPassword != "" {
		return subtle.ConstantTimeCompare([]byte(code), []byte(k.OTPPassword)) == 1
	}
	// An authenticator's code is right for a step of its own, and for one more to either side (RFC 6238, section 5.2).
	const codeStep = 30
	due := uint64(now.Unix()) / codeStep
	for step := due - 1; step <= due+1; step++ {
		right, err := hotp.ValidateCustom(code, step, k.TOTPSecret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if right && err == nil && (!k.SingleUseCodes || step > k.lastCode) {
			k.lastCode = step
			return true
		}
	}
	return false
}
