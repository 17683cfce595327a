package krakensim

import (
	"math"
	"slices"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// history is which part of a list is asked for.
type history struct {
	start     time.Time // exclusive
	end       time.Time // inclusive; zero for none
	offset    int
	uncounted bool
}

// history reads what ClosedOrders and TradesHistory have in common. at is the time for which an id in the place of a time
// stands.
func (q query) history(at func(id string) (time.Time, bool)) (h history, err error) {
	if h.start, err = q.time("start", at); err != nil {
		return h, err
	}
	if h.end, err = q.time("end", at); err != nil {
		return h, err
	}
	offset, err := q.integer("ofs")
	if err != nil || offset < 0 {
		return h, paper.Invalid("ofs")
	}
	h.offset = int(offset)
	h.uncounted, err = q.flag("without_count")
	return h, err
}

// time is a field's time, in Unix seconds or by the id of what happened then; zero if it isn't there.
func (q query) time(name string, at func(id string) (time.Time, bool)) (t time.Time, err error) {
	text := q.text(name)
	if text == "" {
		return t, nil
	}
	if t, ok := at(text); ok {
		return t.Truncate(time.Microsecond), nil
	}
	const latest = 1 << 42 // so that microseconds are 64 bits
	number, err := q.number(name)
	return time.UnixMicro(int64(math.Round(min(number, latest) * 1e6))), err
}

// has reports whether a time, as answers tell it, is in the period.
func (h history) has(t time.Time) bool {
	t = t.Truncate(time.Microsecond)
	return t.After(h.start) && (h.end.IsZero() || !t.After(h.end))
}

// pageOf answers with 50 of a list, newest first, by their ids, and with how many there are.
func pageOf[T any](h history, name string, list []T, encode func(T) (id string, info object)) object {
	const size = 50
	infos := object{}
	offset := min(h.offset, len(list))
	for _, entry := range list[offset:min(offset+size, len(list))] {
		id, info := encode(entry)
		infos[id] = info
	}
	answered := object{name: infos}
	if !h.uncounted {
		answered["count"] = len(list)
	}
	return answered
}

// tradesHistory is what ccxt's fetchMyTrades asks for.
func tradesHistory(x *Exchange, q query) (any, error) {
	var part history
	var trades []paper.Trade
	err := x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) (err error) {
		trades = account.Trades()
		part, err = q.history(func(id string) (at time.Time, ok bool) {
			i := slices.IndexFunc(trades, func(t paper.Trade) bool { return t.ID == id })
			if i < 0 {
				return at, false
			}
			return trades[i].At, true
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	ledgers, err := q.flag("ledgers")
	if err != nil {
		return nil, err
	}
	positions := false
	switch q.text("type") {
	case "", "all", "no position":
	case "any position", "closed position", "closing position":
		positions = true // which a paper account doesn't have
	default:
		return nil, paper.Invalid("type")
	}
	slices.Reverse(trades)
	trades = slices.DeleteFunc(trades, func(t paper.Trade) bool { return positions || !part.has(t.At) })
	return pageOf(part, "trades", trades, func(t paper.Trade) (string, object) { return t.ID, tradeInfo(t, ledgers) }), nil
}

// tradeInfo is a trade as TradesHistory has it: the fields and types of an answer recorded from the real API in 2025, by
// knowm/XChange.
func tradeInfo(t paper.Trade, ledgers bool) object {
	pair := t.Order.Pair
	cost := pair.FormatCost
	info := object{
		"ordertxid": t.Order.ID, "postxid": paper.NoPosition, "pair": pair.ID, "aclass": "forex", "time": unixSeconds(t.At),
		"type": t.Order.Side, "ordertype": t.Order.Type, "price": cost(t.Price), "cost": cost(t.Cost), "fee": cost(t.Fee),
		"vol": paper.FormatVolume(t.Quantity), "margin": cost(0), "leverage": "0", "misc": "",
		"trade_id": t.Number, "maker": true, // for all orders rest
	}
	if ledgers {
		ids := make([]string, len(t.Entries))
		for i, entry := range t.Entries {
			ids[i] = entry.ID
		}
		info["ledgers"] = ids
	}
	return info
}
