package kraken

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAGatewayThatQuotesTheRequest: one with its debugging left on says what it was sent, and what authenticates a request
// is part of that.
func TestAGatewayThatQuotesTheRequest(t *testing.T) {
	const password = "open <sesame> & more/+"
	var signature string
	server := answering(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		signature = r.Header.Get("API-Sign")
		form, _ := url.ParseQuery(string(raw))
		var said []string
		for _, text := range []string{signature, form.Get("otp")} {
			said = append(said, text, url.QueryEscape(text), url.PathEscape(text), html.EscapeString(text))
		}
		quoted := fmt.Sprintf("%s %s", raw, strings.Join(said, " "))
		answer := map[string]any{"error": []string{}, "result": map[string]any{
			"name": quoted, "list": []any{quoted, []any{quoted}}, "nested": map[string]any{"a": quoted}, quoted: 1, "nonce": form.Get("nonce"), "number": 7,
		}}
		if r.URL.Path != "/0/private/GetApiKeyInfo" {
			answer = map[string]any{"error": []string{"EGeneral:Invalid arguments:" + signature, "EGeneral:Invalid arguments:" + string(raw), "EGeneral:" + form.Get("otp")}}
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	client := plainClient(t, server.URL)
	client.SecondFactor = Password(password)

	_, err := client.GetWebSocketsToken(t.Context(), testNonce)
	assert.EqualError(t, err, "Kraken answered EGeneral:Invalid arguments:[signature], EGeneral:Invalid arguments:nonce=[nonce]&otp=[otp], EGeneral:[otp]")

	info, err := client.GetAPIKeyInfo(t.Context(), testNonce)
	require.NoError(t, err)
	assert.Equal(t, "1616492376594000000", info["nonce"], "the key's last nonce, in Kraken's own field")
	assert.Equal(t, json.Number("7"), info["number"])
	delete(info, "nonce")
	told, err := json.Marshal(info)
	require.NoError(t, err)
	for _, part := range []string{"sesame", "1616492376594000000", signature[:40], url.QueryEscape(signature)[:40]} {
		assert.NotContains(t, string(told), part)
	}
	assert.Equal(t, 5, strings.Count(string(told), "nonce=[nonce]"), "every string, names included")
}

// TestWhatAuthenticatesIsTakenOutInWhateverEncoding: debugging pages and logs quote in many.
func TestWhatAuthenticatesIsTakenOutInWhateverEncoding(t *testing.T) {
	const otp = "open sesame"
	signature := "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
	raw, err := base64.StdEncoding.DecodeString(signature)
	require.NoError(t, err)
	var escaped, percent, spelled, spaced strings.Builder
	for _, c := range []byte(signature) {
		fmt.Fprintf(&escaped, `\u%04x`, c)
		fmt.Fprintf(&percent, "%%%02x", c)
		fmt.Fprintf(&spelled, "%d,", c)
	}
	for _, c := range raw {
		fmt.Fprintf(&spaced, "%02x:", c)
	}
	body := "nonce=1616492376594000000&otp=" + url.QueryEscape(otp)
	redact := newRedactor(signature, "1616492376594000000", otp)
	for name, encoded := range map[string]string{
		"as it is": signature, "base64url": base64.URLEncoding.EncodeToString(raw), "hex": hex.EncodeToString(raw), "upper hex": strings.ToUpper(hex.EncodeToString(raw)),
		"hex of base64": hex.EncodeToString([]byte(signature)), "base64 of base64": base64.StdEncoding.EncodeToString([]byte(signature)),
		"JSON escapes": escaped.String(), "percent": percent.String(), "lower percent": strings.ToLower(url.QueryEscape(signature)), "numbers": spelled.String(), "bytes": spaced.String(),
		"half": signature[:44], "other half": signature[44:], "upper": strings.ToUpper(signature), "Go": fmt.Sprintf("%q", raw),
		"a header": "map[Api-Sign:[" + signature + "]]", "JSON": `{"API-Sign":"` + signature + `"}`, "in lines": signature[:76] + "\n" + signature[76:],
		"the body in base64": base64.StdEncoding.EncodeToString([]byte(body)), "the body in hex": hex.EncodeToString([]byte(body)), "the body quoted": url.QueryEscape(body),
		"second factor in base64": base64.StdEncoding.EncodeToString([]byte(otp)), "second factor in hex": hex.EncodeToString([]byte(otp)),
	} {
		told := redact.message("EGeneral:Invalid arguments: " + encoded)
		assert.True(t, strings.HasPrefix(told, "EGeneral:Invalid arguments: "), name)
		assert.Less(t, len(told), 70, "%s: %s", name, told)
		assert.NotContains(t, redact.message("E"+encoded+":"+encoded), encoded, name)
	}
	for _, message := range []string{"EAccount:Invalid permissions:USDT trading restricted", "EOrder:Margin position size exceeded", "EGeneral:Internal error:abc123", "EFunding:"} {
		assert.Equal(t, message, redact.message(message))
	}
}

func TestASecondFactorThatIsInAnyTextIsNotTakenOut(t *testing.T) {
	for _, otp := range []string{"", "a", "abc"} {
		assert.Equal(t, "EAPI:abc", newRedactor("", "", otp).text("EAPI:abc"), otp)
	}
	assert.Equal(t, "EAPI:[otp]", newRedactor("", "", "abcd").text("EAPI:abcd"))
}

func TestACodeInsideTheNonceLeavesTheNonceWhole(t *testing.T) {
	nonce := strconv.Itoa(testNonce)
	redact := newRedactor("", nonce, nonce[:6])
	assert.Equal(t, "[nonce] [otp]", redact.text(nonce+" "+nonce[:6]))
}
