package acceptance

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

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
// answer's body is in the file http-answer.
//
//	http METHOD PATH CODE
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: http METHOD PATH CODE")
	}
	request, err := http.NewRequest(args[0], ts.Getenv("VAULT_ADDR")+args[1], nil)
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
