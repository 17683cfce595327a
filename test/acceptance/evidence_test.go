package acceptance

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// evidence is a directory that keeps what a test's processes printed, logged and audited, and which secrets were in play,
// until the end of the test, which looks for the one in the other.
type evidence string

// Its files.
const (
	printedLog   = "printed.log"   // by vault commands and subscribe, but for tokens in their place
	vaultLog     = "vault.log"     // by the Vault servers and the plugin, at trace level
	auditLog     = "audit.log"     // by Vault's audit device
	processesLog = "processes.log" // what the plugin's processes show
	secretsFile  = "secrets.json"  // key pairs, second factors, Kraken's and Vault's tokens: a JSON string in each line
)

func (e evidence) file(name string) string { return filepath.Join(string(e), name) }

func (e evidence) add(name string, text []byte) error {
	file, err := os.OpenFile(e.file(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// addSecret notes a secret. Short ones are left out: "1" is in every log.
func (e evidence) addSecret(value string) error {
	if value = strings.TrimSpace(value); len(value) < 8 {
		return nil
	}
	line, err := json.Marshal(value)
	return errors.Join(err, e.add(secretsFile, append(line, '\n')))
}

// addProcesses keeps what the plugins of a Vault server show, where there is a /proc to see it in.
func (e evidence) addProcesses(vault int) (err error) {
	for _, plugin := range pluginsOf(vault) {
		err = errors.Join(err, e.add(processesLog, plugin.shows()))
	}
	return err
}

// secrets returns what addSecret noted.
func (e evidence) secrets() (secrets []string, err error) {
	text, err := os.ReadFile(e.file(secretsFile))
	for line := range bytes.Lines(text) {
		var secret string
		err = errors.Join(err, json.Unmarshal(line, &secret))
		secrets = append(secrets, secret)
	}
	return secrets, err
}

var secretFields = []string{"api_secret", "otp_password", "totp_secret", "password"}

// runRecorded is the vault and the subscribe command of the scripts: it runs the real program, and keeps as evidence
// what it prints, and the secrets and tokens that pass.
func runRecorded(program string) {
	evidence := evidence(os.Getenv("EVIDENCE"))
	stdin, err := io.ReadAll(os.Stdin)
	for _, arg := range os.Args[1:] {
		err = errors.Join(err, evidence.addArgument(arg, stdin))
	}
	var printed bytes.Buffer
	command := exec.Command(program, os.Args[1:]...)
	command.Stdin = bytes.NewReader(stdin)
	command.Stdout = io.MultiWriter(os.Stdout, &printed)
	command.Stderr = io.MultiWriter(os.Stderr, &printed)
	failed := runInterruptible(command)
	isToken := failed == nil && (slices.Contains(os.Args, "-field=token") || slices.Contains(os.Args, "-field=wrapping_token"))
	vault, noPID := strconv.Atoi(os.Getenv("VAULT_PID"))
	if err = errors.Join(err,
		evidence.addTokens(stdin), evidence.addPrinted(printed.Bytes(), isToken), noPID, evidence.addProcesses(vault),
	); err != nil {
		fmt.Fprintln(os.Stderr, "keeping evidence:", err)
		os.Exit(125)
	}
	if failed != nil {
		os.Exit(1)
	}
}

// runInterruptible passes on the signals that end a program, so that none is left over from a script's background.
func runInterruptible(command *exec.Cmd) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case received := <-signals:
			_ = command.Process.Signal(received)
		}
	}
}

// printedToken is a WebSocket token as Vault answers it, in a table or in JSON.
var printedToken = regexp.MustCompile(`(?m)(?:^token +|"token": ?")([A-Za-z0-9+/=_-]{16,})"?`)

func (e evidence) addTokens(text []byte) (err error) {
	for _, found := range printedToken.FindAllSubmatch(text, -1) {
		err = errors.Join(err, e.addSecret(string(found[1])))
	}
	return err
}

// addPrinted keeps what a command printed, but for the tokens that it is to print: those it notes. isToken says that
// there is nothing else.
func (e evidence) addPrinted(text []byte, isToken bool) error {
	if isToken {
		return e.addSecret(string(text))
	}
	return errors.Join(e.addTokens(text), e.add(printedLog, printedToken.ReplaceAll(text, nil)))
}

// addArgument notes the secrets in an argument of a vault command: FIELD=VALUE, FIELD=@FILE, FIELD=- (stdin), or @FILE
// and - with JSON in them.
func (e evidence) addArgument(arg string, stdin []byte) error {
	field, value, isField := strings.Cut(arg, "=")
	if !isField {
		field, value = "", arg
	}
	var err error
	text := []byte(value)
	if file, isFile := strings.CutPrefix(value, "@"); isFile {
		if text, err = os.ReadFile(file); err != nil {
			return nil // vault will say so
		}
	} else if value == "-" {
		text = stdin
	}
	if slices.Contains(secretFields, field) {
		return e.addSecret(string(text))
	}
	var object map[string]any
	if !isField && json.Unmarshal(text, &object) == nil {
		for _, field := range secretFields {
			for _, found := range stringsIn(object[field]) {
				err = errors.Join(err, e.addSecret(found))
			}
		}
	}
	return err
}

// stringsIn returns all strings in a JSON value.
func stringsIn(value any) (found []string) {
	switch value := value.(type) {
	case string:
		found = append(found, value)
	case []any:
		for _, element := range value {
			found = append(found, stringsIn(element)...)
		}
	case map[string]any:
		for _, element := range value {
			found = append(found, stringsIn(element)...)
		}
	}
	return found
}

// assertNoLeaks looks for every secret, in all forms, in everything that was printed, logged at trace level, audited, or
// visible of the plugin's processes.
func (e evidence) assertNoLeaks(t *testing.T) {
	t.Helper()
	secrets, err := e.secrets()
	require.NoError(t, err)
	complete := !t.Failed() && !t.Skipped()
	if complete {
		assert.GreaterOrEqual(t, len(secrets), 3, "not even the unseal key, the root token and a private key")
	}
	visible := []string{pluginName} // an argument
	if os.Geteuid() == 0 {          // the plugin shows nobody else its environment and its open files
		visible = append(visible, "VAULT_BACKEND_PLUGIN=", "socket:[")
	}
	// For each file, what must be in it, or else it isn't what it should be and finding nothing means nothing.
	for file, markers := range map[string][]string{
		printedLog:   {"kraken"},
		vaultLog:     {"secrets." + pluginName},
		auditLog:     {`"path":"sys/mounts/kraken"`},
		processesLog: visible,
	} {
		text, err := os.ReadFile(e.file(file))
		if errors.Is(err, os.ErrNotExist) && (!complete || file == processesLog && !hasProc()) {
			continue
		}
		assert.NoError(t, err)
		for _, marker := range markers {
			found := bytes.Contains(text, []byte(marker))
			assert.True(t, found || !complete, "%s is not the evidence it should be: no %s in it", file, marker)
		}
		if at := bytes.Index(text, []byte("%!(")); at >= 0 {
			t.Errorf("%s: fmt complains in a message: …%s…", file, text[max(0, at-200):min(len(text), at+40)])
		}
		for _, secret := range secrets {
			if form := leak(text, secret); form != "" {
				t.Errorf("%s holds a secret, %s: …%s…", file, form, around(text, secret))
			}
		}
	}
}

// leak tells in which form a secret is in a text; "" if it isn't.
func leak(text []byte, secret string) string {
	forms := map[string]string{
		"as it is":         secret,
		"URL-encoded":      url.QueryEscape(secret),
		"base64-encoded":   strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
		"hex-encoded":      hex.EncodeToString([]byte(secret)),
		"printed as bytes": strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
	}
	if len(secret) > 32 {
		forms["its beginning"] = secret[:16]
		forms["its end"] = secret[len(secret)-16:]
	}
	if decoded, err := base64.StdEncoding.DecodeString(secret); err == nil && len(decoded) >= 8 {
		forms["decoded"] = string(decoded)
		forms["decoded, as hex"] = hex.EncodeToString(decoded)
		forms["decoded, as bytes"] = strings.Trim(fmt.Sprint(decoded), "[]")
		forms["as URL-safe base64"] = strings.TrimRight(base64.URLEncoding.EncodeToString(decoded), "=")
	}
	for name, form := range forms {
		if bytes.Contains(text, []byte(form)) {
			return name
		}
	}
	return ""
}

// around shows where a secret is found, as far as it is found as it is.
func around(text []byte, secret string) []byte {
	at := bytes.Index(text, []byte(secret[:8]))
	if at < 0 {
		return nil
	}
	return text[max(0, at-200):min(len(text), at+16)]
}

func TestLeakFindsEveryForm(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte("a key that has \xff\xfe+? and goes on for a while"))
	decoded, err := base64.StdEncoding.DecodeString(secret)
	require.NoError(t, err)
	for _, form := range []string{
		secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprint([]byte(secret)),
		fmt.Sprintf("%x", secret), secret[:20], secret[len(secret)-20:],
		string(decoded), fmt.Sprintf("%x", decoded), fmt.Sprint(decoded), base64.RawURLEncoding.EncodeToString(decoded),
	} {
		assert.NotEmpty(t, leak([]byte("one line\nbefore "+form+" after\n"), secret), form)
	}
	assert.Empty(t, leak([]byte("nothing to see"), secret))
	found := printedToken.FindSubmatch([]byte("Key    Value\ntoken            abcdefgh+/ijklmnop==\nttl 15m\n"))
	require.NotNil(t, found)
	assert.Equal(t, "abcdefgh+/ijklmnop==", string(found[1]))
}
