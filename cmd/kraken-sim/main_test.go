package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the program and returns its first line of output and what stops it.
func start(t *testing.T, args ...string) (line string, stop func() (code int, stderr string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var stderr bytes.Buffer
	exited := make(chan int, 1)
	go func() {
		defer in.Close()
		exited <- run(ctx, args, in, &stderr)
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return line, func() (int, string) {
		cancel()
		return <-exited, stderr.String()
	}
}

func TestItServesUntilItIsStopped(t *testing.T) {
	line, stop := start(t)
	var urls map[string]string
	require.NoError(t, json.Unmarshal([]byte(line), &urls))
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+$`, urls["rest_url"])
	host := strings.TrimPrefix(urls["rest_url"], "http://")
	assert.Equal(t, "ws://"+host, urls["ws_url"])
	assert.Equal(t, "ws://"+host+"/v2", urls["ws_v2_url"])
	assert.Equal(t, "http://"+host+"/sim/", urls["control_url"])

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get(t, client, urls["rest_url"]+"/0/public/Time")
	get(t, client, urls["control_url"]+"calls")
	code, stderr := stop()
	assert.Zero(t, code)
	assert.Empty(t, stderr)
}

func TestWithACAFileItServesTLS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	line, stop := start(t, "-tls-ca", file, "-tier", "pro", "-otp-password", "x", "-permissions", "")
	defer stop()
	var urls map[string]string
	require.NoError(t, json.Unmarshal([]byte(line), &urls))
	assert.True(t, strings.HasPrefix(urls["ws_v2_url"], "wss://"))
	get(t, trusting(t, file), urls["rest_url"]+"/0/public/Time")
}

// restURL is where the program whose first line is given serves the REST API.
func restURL(t *testing.T, line string) string {
	t.Helper()
	var urls map[string]string
	require.NoError(t, json.Unmarshal([]byte(line), &urls))
	return urls["rest_url"]
}

// trusting is a client that trusts the CA in the file.
func trusting(t *testing.T, file string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(file)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func get(t *testing.T, client *http.Client, url string) {
	t.Helper()
	response, err := client.Get(url)
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusOK, response.StatusCode)
}

func TestItExits1WhereItCannotServe(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-listen", "nowhere"}, "nowhere"},
		{[]string{"-tls-ca", filepath.Join(t.TempDir(), "no", "ca.pem")}, "-tls-ca"},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, 1, run(t.Context(), test.args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), test.want)
	}
}
