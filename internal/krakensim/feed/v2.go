package feed

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// v2 is Kraken's WebSocket API v2, as at wss://ws-auth.kraken.com/v2: private channels and trading, no market data.
type v2 struct{}

// v2Time is the format of v2's timestamps.
const v2Time = "2006-01-02T15:04:05.000000Z"

// v2Channels are the private channels, each with the permission it takes.
var v2Channels = map[string]string{
	"executions": permission.QueryOpenTrades,
	"balances":   permission.QueryFunds,
}

// v2PublicChannels are refused by ws-auth.kraken.com with a hint of their own.
var v2PublicChannels = []string{"ticker", "book", "level3", "ohlc", "trade", "instrument"}

func (v2) greet(s *socket) {
	s.send(object{"channel": "status", "type": "update", "data": []object{{
		"api_version": "v2", "connection_id": newConnectionID(), "system": "online", "version": "2.0.10",
	}}})
}

func (v2) heartbeat() []byte { return []byte(`{"channel":"heartbeat"}`) }

// v2Request is a message from the client.
type v2Request struct {
	method string
	params params
	reqID  json.RawMessage // nil for none
	in     time.Time
}

func (v v2) receive(s *socket, message []byte, now time.Time) {
	var raw struct {
		Method json.RawMessage `json:"method"`
		Params json.RawMessage `json:"params"`
		ReqID  json.RawMessage `json:"req_id"`
	}
	q := v2Request{in: now}
	if json.Unmarshal(message, &raw) != nil || json.Unmarshal(orNull(raw.Method), &q.method) != nil ||
		json.Unmarshal(orNull(raw.Params), &q.params) != nil {
		v.fail(s, q, "Malformed request")
		return
	}
	if raw.ReqID != nil {
		if _, err := strconv.ParseUint(string(raw.ReqID), 10, 64); err != nil {
			v.fail(s, q, "Req_id field must be a positive integer less than 18446744073709551616")
			return
		}
		q.reqID = raw.ReqID
	}
	switch q.method {
	case "ping":
		v.ping(s, q)
	case "subscribe":
		v.subscribe(s, q)
	case "unsubscribe":
		v.unsubscribe(s, q)
	case "add_order":
		v.addOrder(s, q)
	case "cancel_order":
		v.cancelOrder(s, q)
	case "":
		v.fail(s, q, "Method(s) not found")
	default:
		v.fail(s, q, "Unsupported event")
	}
}

// reply answers the request with fields; method, times and req_id are the same in all answers.
func (v2) reply(s *socket, q v2Request, fields object) {
	fields["time_in"] = q.in.UTC().Format(v2Time)
	fields["time_out"] = time.Now().UTC().Format(v2Time)
	if q.method != "" && fields["method"] == nil {
		fields["method"] = q.method
	}
	if q.reqID != nil {
		fields["req_id"] = q.reqID
	}
	s.send(fields)
}

func (v v2) succeed(s *socket, q v2Request, result object) {
	v.reply(s, q, object{"success": true, "result": result})
}

func (v v2) fail(s *socket, q v2Request, message string) {
	v.reply(s, q, object{"success": false, "error": message})
}

func (v v2) ping(s *socket, q v2Request) {
	if q.params != nil {
		v.fail(s, q, "Unsupported field: 'params' for the given msg type: ping")
		return
	}
	v.reply(s, q, object{"method": "pong"})
}

func (v v2) subscribe(s *socket, q v2Request) {
	channel, ok := v.channel(s, q)
	if !ok {
		return
	}
	sub, err := s.subscribe(channel, q.params.text("token"), v2Channels[channel], q.in)
	switch {
	case err == invalidSession:
		// As recorded from ws-auth.kraken.com: this refusal has two fields more than the others.
		v.reply(s, q, object{"success": false, "error": err.Error(), "channel": channel, "status": "error"})
		return
	case err != nil:
		v.fail(s, q, err.Error())
		return
	}
	account := s.feed.account(sub.session.APIKey)
	snapshot := q.params.flag("snapshot", true)
	result := object{"channel": channel, "snapshot": snapshot}
	data := v2Balances(account)
	if channel == "executions" {
		snapshot = q.params.flag("snap_orders", snapshot)
		result["snapshot"] = snapshot
		result["snap_orders"] = snapshot
		result["snap_trades"] = q.params.flag("snap_trades", false)
		result["maxratecount"] = sub.session.MaxRateCount
		data = v2Orders(account)
	}
	v.succeed(s, q, result)
	if snapshot {
		s.send(object{"channel": channel, "type": "snapshot", "data": data, "sequence": sub.next()})
	}
}

func (v v2) unsubscribe(s *socket, q v2Request) {
	channel, ok := v.channel(s, q)
	if !ok {
		return
	}
	if err := s.unsubscribe(channel, q.params.text("token"), q.in); err != nil {
		v.fail(s, q, err.Error())
		return
	}
	v.succeed(s, q, object{"channel": channel})
}

// channel is the private channel that the request is about; if it isn't about one, the client has been told.
func (v v2) channel(s *socket, q v2Request) (string, bool) {
	channel := q.params.text("channel")
	switch {
	case v2Channels[channel] != "":
		return channel, true
	case channel == "":
		v.fail(s, q, "Channel(s) not found")
	case slices.Contains(v2PublicChannels, channel):
		v.fail(s, q, "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com")
	default:
		v.fail(s, q, "Unsupported event")
	}
	return "", false
}

func v2Balances(account *account) []object {
	var data []object
	for _, a := range paper.Assets {
		balance := account.Balance(a.Code)
		data = append(data, object{"asset": a.Code, "asset_class": "currency", "balance": balance,
			"wallets": []object{{"type": "spot", "id": "main", "balance": balance}}})
	}
	return data
}

// fieldName writes a field's name as Kraken starts a sentence with it.
func fieldName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }
