package feed

import (
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// How many orders a batch has.
const (
	minBatch       = 2
	maxBatchAdd    = 15
	maxBatchCancel = 50
)

// batchAdd refuses all orders if one of them isn't right in itself. What the account refuses concerns that order only; then
// the answer, which has a place for each, is no success. So Kraken's own Rust SDK reads it (krakenfx/kraken-api-sdk).
func (v v2) batchAdd(s *socket, q v2Request, account *paper.Account) {
	requests, err := v2Batch(q)
	validate := value[bool](q.params, "validate")
	if err == nil && validate {
		err = account.Check(requests...)
	}
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	success, result := true, []object{}
	for _, r := range requests {
		if validate {
			result = append(result, object{"validation": "Validated Successfully"})
		} else if o, err := account.Place(r, q.in); err != nil {
			success, result = false, append(result, object{"error": err.Error()})
		} else {
			result = append(result, v2Placed(o.ID, r))
		}
	}
	v.reply(s, q, object{"success": success, "result": result})
}

// v2Batch has the orders that fields ask for. The error is a [paper.Refusal].
func v2Batch(q v2Request) (requests []paper.Request, err error) {
	pair, err := v2Pair(q.params.text("symbol"))
	if err != nil {
		return nil, err
	}
	orders := value[[]params](q.params, "orders")
	if len(orders) < minBatch || len(orders) > maxBatchAdd {
		return nil, paper.Invalid("orders")
	}
	for _, fields := range orders {
		if err := v2OrderForm.check(q.words(), fields); err != nil {
			return nil, err
		}
		r, err := v2PlaceRequest(pair, fields)
		if err == nil {
			err = r.Validate()
		}
		if err != nil {
			return nil, err
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// batchCancel counts the orders that were canceled. An id that isn't known is passed over, unless all are.
func (v v2) batchCancel(s *socket, q v2Request, account *paper.Account) {
	ids, clientIDs := value[[]string](q.params, "orders"), value[[]string](q.params, "cl_ord_id")
	if total := len(ids) + len(clientIDs); total < minBatch || total > maxBatchCancel {
		v.refuse(s, q, paper.Invalid("orders"))
		return
	}
	count := 0
	for _, id := range ids { // Kraken's, or a number of the client's
		for _, id := range account.Named(id) {
			if _, err := account.Cancel(id, q.in); err == nil {
				count++
			}
		}
	}
	for _, clientID := range clientIDs {
		if _, err := account.CancelClientID(clientID, q.in); err == nil {
			count++
		}
	}
	if count == 0 {
		v.refuse(s, q, paper.UnknownOrder)
		return
	}
	v.answer(s, q, object{"count": count}, nil)
}
