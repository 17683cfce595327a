package feed

import (
	"strconv"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// trader finds the account for which the request's token may trade, if it has one of the permissions. If there is none, the
// client has been told.
func (v v1) trader(s *socket, q v1Request, permissions ...string) (*paper.Account, bool) {
	var refusal error
	for _, permission := range permissions {
		account, err := s.trade(q.fields.text("token"), permission, q.in)
		if err == nil {
			return account, true
		}
		refusal = err
	}
	v.refuse(s, q, refusal)
	return nil, false
}

// answer tells the client that a request to trade succeeded, or why it didn't.
func (v v1) answer(s *socket, q v1Request, answer object, err error) {
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	answer["event"], answer["status"] = q.answer, "ok"
	v.reply(s, q, answer)
}

func (v v1) addOrder(s *socket, q v1Request) {
	if account, ok := v.trader(s, q, permission.ModifyTrades); ok {
		answer, err := addV1Order(account, q)
		v.answer(s, q, answer, err)
	}
}

func addV1Order(account *paper.Account, q v1Request) (object, error) {
	fields := v1Fields{params: q.fields}
	r := paper.Request{
		Pair:        fields.pair(),
		Side:        fields.text("type"),
		Type:        fields.text("ordertype"),
		Quantity:    or(fields.decimal("volume"), 0),
		Price:       or(fields.decimal("price"), 0),
		PostOnly:    or(fields.postOnly(), false),
		TimeInForce: fields.text("timeinforce"),
		ClientID:    fields.text("cl_ord_id"),
		Userref:     or(fields.userref("userref"), 0),
	}
	validate := fields.flag("validate")
	fields.only("price2", `"0"`)
	fields.only("leverage", `"none"`)
	fields.only("margin", "false")
	fields.only("reduce_only", "false")
	fields.only("starttm", `"0"`)
	fields.only("expiretm", `"0"`)
	// No two orders of a paper account meet, so it is all one which of them would be canceled.
	fields.only("stp_type", `"cancel_newest"`, `"cancel_oldest"`, `"cancel_both"`)
	for _, name := range []string{"sender_sub_id", "close[ordertype]", "close[price]", "close[price2]"} {
		fields.only(name)
	}
	fields.refuse(checkDeadline(fields.text("deadline"), q.in))
	if fields.err != nil {
		return nil, fields.err
	}
	if validate {
		return object{"descr": r.Describe(r.Pair.Altname)}, account.Check(r)
	}
	o, err := account.Place(r, q.in)
	answer := object{"txid": o.ID, "descr": o.Describe(o.Pair.Altname)}
	v1Name(answer, o)
	return answer, err
}

func (v v1) editOrder(s *socket, q v1Request) {
	if _, ok := v.trader(s, q, permission.ModifyTrades); !ok { // it takes both
		return
	}
	if account, ok := v.trader(s, q, permission.CloseTrades); ok {
		answer, err := editV1Order(account, q)
		v.answer(s, q, answer, err)
	}
}

func editV1Order(account *paper.Account, q v1Request) (object, error) {
	fields := v1Fields{params: q.fields}
	change := paper.Change{
		Quantity: fields.decimal("volume"),
		Price:    fields.decimal("price"),
		PostOnly: fields.postOnly(),
		Userref:  fields.userref("newuserref"),
	}
	validate := fields.flag("validate")
	fields.only("price2", `"0"`)
	pair := fields.pair()
	ids := v1Named(account, fields.text("orderid"))
	switch {
	case fields.err != nil:
		return nil, fields.err
	case len(ids) != 1: // a userref can stand for several
		return nil, paper.UnknownOrder
	}
	r, err := account.CheckEdit(ids[0], change)
	old, _ := account.Find(ids[0])
	switch {
	case err != nil:
		return nil, err
	case pair != old.Pair:
		return nil, invalidArgument("pair")
	case old.Executed > 0: // Kraken's page: "cannot be used on partially filled orders"
		return nil, invalidArgument("volume")
	case validate:
		return object{"descr": r.Describe(r.Pair.Altname)}, nil
	}
	o, err := account.Edit(old.ID, change, q.in)
	return object{"txid": o.ID, "originaltxid": old.ID, "descr": o.Describe(o.Pair.Altname)}, err
}

func (v v1) amendOrder(s *socket, q v1Request) {
	if account, ok := v.trader(s, q, permission.ModifyTrades, permission.CloseTrades); ok {
		answer, err := amendV1Order(account, q)
		v.answer(s, q, answer, err)
	}
}

func amendV1Order(account *paper.Account, q v1Request) (object, error) {
	fields := v1Fields{params: q.fields}
	change := paper.Change{Quantity: fields.decimal("volume"), Price: fields.decimal("limit_price")}
	if postOnly := fields.flag("post_only"); postOnly {
		change.PostOnly = &postOnly
	}
	fields.only("display_volume")
	fields.only("trigger_price")
	by := "txid"
	id := fields.text(by)
	switch {
	case fields.params[by] != nil:
		fields.only("cl_ord_id") // either, not both
	case fields.params["cl_ord_id"] == nil:
		fields.refuse(invalidArgument(by))
	default:
		by = "cl_ord_id"
		o, there := account.FindClientID(fields.text(by))
		if !there {
			fields.refuse(paper.UnknownOrder)
		}
		id = o.ID
	}
	if o, there := account.Find(id); there && fields.params["pair"] != nil && fields.pair() != o.Pair {
		fields.refuse(invalidArgument("pair"))
	}
	fields.refuse(checkDeadline(fields.text("deadline"), q.in))
	if fields.err != nil {
		return nil, fields.err
	}
	amendID, _, err := account.Amend(id, change, q.in)
	return object{"amend_id": amendID, by: fields.text(by)}, err
}

// cancelOrder answers once for each order, as Kraken does.
func (v v1) cancelOrder(s *socket, q v1Request) {
	account, ok := v.trader(s, q, permission.ModifyTrades, permission.CloseTrades)
	if !ok {
		return
	}
	txIDs, clientIDs := q.fields.texts("txid"), q.fields.texts("cl_ord_id")
	if len(txIDs)+len(clientIDs) == 0 {
		v.refuse(s, q, invalidArgument("txid"))
		return
	}
	for _, id := range txIDs {
		orders := v1Named(account, id)
		if len(orders) == 0 {
			v.refuse(s, q, paper.UnknownOrder)
		}
		for _, id := range orders {
			_, err := account.Cancel(id, q.in)
			v.answer(s, q, object{}, err)
		}
	}
	for _, id := range clientIDs {
		o, there := account.FindClientID(id)
		if !there {
			v.refuse(s, q, paper.UnknownOrder)
			continue
		}
		_, err := account.Cancel(o.ID, q.in)
		v.answer(s, q, object{}, err)
	}
}

// v1Named returns the ids for which an id stands: itself or, if it is a userref, those of the open orders with it.
func v1Named(account *paper.Account, id string) (ids []string) {
	userref, err := strconv.ParseInt(id, 10, 32)
	if err != nil {
		return []string{id}
	}
	for _, o := range account.Open() {
		if o.Userref == userref && userref != 0 { // zero is for none
			ids = append(ids, o.ID)
		}
	}
	return ids
}

func (v v1) cancelAll(s *socket, q v1Request) {
	if account, ok := v.trader(s, q, permission.ModifyTrades, permission.CloseTrades); ok {
		v.answer(s, q, object{"count": account.CancelAll(q.in)}, nil)
	}
}

func (v v1) cancelAllOrdersAfter(s *socket, q v1Request) {
	account, ok := v.trader(s, q, permission.ModifyTrades, permission.CloseTrades)
	if !ok {
		return
	}
	seconds, _ := strconv.ParseInt(string(q.fields["timeout"]), 10, 64) // it is an integer
	if seconds < 0 || seconds > maxCancelAfter {
		v.refuse(s, q, invalidArgument("timeout"))
		return
	}
	trigger := account.CancelAllAfter(time.Duration(seconds)*time.Second, q.in)
	v.answer(s, q, object{"currentTime": wholeSeconds(q.in), "triggerTime": wholeSeconds(trigger)}, nil)
}
