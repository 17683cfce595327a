package feed

import (
	"time"

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
		o, there := account.FindClientID(clientID)
		if !there {
			v.refuse(s, q, paper.UnknownOrder)
			continue
		}
		_, err := account.Cancel(o.ID, q.in)
		v.answer(s, q, object{"cl_ord_id": clientID}, err)
	}
	for _, userref := range userrefs {
		canceled := v2CancelUserref(account, userref, q.in)
		for _, id := range canceled {
			v.answer(s, q, object{"order_id": id}, nil)
		}
		if canceled == nil {
			v.refuse(s, q, paper.UnknownOrder)
		}
	}
}

// v2CancelUserref cancels all orders with a number of the client's, and returns their ids.
func v2CancelUserref(account *paper.Account, userref int64, now time.Time) (ids []string) {
	for _, o := range account.Open() {
		if o.Userref == userref && userref != 0 {
			_, _ = account.Cancel(o.ID, now) // it is there
			ids = append(ids, o.ID)
		}
	}
	return ids
}

func (v v2) cancelAll(s *socket, q v2Request, account *paper.Account) {
	v.answer(s, q, object{"count": account.CancelAll(q.in)}, nil)
}

func (v v2) cancelAllAfter(s *socket, q v2Request, account *paper.Account) {
	due, err := account.CancelAllAfter(value[int64](q.params, "timeout"), q.in)
	v.answer(s, q, object{"currentTime": paper.WholeSeconds(q.in), "triggerTime": paper.WholeSeconds(due)}, err)
}
