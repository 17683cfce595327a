package account

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestModelFindsPlantedBugs shows that TestModel would find what it looks for: a bug is planted for each thing that must be true, and each must be found.
// It takes minutes, so make planted runs it.
func TestModelFindsPlantedBugs(t *testing.T) {
	if os.Getenv("PLANTED") == "" {
		t.Skip("make planted runs it")
	}
	for name, bug := range map[string]struct{ file, code, planted, found string }{ // found is a pattern of what is told
		"the nonce is the clock": {
			"../keeper/nonce.go", "n.last = max(n.rival.at(now), n.last+1)", "n.last = n.rival.at(now)", "was sent after"},
		"the stored ceiling is forgotten": {
			"../keeper/record.go", "k.nonces.last = max(k.nonces.last, found.Ceiling-1)", "", "was sent after"},
		"two requests at once": {
			"../keeper/queue.go", "return k.holder == nil && k.beside == nil", "return true", "beside one to"},
		"answers aren't counted": {
			"../keeper/keeper.go", "k.counter.count(now)", "", "counter was exceeded"},
		"a config write forgets what was counted": {
			"../keeper/keepers.go", "if !busy && !until.After(now) {", "if !busy {", "counter was exceeded"},
		"a wait without bound": {
			"../keeper/queue.go", "held(min(counted, longestTold), errCounted)", "held(10*counted, errCounted)", "told to wait"},
		"an outage doesn't end": {
			"../keeper/keeper.go", "k.outage = nil\n", "", "not served after another was"},
		"the turn isn't given back": {
			"../keeper/queue.go", "\t\tk.pass(w)\n\tdefault:", "\tdefault:", "not served"},
		"a wait that isn't true": {
			"../keeper/queue.go", "return held(byKraken, cause)", "return held(byKraken/10, cause)", "not served"},
		"a token of the old pair": {
			"accounts.go", "case a.current.Err() == nil:", "case err == nil || a.current.Err() == nil:", "a token was handed out"},
		"a call with the old pair": {
			"../keeper/keeper.go", "\tif err := k.over(w); err != nil {\n\t\treturn err\n\t}\n\tw.began", "\tw.began", "a call was made|beside one to|counter was exceeded"},
		"a disabled account hands out what is cached": {
			"account.go", " && settings.disabled == c.Disabled", "", "a token was handed out"},
		"a stale load": {
			"accounts.go", "case e.changes != seen:", "case false:", "is stored|counter was exceeded"},
		"a change that fails keeps the old one running": {
			"write.go", "\t\treturn isUnknown, err // it may be stored yet", "\t\treturn isAsBefore, err", "is stored|counter was exceeded"},
		"what flies isn't ended": {
			"accounts.go", "\tas.end(ErrClosed)\n", "", "goroutine|counter was exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := os.ReadFile(bug.file)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(source), bug.code), "the code to replace stands once in %s", bug.file)
			dir := t.TempDir()
			planted, overlay := filepath.Join(dir, "planted.go"), filepath.Join(dir, "overlay.json")
			require.NoError(t, os.WriteFile(planted, []byte(strings.Replace(string(source), bug.code, bug.planted, 1)), 0o600))
			original, err := filepath.Abs(bug.file)
			require.NoError(t, err)
			replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: planted}})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(overlay, replace, 0o600))
			output, err := exec.Command("go", "test", "-overlay="+overlay, "-run=^TestModel$", "-rapid.checks=150000", "-rapid.nofailfile", "-rapid.failfile=", "-timeout=5m", ".").CombinedOutput()
			require.Error(t, err, "the bug wasn't found")
			require.Regexp(t, bug.found, string(output))
		})
	}
}
