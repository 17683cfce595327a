package krakensecrets

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const apiFile = "docs/api.md"

// apiTable is a table of docs/api.md that is made from the engine, with the lines around it.
var apiTable = regexp.MustCompile(`(?s)(<!-- make openapi writes from here: ([a-z -]+) -->\n)(.*?)(<!-- to here -->)`)

// TestAPIDocument: the tables of docs/api.md are those of the engine.
func TestAPIDocument(t *testing.T) {
	tables := apiTables(newEngine(t))
	committed, err := os.ReadFile(apiFile)
	require.NoError(t, err)
	placed := map[string]bool{}
	made := apiTable.ReplaceAllStringFunc(string(committed), func(region string) string {
		parts := apiTable.FindStringSubmatch(region)
		require.Contains(t, tables, parts[2])
		placed[parts[2]] = true
		return parts[1] + "\n" + tables[parts[2]] + "\n" + parts[4]
	})
	assert.Len(t, placed, len(tables), "each has its place")
	if *update {
		require.NoError(t, os.WriteFile(apiFile, []byte(made), 0o644))
		return
	}
	require.Equal(t, made, string(committed), "run: make openapi")
}

// TestAPIDocumentSamples: the fields of each sample are those of the path that its section is about.
func TestAPIDocumentSamples(t *testing.T) {
	e := newEngine(t)
	document, err := os.ReadFile(apiFile)
	require.NoError(t, err)
	samples := 0
	for _, section := range strings.Split(string(document), "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		for _, part := range strings.Split(section, "\n### ") {
			for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(part, -1) {
				var sample struct{ Data map[string]any }
				require.NoError(t, json.Unmarshal([]byte(block[1]), &sample), block[1])
				if sample.Data == nil {
					continue // an error's
				}
				samples++
				path, operation := title, logical.Operation(logical.ReadOperation)
				switch {
				case strings.HasPrefix(part, "Write a config"):
					operation = logical.UpdateOperation
				case strings.HasPrefix(part, "List"):
					path, operation = "config/", logical.ListOperation
				}
				fields := e.backend.Route(path).Operations[operation].Properties().Responses[http.StatusOK][0].Fields
				for field := range sample.Data {
					assert.Contains(t, fields, field, title)
				}
				for field, schema := range fields {
					if schema.Required {
						assert.Contains(t, sample.Data, field, title)
					}
				}
			}
		}
	}
	assert.Equal(t, 5, samples)
}

// TestAPIDocumentNamesAllWarnings of answers.
func TestAPIDocumentNamesAllWarnings(t *testing.T) {
	document, err := os.ReadFile(apiFile)
	require.NoError(t, err)
	for _, file := range []string{"path_config.go", "path_key_info.go", "internal/account/cached_token.go"} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		found := regexp.MustCompile("(?:AddWarning\\(|warn\\(|Sprintf\\(\n\t\t)[\"`]([^\"`%;]+)").FindAllStringSubmatch(string(source), -1)
		assert.NotEmpty(t, found, file)
		for _, warning := range found {
			beginning, _, _ := strings.Cut(strings.TrimSpace(warning[1]), ". ")
			assert.Contains(t, string(document), beginning, file)
		}
	}
}

// apiTables are the tables, by name.
func apiTables(e *engine) map[string]string {
	kindRows, eventRows, codeRows := [][]string{}, [][]string{}, [][]string{}
	for _, kind := range kinds {
		kindRows = append(kindRows, []string{code(kind.name), kind.meaning})
	}
	for _, sent := range eventTypes {
		eventRows = append(eventRows, []string{code(sent.eventType), sent.meaning})
	}
	for _, status := range slices.Sorted(maps.Keys(errorCodes)) {
		codeRows = append(codeRows, []string{fmt.Sprint(status), errorCodes[status]})
	}
	return map[string]string{
		"operations":      markdown(operationRows(e), "path", "operation", "command", "HTTP", "capability"),
		"config fields":   markdown(givenRows(), "field", "type", "default", "what"),
		"config answer":   answerTable(shownFields()),
		"list answer":     answerTable(listFields),
		"token answer":    answerTable(tokenFields),
		"key-info answer": answerTable(keyInfoFields()),
		"status answer":   answerTable(statusFields),
		"kinds":           markdown(kindRows, "kind", "what happened"),
		"events":          markdown(eventRows, "event", "when"),
		"codes":           markdown(codeRows, "code", "what it stands for"),
	}
}

// operationRows have a row for each operation of each path. A create is a first write.
func operationRows(e *engine) (rows [][]string) {
	for _, p := range slices.Concat(e.backend.pathConfig(), e.backend.pathToken(), e.backend.pathKeyInfo(), e.backend.pathStatus(), e.backend.pathMetrics()) {
		path := strings.TrimPrefix(openAPIPath(p), "/")
		if strings.Contains(path, "{") {
			continue // it is the same as without a name
		}
		names := code(path)
		if isAccountPath(path) {
			names += ", " + code(path+"/NAME")
		}
		for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation, logical.ListOperation, logical.DeleteOperation} {
			handler := p.Operations[operation]
			if handler == nil {
				continue
			}
			command := map[logical.Operation]string{
				logical.ReadOperation: "vault read kraken/" + path, logical.UpdateOperation: "vault write kraken/" + path + " …",
				logical.DeleteOperation: "vault delete kraken/" + path, logical.ListOperation: "vault list kraken/" + strings.TrimSuffix(path, "/"),
			}[operation]
			capability := code(string(operation))
			switch {
			case path == pathMetricsBase:
				command = "vault read -format=raw kraken/" + path
			case operation == logical.UpdateOperation && len(bodyFields(p)) == 0:
				command = "vault write -f kraken/" + path
			case p.Operations[logical.CreateOperation] != nil && operation == logical.UpdateOperation:
				capability = "`create` for an account's first write, then `update`"
			case operation == logical.ListOperation:
				capability += " on " + code("kraken/"+strings.TrimSuffix(path, "/"))
			}
			method := map[logical.Operation]string{
				logical.ReadOperation: "GET", logical.UpdateOperation: "POST", logical.DeleteOperation: "DELETE", logical.ListOperation: "LIST",
			}[operation]
			rows = append(rows, []string{names, handler.Properties().Summary, code(command), method, capability})
		}
	}
	return rows
}

// bodyFields are the names of what a write of a path may give.
func bodyFields(p *framework.Path) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.Fields)), func(name string) bool { return name == fieldName })
}

// givenRows have a row for each field that a config write may give.
func givenRows() (rows [][]string) {
	for _, field := range account.Fields {
		if !field.Given() {
			continue
		}
		schema := configGiven[field.Name]
		standard := "none"
		switch {
		case schema.Required:
			standard = "**required** in an account's first write"
		case schema.Default != nil:
			standard = code(fmt.Sprint(schema.Default))
		case field.Name == account.FieldVerify:
			standard = "depends on the write"
		}
		rows = append(rows, []string{code(field.Name), schema.Type.String(), standard, field.Description})
	}
	return rows
}

func answerTable(fields []answerField) string {
	var rows [][]string
	for i, field := range fields {
		if i > 0 && field.Description == fields[i-1].Description { // the same by another name
			rows[len(rows)-1][0] += ", " + code(field.name)
			continue
		}
		presence := "always there"
		if !field.Required {
			presence = "may be missing"
		}
		rows = append(rows, []string{code(field.name), field.Type.String(), presence, field.Description})
	}
	return markdown(rows, "field", "type", "", "what")
}

func code(text string) string { return "`" + text + "`" }

// markdown is a table.
func markdown(rows [][]string, titles ...string) string {
	var table strings.Builder
	line := func(cells []string) {
		fmt.Fprintf(&table, "| %s |\n", strings.Join(cells, " | "))
	}
	line(titles)
	table.WriteString(strings.Repeat("|---", len(titles)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return table.String()
}
