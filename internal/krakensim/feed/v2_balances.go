package feed

import "github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"

// v2SubscribeBalances is what a subscription to balances is answered with, and its snapshot; nil for none.
func v2SubscribeBalances(p params, account *paper.Account) (result object, snapshot []object) {
	result = object{}
	if wanted := pointer[bool](p, "snapshot"); wanted != nil && !*wanted {
		return result, nil
	}
	for _, a := range paper.Assets {
		balance := account.Balance(a.Code)
		snapshot = append(snapshot, object{"asset": a.Code, "asset_class": "currency", "balance": balance,
			"wallets": []object{{"type": "spot", "id": "main", "balance": balance}}})
	}
	return result, snapshot
}

// v2Ledger is what an event did to the balances: a message for each line of the ledger.
func v2Ledger(e paper.Event) (lines []object) {
	if e.Trade == nil {
		return nil
	}
	for _, entry := range e.Trade.Entries {
		lines = append(lines, object{
			"ledger_id": entry.ID, "ref_id": e.Trade.ID, "timestamp": e.At.UTC().Format(v2Time),
			"type": "trade", "category": "trade", "asset": entry.Asset.Code, "asset_class": "currency",
			"wallet_type": "spot", "wallet_id": "main",
			"amount": entry.Amount, "fee": entry.Fee, "balance": entry.Balance,
		})
	}
	return lines
}
