package krakensim

import (
	"slices"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

func balance(x *Exchange, q query) (any, error) {
	balances := object{}
	return balances, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		for _, asset := range paper.Assets {
			balances[asset.ID] = amount(account.Balance(asset.Code), asset.Decimals)
		}
		return nil
	})
}

// balanceEx is what ccxt's fetchBalance asks for.
func balanceEx(x *Exchange, q query) (any, error) {
	balances := object{}
	return balances, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		for _, asset := range paper.Assets {
			balances[asset.ID] = object{
				"balance":    amount(account.Balance(asset.Code), asset.Decimals),
				"hold_trade": amount(account.Held(asset.Code), asset.Decimals),
			}
		}
		return nil
	})
}

// tradeBalance sums the account up in one asset. Nothing is traded on margin.
func tradeBalance(x *Exchange, q query) (any, error) {
	name := q.text("asset")
	if name == "" {
		name = "ZUSD"
	}
	i := slices.IndexFunc(paper.Assets, func(asset paper.Asset) bool { return slices.Contains(assetNames(asset), name) })
	if i < 0 {
		return nil, paper.UnknownAsset
	}
	in := paper.Assets[i]
	equity, unexecuted := 0.0, 0.0
	err := x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		for _, asset := range paper.Assets {
			equity += account.Balance(asset.Code) * asset.Worth
		}
		for _, o := range account.Open() {
			unexecuted += o.Rest() * o.Price * paper.FindAsset(o.Pair.Quote).Worth
		}
		return nil
	})
	all, none := amount(equity/in.Worth, in.Decimals), amount(0, in.Decimals)
	return object{
		"eb": all, "tb": all, "e": all, "mf": all, "mfo": all, // equity
		"m": none, "n": none, "c": none, "v": none, // positions
		"uv": amount(unexecuted/in.Worth, in.Decimals),
	}, err
}
