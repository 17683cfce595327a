package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdKraken is what the scripts do at Kraken:
//
//	kraken new-key NAME [password|totp] [no-permission] [starter]
//	                       make a key pair: $NAME_KEY is its public key, the file NAME-secret holds its private key, the
//	                       file NAME-factor its second factor
//	kraken remove-key KEY  delete a key
//	kraken misbehave PART=VALUE...   parts: error, status, body, hang, drop, times
//	kraken behave          all is well again
//	kraken calls N         exactly N private requests have come in since the last time of asking
//	kraken forget-calls    count from here
//	kraken expire-tokens   let all WebSocket tokens grow old
//	kraken drop-sockets    cut all WebSocket connections off
//	kraken subscribed      wait until one connection is subscribed to executions, with another token than the last time
//	kraken nonce-ahead KEY DURATION
//	                       the key was used elsewhere, by a clock that is so much ahead
//	kraken lockout address|key|off   what repeated refusals lock out from here on; address unless told
func cmdKraken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: kraken COMMAND [ARGUMENT...]")
	}
	c := ts.Value(world{}).(*cluster)
	kraken := c.kraken
	command, args := args[0], args[1:]
	switch {
	case command == "new-key" && len(args) > 0:
		key, err := c.newKey(args[1:]...)
		ts.Check(err)
		ts.Setenv(strings.ToUpper(args[0])+"_KEY", key.APIKey)
		ts.Check(writeSecret(ts.MkAbs(args[0]+"-secret"), key.APISecret))
		if factor := key.OTPPassword + key.TOTPSecret; factor != "" {
			ts.Check(writeSecret(ts.MkAbs(args[0]+"-factor"), factor))
		}
	case command == "remove-key" && len(args) == 1:
		kraken.RemoveKey(args[0])
	case command == "misbehave" && len(args) > 0:
		fault, err := parseFault(args)
		ts.Check(err)
		kraken.Behave()
		kraken.Misbehave(fault)
	case command == "behave":
		kraken.Behave()
	case command == "calls" && len(args) == 1:
		calls := kraken.Calls()
		kraken.ForgetCalls()
		if args[0] != strconv.Itoa(len(calls)) {
			ts.Fatalf("%d calls reached Kraken, not %s: %+v", len(calls), args[0], calls)
		}
	case command == "forget-calls":
		kraken.ForgetCalls()
	case command == "nonce-ahead" && len(args) == 2:
		ahead, err := time.ParseDuration(args[1])
		ts.Check(err)
		kraken.SetLastNonce(args[0], uint64(time.Now().Add(ahead).UnixNano()))
	case command == "lockout" && len(args) == 1:
		lockout := krakensim.Lockout{Scope: krakensim.LockoutScope(args[0])}
		ts.Check(lockout.Validate())
		kraken.SetLockout(lockout)
	case command == "expire-tokens":
		kraken.ExpireTokens()
	case command == "drop-sockets":
		kraken.DropSockets()
	case command == "subscribed":
		token, err := c.awaitSubscription(ts.Getenv("SUBSCRIBED"))
		ts.Check(err)
		ts.Setenv("SUBSCRIBED", token)
	default:
		ts.Fatalf("kraken: bad command or arguments: %s %q", command, args)
	}
}

func parseFault(parts []string) (krakensim.Fault, error) {
	var fault krakensim.Fault
	var err error
	for _, part := range parts {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "error":
			fault.Errors = append(fault.Errors, value)
		case "status":
			fault.Status, err = strconv.Atoi(value)
		case "body":
			fault.Body = value
		case "hang":
			fault.Hang = true
		case "drop":
			fault.Drop = true
		case "times":
			fault.Times, err = strconv.Atoi(value)
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			return fault, fmt.Errorf("%s: %w", part, err)
		}
	}
	return fault, nil
}

// cmdSetenv is NAME=$(command) of a shell, after the command:
//
//	setenv NAME stdout
func cmdSetenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenv NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// cmdRepeat makes a large file:
//
//	repeat COUNT TEXT FILE
func cmdRepeat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: repeat COUNT TEXT FILE")
	}
	count, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Repeat(args[1], count)), 0o600))
}

// cmdForbidden runs a vault command that Vault must refuse for want of a policy, which is another thing than failing:
//
//	forbidden vault read kraken/config
func cmdForbidden(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[0] != "vault" {
		ts.Fatalf("usage: forbidden vault COMMAND [ARGUMENT...]")
	}
	err := ts.Exec(args[0], args[1:]...)
	answer := ts.ReadFile("stderr")
	if err == nil || !strings.Contains(answer, "Code: 403") || !strings.Contains(answer, "permission denied") {
		ts.Fatalf("this isn't how Vault forbids: %v\n%s%s", err, ts.ReadFile("stdout"), answer)
	}
}

// cmdHTTP asks Vault for a path as it stands, with $VAULT_TOKEN; the vault command would clean the path first. The
// answer's body is in the file http-answer. The request's is a file's, as it stands.
//
//	http METHOD PATH CODE [FILE]
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: http METHOD PATH CODE [FILE]")
	}
	var sent io.Reader
	if len(args) == 4 {
		sent = strings.NewReader(ts.ReadFile(args[3]))
	}
	request, err := http.NewRequest(args[0], ts.Getenv("VAULT_ADDR")+args[1], sent)
	ts.Check(err)
	request.Header.Set("X-Vault-Token", ts.Getenv("VAULT_TOKEN"))
	client := &http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("http-answer"), body, 0o600))
	if strconv.Itoa(response.StatusCode) != args[2] {
		ts.Fatalf("the answer is %s, not %s:\n%s", response.Status, args[2], body)
	}
}

// cmdAwait runs a program again and again until it succeeds:
//
//	await PROGRAM [ARGUMENT...]
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: await PROGRAM [ARGUMENT...]")
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not within %s: %v", patience, err)
		}
	}
}

// cmdRenewals looks at a file, as often as an application could, until another token has been put into it COUNT times.
// Whenever it looks, there is a whole answer in the file with a token that is good for MINIMUM at least.
//
//	renewals COUNT MINIMUM FILE
func cmdRenewals(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: renewals COUNT MINIMUM FILE")
	}
	count, err := strconv.Atoi(args[0])
	ts.Check(err)
	minimum, err := time.ParseDuration(args[1])
	ts.Check(err)
	evidence := ts.Value(world{}).(*cluster).evidence

	latest, seen, looks, shortest := "", 0, 0, time.Hour
	for deadline := time.Now().Add(patience); seen <= count; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%d tokens within %s, not %d", seen, patience, count+1)
		}
		text, err := os.ReadFile(ts.MkAbs(args[2]))
		if errors.Is(err, fs.ErrNotExist) && seen == 0 {
			continue // not yet rendered for the first time
		}
		ts.Check(err)
		var answer struct {
			Data struct {
				Token     string
				ExpiresAt time.Time `json:"expires_at"`
			}
		}
		ts.Check(json.Unmarshal(text, &answer))
		looks++
		left := time.Until(answer.Data.ExpiresAt)
		if shortest = min(shortest, left); left < minimum || answer.Data.Token == "" {
			ts.Fatalf("the token in %s is good for %s only", args[2], left)
		}
		if answer.Data.Token != latest {
			latest = answer.Data.Token
			seen++
			ts.Check(evidence.addSecret(latest))
		}
	}
	ts.Logf("renewals: %d; looks: %d, each at a token good for %s or more", count, looks, shortest.Round(time.Second))
}

// condition is what the scripts can ask for beyond testscript's own conditions:
//
//	[node]    Node.js 20.19 or later, which the packages of examples/node need, and npm
//	[python]  Debian's Python with hvac and websockets
func condition(name string) (bool, error) {
	switch name {
	case "node":
		return hasNode()
	case "python":
		return exec.Command("/usr/bin/python3", "-c", "import hvac, websockets").Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func hasNode() (bool, error) {
	version, err := exec.Command("node", "--version").Output()
	if err != nil {
		return false, nil
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(version), "v%d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("node --version: %w", err)
	}
	_, err = exec.LookPath("npm")
	return err == nil && (major > 20 || major == 20 && minor >= 19), nil
}

// cmdNpmCI puts the packages of examples/node, and the programs there and in testdata/clients that use them, into the
// script's directory:
//
//	npm-ci
func cmdNpmCI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: npm-ci")
	}
	find := exec.Command("../../scripts/npm")
	find.Env = append(os.Environ(), "PATH="+realPath)
	var complaints strings.Builder
	find.Stderr = &complaints
	modules, err := find.Output()
	if err != nil {
		ts.Fatalf("scripts/npm: %v\n%s", err, complaints.String())
	}
	ts.Check(os.Symlink(strings.TrimSpace(string(modules)), ts.MkAbs("node_modules")))
	ts.Check(os.CopyFS(ts.MkAbs("."), os.DirFS("testdata/clients")))
	ts.Check(os.CopyFS(ts.MkAbs("."), os.DirFS("../../examples/node")))
}
