package krakensecrets

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

const (
	pathMetricsBase = "metrics"

	// metricsContentType is Prometheus' text format, as every version of it reads it.
	metricsContentType = "text/plain; version=0.0.4; charset=utf-8"

	metricsSynopsis = "Tell what goes on with all accounts, for Prometheus, without asking Kraken."
	metricsHelp     = `
Answers what "status" tells, in Prometheus' text format, for all accounts of the mount that were used or written since the
plugin's start. The label "account" is an account's name; the default account's is empty. Nothing of it is stored: the
counts begin anew with the plugin's process.

    echo "X-Vault-Token: $VAULT_TOKEN" | curl --header @- $VAULT_ADDR/v1/{mount}/metrics
    vault read -format=raw {mount}/metrics
`
)

func (b *backend) pathMetrics() []*framework.Path {
	return []*framework.Path{{
		Pattern:      pathMetricsBase + "$",
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "metrics"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: onActiveNode(framework.PathOperation{
				Callback: b.readMetrics, Summary: metricsSynopsis,
				Responses: withErrors(map[int][]framework.Response{
					http.StatusOK: {{Description: "The metrics, in Prometheus' text format 0.0.4.", MediaType: "text/plain"}},
				}, http.StatusServiceUnavailable),
			}),
		},
		HelpSynopsis:    metricsSynopsis,
		HelpDescription: strings.TrimSpace(metricsHelp),
	}}
}

func (b *backend) readMetrics(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	// Who comes while others are served shares their answer: each takes megabytes where there are thousands of accounts.
	text, err, _ := b.scrapes.Do("", func() (any, error) {
		metrics, err := b.accounts.Metrics(context.WithoutCancel(ctx), req.Storage)
		if err != nil {
			return nil, err
		}
		return metricsText(metrics)
	})
	if err != nil {
		return nil, answer(err, req.MountPoint, "")
	}
	return &logical.Response{Data: map[string]any{
		logical.HTTPContentType: metricsContentType,
		logical.HTTPRawBody:     text,
		logical.HTTPStatusCode:  http.StatusOK,
	}}, nil
}

// metricsPrefix begins the names of all metrics: they are a part of Vault's, and not of an exporter of Kraken's markets.
const metricsPrefix = "vault_kraken_"

// sizeOfAccount is about how many bytes the series of an account take.
const sizeOfAccount = 1 << 10

// metricsText writes metrics in Prometheus' text format: one family after the other, so that only one is in memory in Prometheus' own form.
func metricsText(metrics account.Metrics) ([]byte, error) {
	var text bytes.Buffer
	text.Grow((len(metrics.Accounts) + 8) * sizeOfAccount)
	labels := accountLabels(metrics.Accounts)
	for _, family := range append(mountFamilies(metrics), accountFamilies...) {
		made := family.make(metrics.Accounts, labels)
		if len(made.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&text, made); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// accountLabels are the labels of the accounts, one each.
func accountLabels(accounts []account.Status) []*dto.LabelPair {
	labels := make([]*dto.LabelPair, len(accounts))
	for i := range accounts {
		labels[i] = labelPairs("account", accounts[i].Account)[0]
	}
	return labels
}

// family is a metric with all its series.
type family struct {
	name, help string
	kind       dto.MetricType
	mount      *dto.Metric // of a metric of the mount
	// each tells the series of an account.
	each func(of *account.Status, tell tell)
}

// tell adds a series with a value, and with labels beside the account's: names and values by turns.
type tell func(value float64, labels ...string)

func (f family) make(accounts []account.Status, labels []*dto.LabelPair) *dto.MetricFamily {
	name := metricsPrefix + f.name
	made := &dto.MetricFamily{Name: &name, Help: &f.help, Type: &f.kind}
	if f.mount != nil {
		made.Metric = []*dto.Metric{f.mount}
		return made
	}
	made.Metric = make([]*dto.Metric, 0, len(accounts))
	var account int
	tell := func(value float64, more ...string) {
		metric := &dto.Metric{Label: append(labels[account:account+1:account+1], labelPairs(more...)...)}
		if f.kind == dto.MetricType_COUNTER {
			metric.Counter = &dto.Counter{Value: &value}
		} else {
			metric.Gauge = &dto.Gauge{Value: &value}
		}
		made.Metric = append(made.Metric, metric)
	}
	for account = range accounts {
		f.each(&accounts[account], tell)
	}
	return made
}

func labelPairs(namesAndValues ...string) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, len(namesAndValues)/2)
	for i := range pairs {
		pairs[i] = &dto.LabelPair{Name: &namesAndValues[2*i], Value: &namesAndValues[2*i+1]}
	}
	return pairs
}

// mountFamilies are the metrics of the mount as a whole.
func mountFamilies(m account.Metrics) []family {
	gauge := func(name, help string, value float64, labels ...string) family {
		metric := &dto.Metric{Label: labelPairs(labels...), Gauge: &dto.Gauge{Value: &value}}
		return family{name: name, help: help, kind: dto.MetricType_GAUGE, mount: metric}
	}
	families := []family{
		gauge("build_info", "The plugin's version.", 1, "version", Version),
		gauge("accounts_in_use", "Accounts that were used or written since the plugin's start: those that there are series of.", float64(len(m.Accounts))),
		gauge("keepers", "API keys that something is known of: those of the accounts in use, and of proofs and deleted accounts of late.", float64(m.Keepers)),
		histogram("call_duration_seconds", "How long calls to Kraken took that may have reached it.", m.Calls),
		histogram("turn_wait_seconds", "How long calls to Kraken had waited for their turn: for earlier calls with the API key, Kraken's counter, and the end of a hold-off.", m.Waits),
	}
	if m.Configured >= 0 {
		families = append(families, gauge("accounts", "Accounts that are configured. Missing while Vault's storage can't be read.", float64(m.Configured)))
	}
	return families
}

func histogram(name, help string, h account.Histogram) family {
	sum := h.Sum.Seconds()
	made := &dto.Histogram{SampleCount: &h.Count, SampleSum: &sum}
	for _, bucket := range h.Buckets {
		bound := bucket.Bound.Seconds()
		made.Bucket = append(made.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: &bucket.Count})
	}
	return family{name: name, help: help, kind: dto.MetricType_HISTOGRAM, mount: &dto.Metric{Histogram: made}}
}

// accountFamilies are the metrics of each account. They tell what status tells, by the same names.
var accountFamilies = []family{
	counter("tokens_minted_total", "Tokens got from Kraken.", func(s *account.Status) uint64 { return s.Minted }),
	byKind("failures_total", "Failed attempts to get a token, by kind. One attempt may have been for many reads.",
		func(s *account.Status) map[string]uint64 { return s.Failures }),
	{
		name: "reads_answered_total", kind: dto.MetricType_COUNTER,
		help: "Reads that got a token, by outcome: fresh was minted for it, cached for an earlier one, coalesced by a call under way for another one.",
		each: func(s *account.Status, tell tell) {
			tell(float64(s.Fresh), "outcome", "fresh")
			tell(float64(s.Cached), "outcome", "cached")
			tell(float64(s.Coalesced), "outcome", "coalesced")
		},
	},
	byKind("reads_failed_total", "Reads that got no token, by kind.", func(s *account.Status) map[string]uint64 { return s.FailedReads }),
	{
		name: "calls_total", kind: dto.MetricType_COUNTER,
		help: "Requests that may have reached Kraken, by method and outcome.",
		each: func(s *account.Status, tell tell) {
			for _, call := range slices.SortedFunc(maps.Keys(s.Calls), func(a, b account.Call) int {
				return cmp.Or(cmp.Compare(a.Method, b.Method), cmp.Compare(a.Outcome, b.Outcome))
			}) {
				tell(float64(s.Calls[call]), "method", call.Method, "outcome", call.Outcome)
			}
		},
	},
	counter("proofs_total", "Key pairs that Kraken was asked about before they were stored.", func(s *account.Status) uint64 { return s.Proofs }),
	byKind("config_writes_refused_total", "Config writes that were refused, or failed, by kind.",
		func(s *account.Status) map[string]uint64 { return s.RefusedWrites }),
	counter("nonce_refusals_total", "Nonces that Kraken refused: the API key is used elsewhere as well, or a clock was set back.",
		func(s *account.Status) uint64 { return s.Key.NonceRefusals }),
	byKind("hold_offs_total", "Answers of Kraken that the account was held back for, by kind.",
		func(s *account.Status) map[string]uint64 { return s.Key.HoldOffs }),
	gauge("disabled", "Whether the account is disabled, and so asks Kraken nothing: 1 if it is.",
		func(s *account.Status) (float64, bool) {
			if s.Disabled {
				return 1, true
			}
			return 0, true
		}),
	timestamp("held_back_until_timestamp_seconds", "Until when Kraken isn't asked, after a refusal, rate limit or lockout; 0: it is asked.",
		true, func(s *account.Status) time.Time { return s.Key.HeldUntil }),
	timestamp("outage_since_timestamp_seconds", "Since when Kraken can't be reached, as far as the last call has shown; 0: it can be.",
		true, func(s *account.Status) time.Time { return s.Key.OutageSince }),
	timestamp("last_success_timestamp_seconds", "When a token was last got from Kraken. Missing if none was.",
		false, func(s *account.Status) time.Time { return s.LastSuccess }),
	timestamp("last_error_timestamp_seconds", "When an attempt to get a token last failed. Missing if none has.",
		false, func(s *account.Status) time.Time { return s.LastErrorAt }),
	gauge("cached_token_age_seconds", "How old the cached token is. Missing if none is cached.",
		func(s *account.Status) (float64, bool) { return s.CachedAge.Seconds(), !s.CachedUntil.IsZero() }),
	gauge("cached_token_ttl_seconds", "How long the cached token has to live. Missing if none is cached.",
		func(s *account.Status) (float64, bool) {
			return time.Until(s.CachedUntil).Seconds(), !s.CachedUntil.IsZero()
		}),
	timestamp("key_expires_timestamp_seconds", "When the API key expires, as Kraken said when key-info was last read. Missing if it doesn't, or that wasn't read.",
		false, func(s *account.Status) time.Time { return s.KeyExpires }),
	gauge("calls_left", "Calls that Kraken's counter for the account's tier allows now. Missing where no counter is kept.",
		func(s *account.Status) (float64, bool) { return float64(s.Key.CallsLeft), s.Key.Counted }),
	gauge("calls_waiting", "Calls that wait for their turn now.",
		func(s *account.Status) (float64, bool) { return float64(s.Key.Waiting), true }),
	gauge("nonce_ahead_seconds", "How far the last nonce is ahead of the clock.",
		func(s *account.Status) (float64, bool) { return s.Key.NonceAhead.Seconds(), true }),
}

func counter(name, help string, value func(*account.Status) uint64) family {
	return family{name: name, help: help, kind: dto.MetricType_COUNTER, each: func(s *account.Status, tell tell) { tell(float64(value(s))) }}
}

// byKind has a series for each kind that occurred.
func byKind(name, help string, values func(*account.Status) map[string]uint64) family {
	return family{name: name, help: help, kind: dto.MetricType_COUNTER, each: func(s *account.Status, tell tell) {
		counts := values(s)
		for _, kind := range slices.Sorted(maps.Keys(counts)) {
			tell(float64(counts[kind]), "kind", kind)
		}
	}}
}

// gauge has a series where value is true.
func gauge(name, help string, value func(*account.Status) (float64, bool)) family {
	return family{name: name, help: help, kind: dto.MetricType_GAUGE, each: func(s *account.Status, tell tell) {
		if value, ok := value(s); ok {
			tell(value)
		}
	}}
}

// timestamp tells a time in seconds since 1970. The zero time is 0, or no series.
func timestamp(name, help string, zero bool, at func(*account.Status) time.Time) family {
	return gauge(name, help, func(s *account.Status) (float64, bool) {
		if at := at(s); !at.IsZero() {
			return float64(at.UnixMilli()) / 1000, true
		}
		return 0, zero
	})
}
