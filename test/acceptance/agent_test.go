package acceptance

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long something may take that takes a few seconds at most where the machine isn't busy.
const patience = time.Minute

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
	evidence := evidence(ts.Getenv("EVIDENCE"))

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
			ts.Check(evidence.addLine(tokensFile, latest))
		}
	}
	ts.Logf("renewals: %d; looks: %d, each at a token good for %s or more", count, looks, shortest.Round(time.Second))
}
