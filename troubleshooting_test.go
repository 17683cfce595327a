package krakensecrets

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests hold docs/troubleshooting.md to the code: every message that the code can give stands there as a heading, or in the first column of a table, and
// what stands there is a message.

const troubleshootingPage = "docs/troubleshooting.md"

// vaultsOwn are the headings below this one: Vault's messages, which this code doesn't give.
const vaultsOwn = "Vault itself"

// inner are texts that nobody meets, and why.
var inner = []string{
	"another write was quicker",                                                    // the write begins again
	"the account's config was replaced",                                            // the read goes on with what took its place
	"the pair couldn't be proved: ",                                                // the answer says that the config was not written
	"no backend configuration was given",                                           // Vault gives one
	"the proxy refused to connect",                                                 // the answer tells the HTTP status instead
	"the HTTP/2 connection takes no more",                                          // another one is made
	"the server makes HTTP/2 connections and",                                      // told as a broken connection
	"token [redacted] requested ", ", expires ", "[cached token]", "[private key]", // how secrets are printed
	"the default account", "%s; write one: ", " with it", // stand in other messages
	"remote error", "socks connect", "tls: internal error", // looked for in Go's errors
	"text/plain; version=0.0.4; charset=utf-8",
}

// messages are the texts in the code that stand in an answer, a warning or the log of the plugin's start, with %s and its like where something varies.
func messages(t *testing.T) (all []string) {
	t.Helper()
	literals := func(node ast.Node) {
		ast.Inspect(node, func(node ast.Node) bool {
			if isNoMessage(node) {
				return false
			}
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				if strings.Contains(strings.TrimSpace(text), " ") && !slices.ContainsFunc(inner, func(i string) bool { return strings.HasPrefix(text, i) }) {
					all = append(all, text)
				}
			}
			return true
		})
	}
	for _, dir := range []string{"internal/account", "internal/keeper", "internal/kraken", "internal/process"} {
		for _, file := range goFiles(t, dir) {
			literals(file)
		}
	}
	// In the paths, and in the program, most texts describe something. These calls answer or tell.
	for dir, telling := range map[string][]string{".": {"AddWarning", "warn", "badInput", "Errorf"}, "cmd/vault-plugin-secrets-kraken": {"Warn", "Error"}} {
		for _, file := range goFiles(t, dir) {
			ast.Inspect(file, func(node ast.Node) bool {
				if call, ok := node.(*ast.CallExpr); ok && slices.Contains(telling, callee(call)) && len(call.Args) > 0 {
					literals(call.Args[0])
				}
				return true
			})
		}
	}
	require.Greater(t, len(all), 100)
	return append(all, "The config was not written. ")
}

// goFiles are the parsed sources in a directory, without tests.
func goFiles(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	return files
}

// callee is the name of the function or method that is called.
func callee(call *ast.CallExpr) string {
	switch called := call.Fun.(type) {
	case *ast.Ident:
		return called.Name
	case *ast.SelectorExpr:
		return called.Sel.Name
	}
	return ""
}

var (
	noMessageNames = regexp.MustCompile(`(?i)remedy|rule$|characters|^krakenMessage$|^longRun$|^namePattern$|^example$`)
	noMessageKeys  = regexp.MustCompile(`^(Description|Title)$`)
	noMessageCalls = []string{"note", "begins", "ends", "Debug", "Info", "Warn", "Error", "MustCompile"} // the log's, but for the plugin's start
)

// isNoMessage tells the parts of the code whose texts are something else: descriptions, what is right instead, lines of the log.
func isNoMessage(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.ImportSpec:
		return true
	case *ast.Field: // with a tag, perhaps
		return node.Tag != nil
	case *ast.ValueSpec:
		return noMessageNames.MatchString(node.Names[0].Name)
	case *ast.KeyValueExpr:
		key, ok := node.Key.(*ast.Ident)
		return ok && noMessageKeys.MatchString(key.Name)
	case *ast.CallExpr:
		return slices.Contains(noMessageCalls, callee(node))
	case *ast.CompositeLit: // a FieldError ends with what is right
		if name, ok := node.Type.(*ast.Ident); ok && name.Name == "FieldError" && len(node.Elts) == 3 {
			node.Elts = node.Elts[:2]
		}
	}
	return false
}

// verb is where something varies in a text of the code.
var verb = regexp.MustCompile(`%[-+#0-9.*\[\]]*[a-zA-Z]`)

// pieces are what stays the same of a message's first sentence, in lower case, for an answer begins with a capital.
func pieces(message string) (fixed []string) {
	message, _, _ = strings.Cut(strings.ToLower(message), ". ")
	for _, piece := range verb.Split(message, -1) {
		if piece = strings.TrimSpace(piece); strings.ContainsFunc(piece, isLetter) {
			fixed = append(fixed, piece)
		}
	}
	return fixed
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' }

// entries are the page's messages, by the section of the second level: headings of the third, and the first columns of tables.
func entries(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, part := range strings.Split(readText(t, troubleshootingPage), "\n## ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		for _, line := range regexp.MustCompile("(?m)^(?:### |\\| )(`[^|\n]+)").FindAllStringSubmatch(text, -1) {
			all[title] = append(all[title], inCode(line[1], "[^`]+")...)
		}
	}
	return all
}

func TestEveryMessageIsInTroubleshooting(t *testing.T) {
	var all []string
	for _, of := range entries(t) {
		for _, entry := range of {
			all = append(all, strings.ToLower(entry))
		}
	}
	for _, message := range messages(t) {
		found := slices.ContainsFunc(all, func(entry string) bool {
			for _, piece := range pieces(message) {
				_, rest, found := strings.Cut(entry, piece)
				if !found {
					return false
				}
				entry = rest
			}
			return true
		})
		assert.True(t, found, "no heading and no table has %q", message)
	}
}

func TestTroubleshootingHasNoOtherMessages(t *testing.T) {
	var fixed []string
	for _, message := range messages(t) {
		fixed = append(fixed, pieces(message)...)
	}
	fixed = append(fixed, "eservice:unavailable", "eservice:throttled", "api_key", "api_secret", "otp_password", "totp_secret", "api_url", "websocket_url", "ca_cert",
		"request_timeout", "cache_ttl", "tier", "disabled", "verify", "allowed_api_urls", "https", "wss", "http", "ws", "connection refused", "e…", "https://api.kraken.com", "expires",
		"this binary is a plugin. these are not meant to be executed directly.") // go-plugin's
	slices.SortFunc(fixed, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for title, of := range entries(t) {
		if title == vaultsOwn {
			continue
		}
		for _, entry := range of {
			rest := strings.ToLower(entry)
			for _, piece := range fixed {
				rest = whole(piece).ReplaceAllString(rest, "")
			}
			assert.False(t, strings.ContainsFunc(rest, isLetter), "the code doesn't say %q: %q is left", entry, rest)
		}
	}
}

// whole finds a text where it isn't a part of a longer word.
func whole(text string) *regexp.Regexp {
	form := regexp.QuoteMeta(text)
	if isLetter(rune(text[0])) {
		form = `\b` + form
	}
	if isLetter(rune(text[len(text)-1])) {
		form += `\b`
	}
	return regexp.MustCompile(form)
}

// TestTroubleshootingTellsTheCode: what stands below a heading begins with the HTTP code, or says where the message is met.
func TestTroubleshootingTellsTheCode(t *testing.T) {
	for _, part := range strings.Split(readText(t, troubleshootingPage), "\n### ")[1:] {
		title, text, _ := strings.Cut(part, "\n\n")
		assert.Regexp(t, `^(\d\d\d\b|A warning\.|Log\.|Log of Vault Agent\.|Command line|The code of what )`, text, title)
	}
}

// TestTroubleshootingTellsTheTrueCode of each of Kraken's messages.
func TestTroubleshootingTellsTheTrueCode(t *testing.T) {
	tried := 0
	for _, part := range strings.Split(readText(t, troubleshootingPage), "\n### ")[1:] {
		title, text, _ := strings.Cut(part, "\n\n")
		code, err := strconv.Atoi(text[:3])
		if err != nil {
			continue
		}
		for _, message := range regexp.MustCompile("(?m)^(?:\\| )?`Kraken answered (E[A-Za-z]+:[^`,…]+)").FindAllStringSubmatch(title+"\n"+text, -1) {
			t.Run(message[1], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEngine(t)
					e.configure("", nil)
					e.sim.Misbehave(says(message[1]))
					_, err := e.read("ws-token")
					requireCode(t, code, err)
					assert.Contains(t, err.Error(), "Kraken answered "+message[1])
				})
			})
			tried++
		}
	}
	assert.Greater(t, tried, 12)
}
