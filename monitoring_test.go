package krakensecrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests hold docs/monitoring to what the engine tells.

const (
	monitoringDir  = "docs/monitoring"
	monitoringPage = monitoringDir + "/README.md"
)

func readText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// section is the text under a heading of a Markdown page, up to the next one of the same or a higher level.
func section(t testing.TB, page, heading string) string {
	t.Helper()
	text := readText(t, page)
	found := regexp.MustCompile("(?m)^(#+) " + regexp.QuoteMeta(heading) + "$").FindStringSubmatchIndex(text)
	require.NotNil(t, found, "%s has no heading %q", page, heading)
	level, rest := found[3]-found[2], text[found[1]:]
	if next := regexp.MustCompile(fmt.Sprintf("(?m)^#{1,%d} ", level)).FindStringIndex(rest); next != nil {
		rest = rest[:next[0]]
	}
	return rest
}

// firstColumn are the names in code in the first column of the tables of a section that are of a form, sorted.
func firstColumn(t testing.TB, page, heading, form string) (names []string) {
	t.Helper()
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(section(t, page, heading), -1) {
		names = append(names, inCode(row[1], form)...)
	}
	slices.Sort(names)
	return names
}

// inCode are the names of a form that stand in code in a text.
func inCode(text, form string) (names []string) {
	for _, code := range regexp.MustCompile("`("+form+")`").FindAllStringSubmatch(text, -1) {
		names = append(names, code[1])
	}
	return names
}

func TestEveryStatusFieldIsDocumented(t *testing.T) {
	b := newEngine(t).backend
	told := b.pathStatus()[0].Operations[logical.ReadOperation].Properties().Responses[200][0].Fields
	documented := firstColumn(t, monitoringPage, "Metrics and status", "[a-z_]+")
	documented = slices.DeleteFunc(documented, func(name string) bool { return strings.HasPrefix(name, metricsPrefix) })
	for _, row := range regexp.MustCompile(`(?m)^\| .vault_kraken_[^|]+\|[^|]*\|([^|]*)\|`).FindAllStringSubmatch(section(t, monitoringPage, "Metrics and status"), -1) {
		documented = append(documented, inCode(row[1], "[a-z_]+")...)
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(told)), documented)
}

func TestEveryKindIsDocumented(t *testing.T) {
	var names []string
	for _, kind := range kinds {
		names = append(names, kind.name)
	}
	assert.ElementsMatch(t, names, firstColumn(t, monitoringPage, "Kinds of failures", "[a-z_]+"))
}

// alert is what alerts.yaml says of one.
type alert struct{ name, text string }

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	for _, text := range strings.Split(readText(t, monitoringDir+"/alerts.yaml"), "- alert: ")[1:] {
		name, _, _ := strings.Cut(text, "\n")
		all = append(all, alert{name, text})
	}
	require.NotEmpty(t, all)
	return all
}

func TestEveryAlertIsDocumentedAndTried(t *testing.T) {
	tests := strings.Split(readText(t, monitoringDir+"/alerts_test.yaml"), "- name: ")[1:]
	var names []string
	for _, alert := range alerts(t) {
		names = append(names, alert.name)
		assert.Regexp(t, `severity: (critical|warning|info)\}`, alert.text, alert.name)
		assert.Contains(t, alert.text, "summary: ", alert.name)
		assert.Contains(t, alert.text, "description: ", alert.name)
		fires := slices.ContainsFunc(tests, func(test string) bool {
			return strings.HasPrefix(test, alert.name+" fires") && (strings.Contains(test, "exp_labels: {") || strings.Contains(test, "labels: 'ALERTS{"))
		})
		assert.True(t, fires, "no test shows that %s fires", alert.name)
	}
	slices.Sort(names)
	assert.Equal(t, names, firstColumn(t, monitoringPage, "Alerts", "[A-Za-z]+"))
}

// TestAlertsLeadToHeadingsThatAre: a runbook's URL is a page of this repository with a heading.
func TestAlertsLeadToHeadingsThatAre(t *testing.T) {
	for _, alert := range alerts(t) {
		url := regexp.MustCompile(`runbook_url: https://` + modulePath(t) + `/blob/main/(docs/[a-z/]+\.md)#([a-z0-9-]+)\n`).FindStringSubmatch(alert.text)
		require.NotNil(t, url, "%s has no runbook in this repository", alert.name)
		assert.Contains(t, anchors(t, url[1]), url[2], "%s: %s has no such heading", alert.name, url[1])
	}
}

func modulePath(t *testing.T) string {
	t.Helper()
	path, _, found := strings.Cut(strings.TrimPrefix(readText(t, "go.mod"), "module "), "\n")
	require.True(t, found)
	return regexp.QuoteMeta(path)
}

// anchors are those of a Markdown page's headings, as forges make them.
func anchors(t *testing.T, page string) (all []string) {
	t.Helper()
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(readText(t, page), -1) {
		kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		all = append(all, strings.ReplaceAll(kept, " ", "-"))
	}
	return all
}

// TestAlertsAndDashboardNameMetricsThatAre: the engine's own, and those of Vault's that the page names, which an acceptance test looks for on a real Vault.
func TestAlertsAndDashboardNameMetricsThatAre(t *testing.T) {
	families := parseMetrics(t, everyMetric(t, newEngine(t)))
	vaults := firstColumn(t, monitoringPage, "Vault's own metrics that matter here", "vault_[a-z_]+")
	require.NotEmpty(t, vaults)
	shown := map[string]bool{}
	for _, file := range []string{"alerts.yaml", "alerts_test.yaml", "dashboard.json"} {
		for _, name := range regexp.MustCompile(`\bvault_[a-z_]+`).FindAllString(readText(t, filepath.Join(monitoringDir, file)), -1) {
			if !strings.HasPrefix(name, metricsPrefix) {
				assert.Contains(t, vaults, name, file)
				continue
			}
			if families[name] == nil {
				name = regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
				require.NotNil(t, families[name], "%s: there is no %s", file, name)
				require.NotNil(t, families[name].Metric[0].Histogram, "%s: %s is no histogram", file, name)
			}
			shown[name] = shown[name] || file == "dashboard.json"
		}
	}
	for name := range families {
		assert.True(t, shown[name], "%s isn't on the dashboard", name)
	}
}

// dashboard is what these tests look at of Grafana's form.
type dashboard struct {
	SchemaVersion int
	Templating    struct{ List []struct{ Name, Type string } }
	Panels        []struct {
		ID         int
		Title      string
		Type       string
		Datasource struct{ UID string }
		Targets    []struct {
			Expr       string
			Datasource struct{ UID string }
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(readText(t, monitoringDir+"/dashboard.json")), &d))
	return d
}

func TestDashboardCanBeImported(t *testing.T) {
	d := readDashboard(t)
	assert.Greater(t, d.SchemaVersion, 30)
	variables := map[string]string{}
	for _, variable := range d.Templating.List {
		variables[variable.Name] = variable.Type
	}
	assert.Equal(t, map[string]string{"DS_PROMETHEUS": "datasource", "mount": "query", "account": "query"}, variables)
	seen := map[int]bool{}
	for _, panel := range d.Panels {
		assert.False(t, seen[panel.ID], "the ID %d comes twice", panel.ID)
		seen[panel.ID] = true
		if panel.Type == "row" {
			continue
		}
		assert.Equal(t, "${DS_PROMETHEUS}", panel.Datasource.UID, panel.Title)
		assert.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			assert.Equal(t, "${DS_PROMETHEUS}", target.Datasource.UID, panel.Title)
			if strings.Contains(target.Expr, metricsPrefix) {
				assert.Contains(t, target.Expr, `mount=~"$mount"`, panel.Title)
			}
		}
	}
}

// TestPromtoolIsContent with the configuration, the alerts, their tests, and the dashboard's queries. `make alerts` names a promtool.
func TestPromtoolIsContent(t *testing.T) {
	promtool := os.Getenv("PROMTOOL")
	if promtool == "" {
		found, err := exec.LookPath("promtool")
		if err != nil {
			t.Skip("there is no promtool on the PATH; make alerts builds one")
		}
		promtool = found
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(monitoringDir)))
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			expr := strings.NewReplacer("$mount", ".*", "$account", ".*", "$__rate_interval", "5m").Replace(target.Expr)
			rules += fmt.Sprintf("  - {record: panel_%d, expr: %q}\n", panel.ID, expr)
		}
	}
	require.NoError(t, errors.Join(
		os.WriteFile(filepath.Join(dir, "prometheus-token"), []byte("none"), 0o600),
		os.WriteFile(filepath.Join(dir, "dashboard.yaml"), []byte(rules), 0o600),
	))
	for _, arguments := range [][]string{
		{"check", "config", "prometheus.yaml"}, // with the rules that it names
		{"check", "rules", "--lint=none", "dashboard.yaml"},
		{"test", "rules", "alerts_test.yaml"},
	} {
		t.Run(strings.Join(arguments, " "), func(t *testing.T) {
			command := exec.CommandContext(t.Context(), promtool, arguments...)
			command.Dir = dir
			out, err := command.CombinedOutput()
			assert.NoError(t, err, string(out))
			t.Logf("%s", out)
		})
	}
}

// TestHeldBackUntilLeavesOutTheCallCounter, as the page says of held_back_until.
func TestHeldBackUntilLeavesOutTheCallCounter(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{account.FieldTier: "starter", account.FieldRequestTimeout: 1})
	var err error
	for range 20 {
		if _, err = e.read("ws-token"); err != nil {
			break
		}
	}
	requireCode(t, 429, err)
	status := e.mustRead("status")
	assert.Equal(t, 0, status[fieldCallsLeft])
	assert.NotContains(t, status, fieldHeldUntil)
}
