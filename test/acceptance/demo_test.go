package acceptance

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const demoTimeout = 3 * time.Minute

// make demo does the main job, shows no secret, and leaves nothing behind.
func TestDemo(t *testing.T) {
	d := startDemo(t, "demo")
	printed, err := d.end()
	require.NoError(t, err, printed)
	for _, want := range []string{
		"$ vault secrets enable -path=kraken -options=allowed_api_urls=https://127.0.0.1:",
		"$ vault write kraken/config api_key=",
		"$ vault read kraken/ws-token",
		`"success":true`,
		"permission denied",
		"make dev",
	} {
		assert.Contains(t, printed, want)
	}
	assert.Empty(t, leak([]byte(printed), krakensim.ExampleAPISecret))
	assert.NoError(t, d.left())
}

// make dev stays up until Ctrl-C, and leaves nothing behind either.
func TestDev(t *testing.T) {
	d := startDemo(t, "dev")
	d.await(t, "Ctrl-C stops")
	d.interrupt(t)
	printed, _ := d.end() // make itself ends by the signal
	assert.Contains(t, printed, "Everything is stopped and removed.")
	assert.Contains(t, printed, "export PATH=")
	assert.Contains(t, printed, "/sim/misbehave")
	assert.NoError(t, d.left())
}

// One half of a key pair is a mistake, not a wish for the simulator.
func TestDemoWithHalfAPair(t *testing.T) {
	t.Setenv("KRAKEN_API_KEY", "half")
	d := startDemo(t, "demo")
	printed, err := d.end()
	assert.Error(t, err)
	assert.Contains(t, printed, "set both KRAKEN_API_KEY and KRAKEN_API_SECRET")
	assert.NoError(t, d.left())
}

// With a key pair of the user's, the demo is that of the real Kraken. What it starts isn't told the private key.
func TestDemoWithAPair(t *testing.T) {
	kraken, err := krakensim.Start(krakensim.Options{TLS: true})
	require.NoError(t, err)
	t.Cleanup(kraken.Close)
	key := krakensim.Key{APIKey: "User/s/own/key", APISecret: base64.StdEncoding.EncodeToString([]byte("the user's own private key, as long as Kraken's: 64 bytes in all"))}
	kraken.SetKey(key)
	caFile := filepath.Join(t.TempDir(), "kraken-ca.pem")
	require.NoError(t, os.WriteFile(caFile, []byte(kraken.CACertPEM()), 0o600))
	for name, value := range map[string]string{
		"HTTPS_PROXY": startProxy(t, kraken.RESTURL()), "SSL_CERT_FILE": caFile,
		"KRAKEN_API_KEY": key.APIKey, "KRAKEN_API_SECRET": key.APISecret,
	} {
		t.Setenv(name, value)
	}
	d := startDemo(t, "demo")
	d.await(t, "$ vault read kraken/ws-token")
	given := []string{program(d.process.PID()), program(d.pid(t))} // make and the demo
	for pid := range processes() {
		// A child that has only just been forked is its parent still: its program first, and its environment.
		if slices.Contains(given, program(pid)) {
			continue
		}
		if shows := shows(pid); bytes.Contains(shows, []byte(d.dir)) {
			assert.Empty(t, leak(shows, key.APISecret))
		}
	}
	printed, err := d.end()
	require.NoError(t, err, printed)
	assert.Contains(t, printed, "Kraken: the real one")
	assert.Contains(t, printed, "$ vault write kraken/config api_key="+key.APIKey+" api_secret=@api-secret\n")
	assert.Contains(t, printed, `"success":true`)
	assert.Empty(t, leak([]byte(printed), key.APISecret))
	assert.NoError(t, d.left())
}

// Whenever and however it ends, the demo leaves nothing behind.
func TestDemoCutShort(t *testing.T) {
	const soon = 100 * time.Millisecond
	for _, moment := range []struct {
		name  string
		after string // is printed
		delay time.Duration
		end   func(*demoRun, *testing.T)
		later bool // it is tidied up after the program's end
	}{
		{"Ctrl-C while it builds", "Building the plugin", 5 * soon, (*demoRun).interrupt, false},
		{"terminal closed while Vault starts", "Kraken: simulated", soon, (*demoRun).hangUp, false},
		{"Ctrl-C while it stores the pair", "$ vault write kraken/config", soon, (*demoRun).interrupt, false},
		{"SIGTERM to the program while it reads", "$ vault read kraken/ws-token", 0, (*demoRun).terminate, false},
		{"nobody reads on", "Vault:  a dev server", 0, (*demoRun).stopReading, true},
		{"kill -9 of the program while the application logs in", "$ export VAULT_TOKEN", 0, (*demoRun).kill, true},
	} {
		t.Run(moment.name, func(t *testing.T) {
			d := startDemo(t, "demo")
			d.await(t, moment.after)
			time.Sleep(moment.delay)
			moment.end(d, t)
			printed, err := d.end()
			assert.Error(t, err, printed)
			assert.NotContains(t, printed, "Done.")
			if moment.later {
				waitUntil(t, "nothing is left of the demo", d.left)
			}
			assert.NoError(t, d.left())
		})
	}
}

// demoRun is a run of make demo or make dev, in a process group as a terminal gives it.
type demoRun struct {
	dir     string // its TMPDIR
	program string // what make builds and runs
	process *subprocess.Process
	output  *os.File // where what it prints can be read
	lines   *bufio.Scanner
	printed strings.Builder // what has been read
}

func startDemo(t *testing.T, target string) *demoRun {
	t.Helper()
	// Not t.TempDir: its path is too long for the plugin's socket.
	dir, err := os.MkdirTemp("", "demo-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	bin := t.TempDir()
	d := &demoRun{dir: dir, program: filepath.Join(bin, "demo")}
	command := exec.Command("make", "--no-print-directory", target, "OUT="+bin)
	command.Dir = "../.."
	command.Env = append(os.Environ(), "PATH="+realPath, "TMPDIR="+d.dir, "VAULT_BIN="+vaultBin)
	output, writer, err := os.Pipe()
	require.NoError(t, err)
	defer writer.Close()
	t.Cleanup(func() { output.Close() })
	require.NoError(t, output.SetReadDeadline(time.Now().Add(demoTimeout)))
	d.output, d.lines = output, bufio.NewScanner(output)
	command.Stdout, command.Stderr = writer, writer
	d.process, err = subprocess.Start(command)
	require.NoError(t, err)
	t.Cleanup(d.process.Kill)
	return d
}

// await waits until a line with a text is printed.
func (d *demoRun) await(t *testing.T, text string) {
	t.Helper()
	for d.read() {
		if strings.Contains(d.lines.Text(), text) {
			return
		}
	}
	t.Fatalf("not printed: %s\n%s", text, &d.printed)
}

// end waits for the end, and returns all that was printed.
func (d *demoRun) end() (string, error) {
	for d.read() {
	}
	err := d.process.Wait(demoTimeout)
	return d.printed.String(), err
}

// read reads the next line.
func (d *demoRun) read() bool {
	more := d.lines.Scan()
	d.printed.WriteString(d.lines.Text() + "\n")
	return more
}

// The ways to end it early.

// interrupt is a Ctrl-C: the terminal tells all in its foreground, that is make and the demo.
func (d *demoRun) interrupt(t *testing.T) { d.signal(t, -d.process.PID(), syscall.SIGINT) }

// hangUp closes the terminal.
func (d *demoRun) hangUp(t *testing.T) { d.signal(t, -d.process.PID(), syscall.SIGHUP) }

func (d *demoRun) terminate(t *testing.T) { d.signal(t, d.pid(t), syscall.SIGTERM) }

func (d *demoRun) kill(t *testing.T) { d.signal(t, d.pid(t), syscall.SIGKILL) }

// stopReading is `make demo | head`.
func (d *demoRun) stopReading(t *testing.T) { require.NoError(t, d.output.Close()) }

func (d *demoRun) signal(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, signal))
}

// pid is that of the program, which make has started. What the program itself starts shows the same for a moment.
func (d *demoRun) pid(t *testing.T) int {
	t.Helper()
	for pid, shows := range processes() {
		process := procDir(fmt.Sprintf("/proc/%d", pid))
		if bytes.HasPrefix(shows, []byte(d.program+"\x00")) && process.parent() == d.process.PID() {
			return pid
		}
	}
	t.Skip("this needs a /proc to find the program in")
	return 0
}

// left tells of files in a run's temporary directory, and of processes that have to do with it.
func (d *demoRun) left() error {
	files, err := os.ReadDir(d.dir)
	if len(files) > 0 {
		err = errors.Join(err, fmt.Errorf("files are left: %s", files))
	}
	for _, shows := range processes() {
		if bytes.Contains(shows, []byte(d.dir)) {
			err = errors.Join(err, fmt.Errorf("a process is left: %q", shows))
		}
	}
	return err
}

// program is the file of the program that a process runs; "" if that can't be known, any more or at all.
func program(pid int) string {
	file, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return file
}

// processes are the arguments and then the environment of all processes, by ID, where there is a /proc.
func processes() map[int][]byte {
	all := map[int][]byte{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir)) // it is a number
		all[pid] = shows(pid)
	}
	return all
}

// shows are the arguments and then the environment of a process.
func shows(pid int) []byte {
	arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return append(arguments, environment...)
}
