//go:build unix

package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
)

// Kraken is a simulated Kraken, as a process of its own.
type Kraken struct {
	*subprocess.Process `json:"-"`

	RESTURL      string `json:"rest_url"`
	WebSocketURL string `json:"ws_v2_url"`
	ControlURL   string `json:"control_url"` // ends with a slash
}

// StartKraken starts a kraken-sim, with its output in logFile, and waits until it can be used.
func StartKraken(ctx context.Context, binary, logFile string, flags ...string) (*Kraken, error) {
	kraken := &Kraken{}
	var err error
	kraken.Process, err = Start(ctx, exec.Command(binary, flags...), logFile, func() error {
		text, err := os.ReadFile(logFile)
		if err != nil {
			return err
		}
		line, _, complete := bytes.Cut(text, []byte("\n"))
		if !complete {
			return errors.New("it doesn't say where it is")
		}
		return json.Unmarshal(line, kraken)
	})
	if err != nil {
		return nil, err
	}
	return kraken, nil
}
