package feed

import (
	"encoding/json"
	"slices"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// v1Channels have as options what stands in a subscription. Of these, "rebased" concerns only tokenized stocks, and
// "consolidate_taker" only orders that take. The paper account has neither, so they change nothing.
var v1Channels = map[string]privateChannel{
	"openOrders": {permission.AllOf(permission.QueryOpenTrades), form{
		optional("name", isText), optional("token", isAnything),
		optional("ratecounter", isFlagOrItsText), optional("rebased", isFlagOrItsText),
	}},
	"ownTrades": {permission.AllOf(permission.QueryClosedTrades), form{
		optional("name", isText), optional("token", isAnything), optional("snapshot", isFlagOrItsText),
		optional("consolidate_taker", isFlagOrItsText), optional("rebased", isFlagOrItsText),
	}},
}

func (v v1) subscribe(s *socket, q v1Request) {
	name, options, ok := v.subscription(s, q)
	if !ok {
		return
	}
	sub, err := s.subscribe(name, options.text("token"), v1Channels[name].need, q.in)
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	subscribed := object{"name": name}
	account := s.feed.account(sub.session.APIKey)
	snapshot := []object{}
	if name == "openOrders" {
		subscribed["maxratecount"] = sub.session.MaxRateCount
		sub.rateCounter = isTrue(options["ratecounter"])
		for _, o := range slices.Backward(account.Open()) { // the last one first, as recorded
			snapshot = append(snapshot, v.counted(s, sub, o, v1Order(o, "open")))
		}
	} else {
		for _, trade := range account.LastTrades(maxTradesShown) {
			snapshot = append(snapshot, object{trade.ID: v1Trade(trade)})
		}
	}
	v.reply(s, q, object{"event": q.answerEvent, "channelName": name, "status": "subscribed", "subscription": subscribed})
	if !isFalse(options["snapshot"]) {
		v.tell(s, name, sub, snapshot)
	}
}

func (v v1) unsubscribe(s *socket, q v1Request) {
	name, options, ok := v.subscription(s, q)
	if !ok {
		return
	}
	if err := s.unsubscribe(name, options.text("token"), q.in); err != nil {
		v.refuse(s, q, err)
		return
	}
	v.reply(s, q, object{"event": q.answerEvent, "channelName": name, "status": "unsubscribed",
		"subscription": object{"name": name}})
}

// subscription is the private channel that the request names, and how it is wanted. If there is none, the client has been
// told: Kraken takes any other name for market data.
func (v v1) subscription(s *socket, q v1Request) (name string, options params, ok bool) {
	_ = json.Unmarshal(q.fields["subscription"], &options) // it is an object
	name = options.text("name")
	channel, private := v1Channels[name]
	switch {
	case !private:
		v.refuse(s, q, noMarketData)
		return "", nil, false
	case q.fields["pair"] != nil:
		v.malformed(s, q, paper.Refusal("Pair field unsupported for this subscription type"))
		return "", nil, false
	}
	if err := channel.options.checkForm(q.words(), options); err != nil {
		v.malformed(s, q, err)
		return "", nil, false
	}
	return name, options, true
}

// publish tells of what has happened to an order. What comes after a trade has the order's state; the trade itself hasn't.
func (v v1) publish(s *socket, channel string, sub *subscription, e paper.Event) {
	o := e.Order
	if channel == "ownTrades" {
		if e.Type == paper.Traded {
			trade := v1Trade(*e.Trade)
			if o.Userref != 0 {
				trade["userref"] = o.Userref
			}
			v1Name(trade, o)
			v.tell(s, channel, sub, []object{{e.Trade.ID: trade}})
		}
		return
	}
	var change object
	switch e.Type {
	case paper.PendingNew:
		change = v1Order(o, "pending")
	case paper.New:
		change = object{"status": "open", "userref": o.Userref}
	case paper.Traded:
		change = v1Executed(o)
	case paper.Amended:
		// No recording has this. So it is what the next snapshot has, with Kraken's documented field for the reason.
		change = v1Order(o, "open")
		change["amend_reason"], change["lastupdated"] = paper.UserRequested, paper.UnixTime(e.At)
	case paper.WasFilled:
		change = v1Closed(o, "closed", e.At)
	case paper.WasCanceled:
		change = v1Closed(o, "canceled", e.At)
		change["cancel_reason"] = o.Reason
	}
	v.tell(s, channel, sub, []object{v.counted(s, sub, o, change)})
}

// counted is an order's entry in openOrders, with the trading rate counter if the client has asked for it.
func (v1) counted(s *socket, sub *subscription, o paper.Order, order object) object {
	if sub.rateCounter {
		order["ratecount"] = sub.rateCount(s.feed, o.Pair)
	}
	return object{o.ID: order}
}

// tell sends entries of a channel.
func (v1) tell(s *socket, channel string, sub *subscription, entries []object) {
	s.send([]any{entries, channel, object{"sequence": sub.next()}})
}
