package fault

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// askAs makes a request with the headers that a client negotiates by.
func (c client) askAs(accept, acceptEncoding string) (*http.Response, string) {
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+"/", http.NoBody)
	require.NoError(c.t, err)
	for name, value := range map[string]string{"Accept": accept, "Accept-Encoding": acceptEncoding} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	response, err := c.transport.RoundTrip(r)
	require.NoError(c.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return response, string(body)
}

func TestCloudflareTellsAnErrorInTheFormThatSuitsTheClient(t *testing.T) {
	const (
		text    = "text/plain; charset=UTF-8"
		page    = "text/html; charset=UTF-8"
		json    = "application/json; charset=utf-8"
		problem = "application/problem+json; charset=utf-8"
	)
	c := overHTTP1(t)
	c.service.Misbehave(Fault{Cloudflare: 1020})
	for _, test := range []struct{ client, accept, acceptEncoding, want string }{
		{"Python's urllib", "", "identity", text},
		{"curl", "*/*", "", text},
		{"PHP", "", "", text},
		{"Go's net/http", "", "gzip", page},
		{"Python's requests", "*/*", "gzip, deflate", page},
		{"a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "gzip, deflate, br", page},
		{"a browser without compression", "text/html", "", page},
		{"axios", "application/json, text/plain, */*", "gzip, compress, deflate, br", json},
		{"urllib, asking for JSON", "application/json", "identity", json},
		{"who knows RFC 9457", "application/problem+json", "gzip", problem},
		{"who likes that best", "application/json;q=0.5, application/problem+json", "gzip", problem},
		{"who likes two as well", "application/json, text/html", "gzip", json},
		{"who likes HTML better", "application/json;q=0.8, text/html;q=0.9", "", page},
		{"who wants no JSON", "application/json;q=0", "", text},
		{"who writes nonsense", "application/json;q=much, ;;, /", "", text},
	} {
		response, body := c.askAs(test.accept, test.acceptEncoding)
		assert.Equal(t, test.want, response.Header.Get("Content-Type"), test.client)
		if test.want == text {
			assert.Equal(t, "error code: 1020\n", body)
		}
	}
}

func TestCloudflaresErrors(t *testing.T) {
	for _, test := range []struct {
		code, status         int
		pageTitle, title     string
		name, retryAfter     string
		category, documented string
	}{
		{1010, 403, "Access denied | HOST used Cloudflare to restrict access", "Access denied", "browser_signature_banned", "", "access_denied", "cloudflare-1xxx-errors/error-1010/"},
		{1015, 429, "Access denied | HOST used Cloudflare to restrict access", "You are being rate limited", "rate_limited", "30", "rate_limit", "cloudflare-1xxx-errors/error-1015/"},
		{1020, 403, "Access denied | HOST used Cloudflare to restrict access", "Access denied", "firewall_rule_blocked", "", "access_denied", "cloudflare-1xxx-errors/error-1020/"},
		{502, 502, "HOST | 502: Bad gateway", "Bad gateway", "origin_bad_gateway", "60", "origin", "cloudflare-5xx-errors/error-502/"},
		{504, 504, "HOST | 504: Gateway time-out", "Gateway time-out", "origin_gateway_timeout", "120", "origin", "cloudflare-5xx-errors/error-504/"},
		{520, 520, "HOST | 520: Web server is returning an unknown error", "Web server is returning an unknown error", "", "60", "origin", "cloudflare-5xx-errors/error-520/"},
		{521, 521, "HOST | 521: Web server is down", "Web server is down", "", "120", "origin", "cloudflare-5xx-errors/error-521/"},
		{522, 522, "HOST | 522: Connection timed out", "Connection timed out", "connection_timeout", "120", "origin", "cloudflare-5xx-errors/error-522/"},
		{523, 523, "HOST | 523: Origin is unreachable", "Origin is unreachable", "", "120", "origin", "cloudflare-5xx-errors/error-523/"},
		{524, 524, "HOST | 524: A timeout occurred", "A timeout occurred", "origin_response_timeout", "120", "origin", "cloudflare-5xx-errors/error-524/"},
		{525, 525, "HOST | 525: SSL handshake failed", "SSL handshake failed", "", "", "ssl", "cloudflare-5xx-errors/error-525/"},
		{526, 526, "HOST | 526: Invalid SSL certificate", "Invalid SSL certificate", "", "", "ssl", "cloudflare-5xx-errors/error-526/"},
	} {
		t.Run(strconv.Itoa(test.code), func(t *testing.T) {
			c := inProcess(t)
			c.service.Misbehave(Fault{Cloudflare: test.code})
			response, page := c.askAs("text/html", "")
			assert.Equal(t, test.status, response.StatusCode)
			assert.Equal(t, test.retryAfter, response.Header.Get("Retry-After"))
			assert.Equal(t, "cloudflare", response.Header.Get("Server"))
			assert.Contains(t, response.Header.Get("Cache-Control"), "no-store")
			pageTitle := regexp.MustCompile("HOST").ReplaceAllString(test.pageTitle, "api.kraken.test")
			assert.Contains(t, page, "<title>"+pageTitle+"</title>")
			assert.Regexp(t, `Error</span> <span class="cf-error-code">`+strconv.Itoa(test.code)+"<|Error code "+strconv.Itoa(test.code)+"<", page)
			ray := regexp.MustCompile(`Cloudflare Ray ID: <strong>([0-9a-f]{16})</strong>`).FindStringSubmatch(page)
			require.NotNil(t, ray, page)
			assert.Equal(t, ray[1]+"-AMS", response.Header.Get("CF-RAY"))

			response, body := c.askAs("application/json", "")
			assert.Equal(t, test.status, response.StatusCode)
			var problem map[string]any
			require.NoError(t, json.Unmarshal([]byte(body), &problem))
			assert.Contains(t, problem["type"], test.documented)
			assert.Equal(t, "Error "+strconv.Itoa(test.code)+": "+test.title, problem["title"])
			assert.EqualValues(t, test.status, problem["status"])
			assert.EqualValues(t, test.code, problem["error_code"])
			assert.Contains(t, problem["error_name"], test.name)
			assert.Equal(t, test.category, problem["error_category"])
			assert.Equal(t, "api.kraken.test", problem["zone"])
			assert.Equal(t, test.retryAfter != "", problem["retryable"])
			retryAfter, has := problem["retry_after"].(float64)
			assert.Equal(t, test.retryAfter != "", has)
			if has {
				assert.Equal(t, test.retryAfter, strconv.Itoa(int(retryAfter)))
			}
			assert.Equal(t, problem["ray_id"], problem["instance"])
			assert.Equal(t, problem["ray_id"], response.Header.Get("CF-RAY")[:16])
			assert.NotEqual(t, ray[1], problem["ray_id"], "each answer has its own")
		})
	}
}

func TestAFaultsHeaderGoesBeforeCloudflares(t *testing.T) {
	c := inProcess(t)
	c.service.Misbehave(Fault{Status: 429, Header: http.Header{"retry-after": {"7"}, "Content-Type": {"text/css"}, "CF-RAY": {"mine"}}})
	response, _ := c.askAs("", "")
	assert.Equal(t, []string{"7"}, response.Header.Values("Retry-After"))
	assert.Equal(t, "text/css", response.Header.Get("Content-Type"))
	assert.Equal(t, "mine", response.Header.Get("CF-RAY"))
}

func TestEveryAnswerComesThroughCloudflare(t *testing.T) {
	for over, start := range overs {
		response, _ := start(t).askAs("", "")
		assert.Equal(t, "cloudflare", response.Header.Get("Server"), over)
		assert.Regexp(t, "^[0-9a-f]{16}-[A-Z]{3}$", response.Header.Get("CF-RAY"), over)
	}
}
