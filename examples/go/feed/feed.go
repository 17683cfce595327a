// Package feed follows a private channel of Kraken's WebSocket API v2.
package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// silence is how long a connection may be silent before it is taken for dead. Kraken sends a heartbeat every second.
const silence = 30 * time.Second

// Follow connects to url and subscribes to a channel with a token. It hands on Kraken's acknowledgment, and then each
// message of the channel, until the connection ends or handle returns an error; that error it returns. A refusal is an
// error in Kraken's words.
func Follow(ctx context.Context, client *http.Client, url, channel, token string, handle func(text []byte) error) error {
	connecting, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	conn, _, err := websocket.Dial(connecting, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", url, err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(16 << 20) // a snapshot of many orders is large

	// The token goes into the first message, never into the URL or a log.
	params := map[string]any{"channel": channel, "token": token}
	err = wsjson.Write(connecting, conn, map[string]any{"method": "subscribe", "params": params})
	for err == nil {
		var text []byte
		var message struct{ Method, Error, Channel string }
		if text, err = read(ctx, conn); err == nil {
			err = json.Unmarshal(text, &message)
		}
		switch {
		case message.Error != "":
			return fmt.Errorf("refused by Kraken: %s", message.Error)
		case message.Method == "subscribe" || message.Channel == channel: // not a status or a heartbeat
			if err = handle(text); err != nil {
				_ = conn.Close(websocket.StatusNormalClosure, "")
			}
		}
	}
	return err
}

func read(ctx context.Context, conn *websocket.Conn) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	_, text, err := conn.Read(ctx)
	return text, err
}
