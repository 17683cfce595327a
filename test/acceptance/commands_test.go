package acceptance

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
//	kraken nonce-ahead KEY DURATION
//	                       the key was used elsewhere, by a clock that is so much ahead
func cmdKraken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: kraken COMMAND [ARGUMENT...]")
	}
	kraken := ts.Value(simulator{}).(*krakensim.Server)
	command, args := args[0], args[1:]
	switch {
	case command == "new-key" && len(args) > 0:
		pair, err := newPair(ts.MkAbs("."), args[0]+"-", evidence(ts.Getenv("EVIDENCE")), args[1:]...)
		ts.Check(err)
		kraken.SetKey(pair)
		ts.Setenv(strings.ToUpper(args[0])+"_KEY", pair.APIKey)
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
	case command == "expire-tokens":
		kraken.ExpireTokens()
	default:
		ts.Fatalf("kraken: bad command or arguments: %s %q", command, args)
	}
}

// newPair makes a key pair and writes what is secret of it to files that begin with prefix.
func newPair(dir, prefix string, evidence evidence, traits ...string) (krakensim.Key, error) {
	random := make([]byte, 42+64+20)
	_, _ = rand.Read(random) // never fails
	key := krakensim.Key{
		APIKey:    base64.StdEncoding.EncodeToString(random[:42]),
		APISecret: base64.StdEncoding.EncodeToString(random[42:106]),
	}
	seed := base32.StdEncoding.EncodeToString(random[106:])
	factor := ""
	for _, trait := range traits {
		switch trait {
		case "password":
			key.OTPPassword = "Password " + seed
			factor = key.OTPPassword
		case "totp":
			key.TOTPSecret = seed
			factor = key.TOTPSecret
		case "starter":
			key.Tier = krakensim.TierStarter
		case "no-permission":
			key.Permissions = []string{krakensim.PermissionQueryFunds}
		default:
			return key, fmt.Errorf("unknown trait %q", trait)
		}
	}
	files := map[string]string{"secret": key.APISecret, "factor": factor}
	if prefix == "" {
		files = map[string]string{"api-secret": key.APISecret}
	}
	for name, content := range files {
		if content == "" {
			continue
		}
		if err := evidence.addSecret(content); err != nil {
			return key, err
		}
		// With a newline at its end, as editors leave it.
		if err := os.WriteFile(filepath.Join(dir, prefix+name), []byte(content+"\n"), 0o600); err != nil {
			return key, err
		}
	}
	return key, nil
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
