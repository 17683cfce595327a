package kraken

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// maxBody bounds in bytes what is read of an answer. The largest good one is a few kilobytes.
const maxBody = 1 << 20

// readAnswer takes Kraken's envelope apart: {"error":[…],"result":…}. Failures come as HTTP 200 with errors in it, but
// in front of Kraken stands a CDN that answers with statuses and HTML of its own.
func readAnswer(ctx context.Context, response *http.Response, redact *redactor, now time.Time) (json.RawMessage, error) {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return nil, statusError(response, now) // its body is the connection itself, and wouldn't end with ctx
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, transportError(ctx, err, true)
	}
	var envelope struct {
		Error  []string        `json:"error"`
		Result json.RawMessage `json:"result"`
	}
	isKraken := len(body) <= maxBody && json.Unmarshal(body, &envelope) == nil
	failures, strange := sortMessages(envelope.Error)
	if isKraken && len(failures) > 0 {
		return nil, newAPIError(failures, response, redact, now)
	}
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response, now)
	}
	if !isKraken {
		return nil, nonsense("it is not Kraken's JSON")
	}
	if strange {
		return nil, nonsense("its errors are not Kraken's")
	}
	return envelope.Result, nil
}
