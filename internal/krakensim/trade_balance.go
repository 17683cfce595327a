package krakensim

import (
	"slices"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// worth is what a unit of each asset is worth in US dollars, by code. It is made up: there is no market here.
var worth = map[string]float64{"USD": 1, "BTC": 50_000, "ETH": 2_500}

// tradeBalance sums the account up in one asset. Nothing is traded on margin.
func tradeBalance(x *Exchange, q query) (any, error) {
	name := q.text("asset")
	if name == "" {
		name = "ZUSD"
	}
	i := slices.IndexFunc(paper.Assets, func(asset paper.Asset) bool { return name == asset.ID || name == asset.Altname })
	if i < 0 {
		return nil, paper.Refusal("EQuery:Unknown asset")
	}
	in := paper.Assets[i]
	equity, unexecuted := 0.0, 0.0
	x.feed.Trade(q.key.APIKey, func(account *paper.Account) {
		for _, asset := range paper.Assets {
			equity += account.Balance(asset.Code) * worth[asset.Code]
		}
		for _, o := range account.Open() {
			unexecuted += o.Rest() * o.Price * worth[o.Pair.Quote]
		}
	})
	all, none := amount(equity/worth[in.Code], in.Decimals), amount(0, in.Decimals)
	return object{
		"eb": all, "tb": all, "e": all, "mf": all, "mfo": all, // equity
		"m": none, "n": none, "c": none, "v": none, // positions
		"uv": amount(unexecuted/worth[in.Code], in.Decimals),
	}, nil
}
