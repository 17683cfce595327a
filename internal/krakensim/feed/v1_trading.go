package feed

import (
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// answer tells the client that a request to trade succeeded, or why it didn't.
func (v v1) answer(s *socket, q v1Request, answer object, err error) {
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	answer["event"], answer["status"] = q.answerEvent, "ok"
	v.reply(s, q, answer)
}

// v1ForAccount handles a request with what do does for the account of its token, and answers it once.
func v1ForAccount(need permission.Need, do func(*paper.Account, v1Request) (object, error)) func(v1, *socket, v1Request) {
	return func(v v1, s *socket, q v1Request) {
		err := checkDeadline(q.fields, q.in)
		var account *paper.Account
		if err == nil {
			account, err = s.accountFor(q.fields.text("token"), need, q.in)
		}
		var answer object
		if err == nil {
			answer, err = do(account, q)
		}
		v.answer(s, q, answer, err)
	}
}

func v1AddOrder(account *paper.Account, q v1Request) (object, error) {
	fields := v1Fields{params: q.fields}
	r := paper.Request{
		Pair:        fields.pair(),
		Side:        fields.text("type"),
		Type:        fields.text("ordertype"),
		Quantity:    or(fields.number("volume"), 0),
		Price:       or(fields.number("price"), 0),
		PostOnly:    or(fields.postOnly(), false),
		TimeInForce: fields.text("timeinforce"),
		ClientID:    fields.text("cl_ord_id"),
		Userref:     or(fields.userref("userref"), 0),
		Margin:      paper.Leveraged(fields.text("leverage")) || value[bool](q.fields, "margin"),
		ReduceOnly:  value[bool](q.fields, "reduce_only"),
	}
	if fields.err != nil {
		return nil, fields.err
	}
	if isTrue(q.fields["validate"]) {
		return object{"descr": r.Describe(r.Pair.Altname)}, account.Check(r)
	}
	o, err := account.Place(r, q.in)
	answer := object{"txid": o.ID, "descr": o.Describe(o.Pair.Altname)}
	v1Name(answer, o)
	return answer, err
}

func v1EditOrder(account *paper.Account, q v1Request) (object, error) {
	fields := v1Fields{params: q.fields}
	pair := fields.pair()
	change := paper.Change{
		Pair:     &pair,
		Quantity: fields.number("volume"),
		Price:    fields.number("price"),
		PostOnly: fields.postOnly(),
		Userref:  fields.userref("newuserref"),
	}
	ids := account.Named(fields.text("orderid"))
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
	case old.Executed > 0: // Kraken's page: "cannot be used on partially filled orders"
		return nil, paper.Invalid("volume")
	case isTrue(q.fields["validate"]):
		return object{"descr": r.Describe(r.Pair.Altname)}, nil
	}
	o, err := account.Edit(old.ID, change, q.in)
	return object{"txid": o.ID, "originaltxid": old.ID, "descr": o.Describe(o.Pair.Altname)}, err
}

func v1AmendOrder(account *paper.Account, q v1Request) (object, error) {
	fields := v1Fields{params: q.fields}
	change := paper.Change{Quantity: fields.number("volume"), Price: fields.number("limit_price")}
	if fields.params["pair"] != nil {
		pair := fields.pair()
		change.Pair = &pair
	}
	by := "txid"
	if fields.params["cl_ord_id"] != nil {
		by = "cl_ord_id"
	}
	id, err := account.Which(fields.text("txid"), fields.text("cl_ord_id"))
	fields.refuse(err)
	if fields.err != nil {
		return nil, fields.err
	}
	amendID, _, err := account.Amend(id, change, q.in)
	return object{"amend_id": amendID, by: fields.text(by)}, err
}

// cancelOrder answers once for each order, as Kraken does.
func (v v1) cancelOrder(s *socket, q v1Request) {
	account, err := s.accountFor(q.fields.text("token"), permission.ToChange, q.in)
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	txIDs, clientIDs := value[[]string](q.fields, "txid"), value[[]string](q.fields, "cl_ord_id")
	if len(txIDs)+len(clientIDs) == 0 {
		v.refuse(s, q, paper.Invalid("txid"))
		return
	}
	for _, id := range txIDs {
		orders := account.Named(id)
		if len(orders) == 0 {
			v.refuse(s, q, paper.UnknownOrder)
		}
		for _, id := range orders {
			_, err := account.Cancel(id, q.in)
			v.answer(s, q, object{}, err)
		}
	}
	for _, id := range clientIDs {
		_, err := account.CancelClientID(id, q.in)
		v.answer(s, q, object{}, err)
	}
}

func v1CancelAll(account *paper.Account, q v1Request) (object, error) {
	return object{"count": account.CancelAll(q.in)}, nil
}

func v1CancelAllOrdersAfter(account *paper.Account, q v1Request) (object, error) {
	due, err := account.CancelAllAfter(value[int64](q.fields, "timeout"), q.in)
	return object{"currentTime": paper.WholeSeconds(q.in), "triggerTime": paper.WholeSeconds(due)}, err
}
