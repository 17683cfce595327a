package krakensim

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// public answers a request that isn't under /0/private/. Any method will do, as at Kraken.
func public(path string, r *http.Request) answer {
	method, ok := publicMethods[path]
	switch {
	case !ok:
		return unknownMethod()
	case r.UserAgent() == "":
		return noUserAgent()
	}
	return result(method(time.Now().UTC()))
}

// publicMethods are as many as a client needs to set its clock and load its markets.
var publicMethods = map[string]func(now time.Time) any{
	"/0/public/Time": func(now time.Time) any {
		return object{"unixtime": now.Unix(), "rfc1123": now.Format("Mon, 02 Jan 06 15:04:05 -0700")}
	},
	"/0/public/SystemStatus": func(now time.Time) any {
		return object{"status": "online", "timestamp": now.Format(time.RFC3339)}
	},
	"/0/public/Assets":     func(time.Time) any { return assets() },
	"/0/public/AssetPairs": func(time.Time) any { return assetPairs() },
}

func assets() object {
	all := object{}
	for _, asset := range paper.Assets {
		all[asset.ID] = object{
			"aclass": "currency", "altname": asset.Altname, "decimals": asset.Decimals,
			"display_decimals": asset.Decimals / 2, "collateral_value": 1.0, "status": "enabled",
		}
	}
	return all
}

// assetPairs has no leverage, which the paper accounts don't have either, and one fee for all.
func assetPairs() object {
	fee := [][]float64{{0, paper.FeeRate * 100}}
	all := object{}
	for _, pair := range paper.Pairs {
		all[pair.ID] = object{
			"altname": pair.Altname, "wsname": pair.WSName, "status": "online",
			"aclass_base": "currency", "base": paper.FindAsset(pair.Base).ID,
			"aclass_quote": "currency", "quote": paper.FindAsset(pair.Quote).ID,
			"pair_decimals": pair.Decimals, "cost_decimals": pair.CostDecimals, "lot_decimals": paper.VolumeDecimals,
			"tick_size": amount(math.Pow10(-pair.Decimals), pair.Decimals),
			"ordermin":  strconv.FormatFloat(pair.MinVolume, 'f', -1, 64),
			"costmin":   strconv.FormatFloat(pair.MinCost, 'f', -1, 64),
			"lot":       "unit", "lot_multiplier": 1, "leverage_buy": []int{}, "leverage_sell": []int{},
			"fees": fee, "fees_maker": fee, "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40,
		}
	}
	return all
}
