package krakensecrets

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scrape is the text that metrics answers.
func (e *engine) scrape() string {
	e.t.Helper()
	data := e.mustRead("metrics")
	require.Equal(e.t, 200, data[logical.HTTPStatusCode])
	require.Equal(e.t, "text/plain; version=0.0.4; charset=utf-8", data[logical.HTTPContentType])
	return string(data[logical.HTTPRawBody].([]byte))
}

// series are the values of all series that metrics answers, by name and labels; of a histogram, its count and sum.
func (e *engine) series() map[string]float64 {
	e.t.Helper()
	series := map[string]float64{}
	for name, family := range parseMetrics(e.t, e.scrape()) {
		for _, metric := range family.Metric {
			var labels []string
			for _, label := range metric.Label {
				labels = append(labels, fmt.Sprintf("%s=%s", label.GetName(), label.GetValue()))
			}
			id := strings.TrimPrefix(name, metricsPrefix) + "{" + strings.Join(labels, ",") + "}"
			require.NotContains(e.t, series, id, "twice")
			switch {
			case metric.Counter != nil:
				series[id] = metric.Counter.GetValue()
			case metric.Gauge != nil:
				series[id] = metric.Gauge.GetValue()
			default:
				series[id+" count"], series[id+" sum"] = float64(metric.Histogram.GetSampleCount()), metric.Histogram.GetSampleSum()
			}
		}
	}
	return series
}

func parseMetrics(t testing.TB, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	return families
}

func TestMetricsTellWhatStatusTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("", map[string]any{account.FieldCacheTTL: "5m", account.FieldTier: "pro"})
		e.configure("desk-a", map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret})
		time.Sleep(time.Minute)
		e.mustRead("ws-token")
		e.mustRead("ws-token")
		e.sim.Misbehave(krakensim.Fault{Errors: []string{"EGeneral:Temporary lockout"}, Latency: time.Second})
		for range 2 {
			_, err := e.read("ws-token/desk-a")
			require.Error(t, err)
		}
		_, err := e.write("config/desk-a", map[string]any{account.FieldTier: "gold"})
		require.Error(t, err)
		_, err = e.read("ws-token/desk-b")
		require.Error(t, err)
		now := float64(time.Now().Unix())
		calls := e.calls()
		assert.Equal(t, map[string]float64{
			"build_info{version=" + Version + "}": 1, "accounts{}": 2, "accounts_in_use{}": 2, "keepers{}": 2,
			"call_duration_seconds{} count": 3, "call_duration_seconds{} sum": 1, "turn_wait_seconds{} count": 3, "turn_wait_seconds{} sum": 0,

			"disabled{account=}": 0, "disabled{account=desk-a}": 0,
			"tokens_minted_total{account=}": 1, "proofs_total{account=}": 1, "nonce_refusals_total{account=}": 0,
			"reads_answered_total{account=,outcome=fresh}": 0, "reads_answered_total{account=,outcome=cached}": 2,
			"reads_answered_total{account=,outcome=coalesced}":                      0,
			"calls_total{account=,method=GetWebSocketsToken,outcome=success}":       1,
			"held_back_until_timestamp_seconds{account=}":                           0,
			"outage_since_timestamp_seconds{account=}":                              0,
			"last_success_timestamp_seconds{account=}":                              now - 61,
			"cached_token_age_seconds{account=}":                                    61,
			"cached_token_ttl_seconds{account=}":                                    839,
			"calls_left{account=}":                                                  17,
			"calls_waiting{account=}":                                               0,
			"nonce_ahead_seconds{account=}":                                         0,
			"tokens_minted_total{account=desk-a}":                                   1,
			"failures_total{account=desk-a,kind=lockout}":                           1,
			"failures_total{account=desk-a,kind=held_back}":                         1,
			"reads_answered_total{account=desk-a,outcome=fresh}":                    0,
			"reads_answered_total{account=desk-a,outcome=cached}":                   0,
			"reads_answered_total{account=desk-a,outcome=coalesced}":                0,
			"reads_failed_total{account=desk-a,kind=lockout}":                       1,
			"reads_failed_total{account=desk-a,kind=held_back}":                     1,
			"calls_total{account=desk-a,method=GetWebSocketsToken,outcome=success}": 1,
			"calls_total{account=desk-a,method=GetWebSocketsToken,outcome=lockout}": 1,
			"proofs_total{account=desk-a}":                                          1,
			"config_writes_refused_total{account=desk-a,kind=bad_value}":            1,
			"nonce_refusals_total{account=desk-a}":                                  0,
			"hold_offs_total{account=desk-a,kind=lockout}":                          1,
			"held_back_until_timestamp_seconds{account=desk-a}":                     now + 900,
			"outage_since_timestamp_seconds{account=desk-a}":                        0,
			"last_success_timestamp_seconds{account=desk-a}":                        now - 61,
			"last_error_timestamp_seconds{account=desk-a}":                          now,
			"calls_waiting{account=desk-a}":                                         0,
			"nonce_ahead_seconds{account=desk-a}":                                   0,
		}, e.series())
		assert.Equal(t, calls, e.calls(), "metrics ask nobody")
	})
}

func TestMetricsPassPrometheusOwnLint(t *testing.T) {
	e := newEngine(t)
	problems, err := promlint.New(strings.NewReader(everyMetric(t, e))).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
}

// everyMetric is a scrape with a series of each metric.
func everyMetric(t *testing.T, e *engine) string {
	t.Helper()
	expiring := exampleKey
	expiring.ValidUntil = time.Now().Add(24 * time.Hour)
	e.sim.SetKey(expiring)
	e.configure("", map[string]any{account.FieldCacheTTL: "5m", account.FieldTier: "pro"})
	e.mustRead("key-info")
	e.mustRead("ws-token")
	_, err := e.write("config", map[string]any{account.FieldTier: "gold"})
	require.Error(t, err)
	e.sim.Misbehave(says("EGeneral:Temporary lockout"))
	_, err = e.write("ws-token", nil)
	require.Error(t, err)
	return e.scrape()
}

// TestEveryMetricIsDocumented in docs/monitoring, which tells of no other.
func TestEveryMetricIsDocumented(t *testing.T) {
	text := everyMetric(t, newEngine(t))
	names := slices.Sorted(maps.Keys(parseMetrics(t, text)))
	require.Len(t, names, len(accountFamilies)+len(mountFamilies(account.Metrics{Configured: 1})))
	assert.Equal(t, names, firstColumn(t, monitoringPage, "Metrics and status", metricsPrefix+"[a-z_]+"))
}

func TestADeletedAccountsSeriesAreGoneAtOnce(t *testing.T) {
	e := newEngine(t)
	e.configure("desk-a", nil)
	e.mustRead("ws-token/desk-a")
	require.Contains(t, e.scrape(), `"desk-a"`)
	require.NoError(t, e.delete("config/desk-a"))
	assert.NotContains(t, e.scrape(), "desk-a")
	assert.Contains(t, e.scrape(), "accounts_in_use 0")
	assert.Contains(t, e.scrape(), "accounts 0")
	e.configure("desk-a", map[string]any{account.FieldVerify: false})
	assert.Contains(t, e.scrape(), `tokens_minted_total{account="desk-a"} 0`, "its counts as well")
}

func TestMetricsHoldNoSecret(t *testing.T) {
	e := newEngine(t)
	text := everyMetric(t, e)
	token := e.mustRead("ws-token")[fieldToken].(string)
	for _, secret := range []string{exampleKey.APIKey, exampleKey.APISecret, token} {
		assert.NotContains(t, text, secret)
	}
}

// manyAccounts are accounts that run, each with a key of its own and a failure or two.
func manyAccounts(t testing.TB, count int) *engine {
	t.Helper()
	e := newEngine(t)
	for i := range count {
		name := fmt.Sprintf("desk-%05d", i)
		e.configure(name, map[string]any{
			account.FieldAPIKey: fmt.Sprintf("key/%d", i), account.FieldVerify: false, account.FieldCacheTTL: "5m", account.FieldTier: "pro",
		})
		_, err := e.read("ws-token/" + name)
		require.Error(t, err, "Kraken doesn't know the key")
	}
	return e
}

// TestAThousandAccountsAreToldAtOnce: with the race detector, which makes it ten times slower. Ten thousand are told on a real Vault, and by BenchmarkMetrics.
func TestAThousandAccountsAreToldAtOnce(t *testing.T) {
	const accounts = 1000
	e := manyAccounts(t, accounts)
	assert.Equal(t, accounts, strings.Count(e.scrape(), metricsPrefix+"tokens_minted_total{"))
	before, took := heap(), time.Hour
	for range 3 { // other tests may run beside it
		began := time.Now()
		e.mustRead("metrics")
		took = min(took, time.Since(began))
	}
	assert.Less(t, took, time.Second)
	assert.Less(t, max(heap(), before)-before, uint64(1024), "KiB that scrapes leave behind")
}

// BenchmarkMetrics is a scrape of a mount with 10,000 accounts in use.
func BenchmarkMetrics(b *testing.B) {
	e := manyAccounts(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		response, err := e.backend.HandleRequest(context.Background(), &logical.Request{Operation: logical.ReadOperation, Path: "metrics", Storage: e.storage})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(response.Data[logical.HTTPRawBody].([]byte))), "bytes")
		b.ReportMetric(float64(bytes.Count(response.Data[logical.HTTPRawBody].([]byte), []byte("\n"))), "lines")
	}
}

func TestScrapesAtOnceShareOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.storage.gets.Store(0)
		e.storage.hanging.Store("config") // for as long as metrics wait for storage
		left, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				ctx := t.Context()
				if i == 0 {
					ctx = left
				}
				response, err := e.do(ctx, logical.ReadOperation, "metrics", nil)
				assert.NoError(t, err)
				assert.Contains(t, string(response.Data[logical.HTTPRawBody].([]byte)), `tokens_minted_total{account=""} 1`)
			})
		}
		synctest.Wait()
		leave()
		group.Wait()
		assert.Equal(t, int64(1), e.storage.gets.Load())
	})
}
