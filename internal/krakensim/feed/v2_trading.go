package feed

import (
	"strings"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// v2Method is a method that trades.
type v2Method struct {
	fields form
	need   permission.Need
	do     func(v v2, s *socket, q v2Request, account *paper.Account)
}

// v2OrderForm has the fields of an order that is alone, or one of a batch.
var v2OrderForm = form{
	required("order_type", isText), required("side", isText), required("order_qty", isNumber),
	optional("limit_price", isNumber), optional("limit_price_type", isText, `"static"`),
	optional("time_in_force", isText, `"gtc"`, `"ioc"`), optional("post_only", isFlag),
	optional("cl_ord_id", isText), optional("order_userref", isInteger), optional("margin", isFlag), optional("reduce_only", isFlag),
	// These make no difference: an order's fee is in the quote currency anyway, and it meets no other of the account's.
	optional("fee_preference", isText, `"quote"`), optional("no_mpp", isFlag),
	optional("stp_type", isText, `"cancel_newest"`, `"cancel_oldest"`, `"cancel_both"`),
	foreign("cash_order_qty", isNumber), foreign("conditional", isObject), foreign("display_qty", isNumber),
	foreign("effective_time", isText), foreign("expire_time", isText), foreign("sender_sub_id", isText),
	foreign("triggers", isObject), foreign("stop_price", isNumber), foreign("trigger", isText),
}

// Fields that several methods have.
var (
	v2Token    = required("token", isText)
	v2Symbol   = required("symbol", isText)
	v2Deadline = optional("deadline", isText)
	v2Validate = optional("validate", isFlag)
)

var v2Trading = map[string]v2Method{
	"add_order": {append(form{v2Token, v2Symbol, v2Deadline, v2Validate}, v2OrderForm...), permission.ToPlace, v2.addOrder},
	"amend_order": {form{
		v2Token, optional("order_id", isText), optional("cl_ord_id", isText), optional("symbol", isText), v2Deadline,
		optional("order_qty", isNumber), optional("limit_price", isNumber), optional("limit_price_type", isText, `"static"`),
		optional("post_only", isFlag),
		foreign("display_qty", isNumber), foreign("trigger_price", isNumber), foreign("trigger_price_type", isText),
	}, permission.ToChange, v2.amendOrder},
	"edit_order": {form{
		v2Token, required("order_id", isText), v2Symbol, v2Deadline, v2Validate,
		optional("order_qty", isNumber), optional("limit_price", isNumber), optional("post_only", isFlag),
		optional("order_userref", isInteger), optional("fee_preference", isText, `"quote"`), optional("no_mpp", isFlag),
		optional("reduce_only", isFlag), foreign("display_qty", isNumber), foreign("triggers", isObject),
		foreign("price", isNumber), foreign("stop_price", isNumber), foreign("trigger", isText),
	}, permission.ToReplace, v2.editOrder},
	"cancel_order": {form{
		v2Token, optional("order_id", isTexts), optional("cl_ord_id", isTexts), optional("order_userref", isNumbers),
	}, permission.ToChange, v2.cancelOrder},
	"cancel_all":              {form{v2Token}, permission.ToChange, v2.cancelAll},
	"cancel_all_orders_after": {form{v2Token, required("timeout", isInteger)}, permission.ToChange, v2.cancelAllAfter},
	"batch_add": {form{
		v2Token, v2Symbol, required("orders", isObjects), v2Deadline, v2Validate,
	}, permission.ToReplace, v2.batchAdd},
	"batch_cancel": {form{
		v2Token, optional("orders", isTexts), optional("cl_ord_id", isTexts),
	}, permission.ToChange, v2.batchCancel},
}

// dispatch does what a request of a trading method asks for.
func (v v2) dispatch(s *socket, q v2Request) {
	method := v2Trading[q.method]
	err := method.fields.check(q.words(), q.params)
	if err == nil {
		err = checkDeadline(q.params, q.in)
	}
	var account *paper.Account
	if err == nil {
		account, err = s.accountFor(q.params.text("token"), method.need, q.in)
	}
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	method.do(v, s, q, account)
}

// v2Pair is the market with a symbol. The error is a [paper.Refusal].
func v2Pair(symbol string) (paper.Pair, error) {
	return paper.FindPair(func(p paper.Pair) bool { return p.Symbol == symbol })
}

// v2PlaceRequest is the order that fields ask for. The error is a [paper.Refusal].
func v2PlaceRequest(pair paper.Pair, p params) (paper.Request, error) {
	r := paper.Request{
		Pair:        pair,
		Side:        p.text("side"),
		Type:        p.text("order_type"),
		Quantity:    value[float64](p, "order_qty"),
		Price:       value[float64](p, "limit_price"),
		PostOnly:    value[bool](p, "post_only"),
		TimeInForce: strings.ToUpper(p.text("time_in_force")),
		ClientID:    p.text("cl_ord_id"),
		Userref:     value[int64](p, "order_userref"),
		Margin:      value[bool](p, "margin"),
		ReduceOnly:  value[bool](p, "reduce_only"),
	}
	if r.Type == "limit" && p["limit_price"] == nil {
		return r, missing("limit_price")
	}
	return r, nil
}

// v2Placed is the answer for an order; its id is empty if it was validated only.
func v2Placed(id string, r paper.Request) object {
	result := object{"order_id": id}
	if r.ClientID != "" {
		result["cl_ord_id"] = r.ClientID
	}
	if r.Userref != 0 {
		result["order_userref"] = r.Userref
	}
	return result
}

func (v v2) addOrder(s *socket, q v2Request, account *paper.Account) {
	pair, err := v2Pair(q.params.text("symbol"))
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	r, err := v2PlaceRequest(pair, q.params)
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	if value[bool](q.params, "validate") {
		v.answer(s, q, v2Placed("", r), account.Check(r))
		return
	}
	o, err := account.Place(r, q.in)
	v.answer(s, q, v2Placed(o.ID, r), err)
}

func (v v2) amendOrder(s *socket, q v2Request, account *paper.Account) {
	result := object{}
	for _, name := range []string{"order_id", "cl_ord_id"} { // it is one of them
		if q.params[name] != nil {
			result[name] = q.params[name]
		}
	}
	if len(result) == 0 {
		v.refuse(s, q, missing("order_id"))
		return
	}
	id, err := account.Which(q.params.text("order_id"), q.params.text("cl_ord_id"))
	var change paper.Change
	if err == nil {
		change, err = v2Change(q.params)
	}
	if err == nil {
		result["amend_id"], _, err = account.Amend(id, change, q.in)
	}
	v.answer(s, q, result, err)
}

func (v v2) editOrder(s *socket, q v2Request, account *paper.Account) {
	id := q.params.text("order_id")
	var o paper.Order
	change, err := v2Change(q.params)
	switch {
	case err != nil:
	case value[bool](q.params, "validate"):
		_, err = account.CheckEdit(id, change)
	default:
		o, err = account.Edit(id, change, q.in)
	}
	v.answer(s, q, object{"order_id": o.ID, "original_order_id": id}, err)
}

// v2Change is what is to be different about an order. The error is a [paper.Refusal].
func v2Change(p params) (paper.Change, error) {
	change := paper.Change{
		Quantity:   pointer[float64](p, "order_qty"),
		Price:      pointer[float64](p, "limit_price"),
		PostOnly:   pointer[bool](p, "post_only"),
		ReduceOnly: pointer[bool](p, "reduce_only"),
		Userref:    pointer[int64](p, "order_userref"),
	}
	if p["symbol"] == nil {
		return change, nil
	}
	pair, err := v2Pair(p.text("symbol"))
	change.Pair = &pair
	return change, err
}
