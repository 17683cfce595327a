package feed

import (
	"errors"
	"slices"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// v2Channels have as options the parameters of a subscription beside channel and token.
var v2Channels = map[string]privateChannel{
	"executions": {permission.AllOf(permission.QueryOpenTrades), form{
		optional("snap_orders", isFlag), optional("snap_trades", isFlag), optional("order_status", isFlag),
		optional("rebased", isFlag), optional("ratecounter", isFlag, "false"), foreign("users", isText),
		optional("snapshot", isFlag), optional("snapshot_trades", isFlag),
	}},
	"balances": {permission.AllOf(permission.QueryFunds), form{
		optional("snapshot", isFlag), optional("rebased", isFlag), foreign("users", isText),
	}},
}

// v2PublicChannels are refused by ws-auth.kraken.com with a hint of their own.
var v2PublicChannels = []string{"ticker", "book", "level3", "ohlc", "trade", "instrument"}

// channel is the private channel that a request is about. The error is a [paper.Refusal].
func (q v2Request) channel() (string, privateChannel, error) {
	if q.params["channel"] == nil {
		return "", privateChannel{}, missing("channel")
	}
	name := q.params.text("channel")
	channel, known := v2Channels[name]
	switch {
	case slices.Contains(v2PublicChannels, name):
		return "", channel, noMarketData
	case !known:
		return "", channel, unsupported
	}
	fields := form{required("channel", isText), v2Token}
	if q.method == "subscribe" {
		fields = append(fields, channel.options...)
	}
	return name, channel, fields.check(q.words(), q.params)
}

func (v v2) subscribe(s *socket, q v2Request) {
	name, channel, err := q.channel()
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	sub, err := s.subscribe(name, q.params.text("token"), channel.need, q.in)
	switch {
	case errors.Is(err, invalidSession):
		// As recorded from ws-auth.kraken.com: this refusal has two fields more than the others.
		v.reply(s, q, object{"success": false, "error": err.Error(), "channel": name, "status": "error"})
		return
	case err != nil:
		v.refuse(s, q, err)
		return
	}
	account := s.feed.account(sub.session.APIKey)
	var result object
	var snapshot []object // nil for none
	if name == "executions" {
		result, snapshot = v2SubscribeExecutions(sub, q.params, account.Account)
	} else {
		result, snapshot = v2SubscribeBalances(q.params, account.Account)
	}
	result["channel"], result["snapshot"] = name, snapshot != nil
	v.answer(s, q, result, nil)
	if snapshot != nil {
		v.tell(s, name, sub, "snapshot", snapshot...)
	}
}

func (v v2) unsubscribe(s *socket, q v2Request) {
	name, _, err := q.channel()
	if err == nil {
		err = s.unsubscribe(name, q.params.text("token"), q.in)
	}
	v.answer(s, q, object{"channel": name}, err)
}

// tell sends a message of a channel.
func (v2) tell(s *socket, channel string, sub *subscription, kind string, data ...object) {
	s.send(object{"channel": channel, "type": kind, "data": data, "sequence": sub.next()})
}

func (v v2) publish(s *socket, channel string, sub *subscription, e paper.Event) {
	switch channel {
	case "executions":
		if data := v2Execution(e, sub.brief); data != nil {
			v.tell(s, channel, sub, "update", data)
		}
	case "balances":
		for _, data := range v2Ledger(e) {
			v.tell(s, channel, sub, "update", data)
		}
	}
}
