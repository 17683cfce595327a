package feed

import (
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// cancelOrder answers once for each order, as Kraken does.
func (v v2) cancelOrder(s *socket, q v2Request, account *paper.Account) {
	ids, clientIDs := value[[]string](q.params, "order_id"), value[[]string](q.params, "cl_ord_id")
	userrefs := value[[]int64](q.params, "order_userref")
	switch min(len(ids), 1) + min(len(clientIDs), 1) + min(len(userrefs), 1) {
	case 0:
		v.refuse(s, q, missing("order_id"))
		return
	case 2, 3: // Kraken's page says that they can't be combined
		v.refuse(s, q, paper.InvalidArguments)
		return
	}
	for _, id := range ids {
		_, err := account.Cancel(id, q.in)
		v.answer(s, q, object{"order_id": id}, err)
	}
	for _, clientID := range clientIDs {
		_, err := account.CancelClientID(clientID, q.in)
		v.answer(s, q, object{"cl_ord_id": clientID}, err)
	}
	for _, userref := range userrefs {
		ids := account.WithUserref(userref)
		if len(ids) == 0 {
			v.refuse(s, q, paper.UnknownOrder)
		}
		for _, id := range ids {
			_, err := account.Cancel(id, q.in)
			v.answer(s, q, object{"order_id": id}, err)
		}
	}
}

func (v v2) cancelAll(s *socket, q v2Request, account *paper.Account) {
	v.answer(s, q, object{"count": account.CancelAll(q.in)}, nil)
}

func (v v2) cancelAllAfter(s *socket, q v2Request, account *paper.Account) {
	due, err := account.CancelAllAfter(value[int64](q.params, "timeout"), q.in)
	v.answer(s, q, object{"currentTime": paper.WholeSeconds(q.in), "triggerTime": paper.WholeSeconds(due)}, err)
}
