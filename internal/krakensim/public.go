package krakensim

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// public answers a request that isn't under /0/private/. Any method will do, as at Kraken, and its fields can be in the
// URL or in the body.
func public(path string, r *http.Request, body []byte) answer {
	method, ok := publicMethods[path]
	switch {
	case !ok:
		return unknownMethod()
	case r.UserAgent() == "":
		return noUserAgent()
	}
	fields, err := url.ParseQuery(r.URL.RawQuery)
	if ok = err == nil; ok && len(body) > 0 {
		var more url.Values
		more, ok = readFields(r.Header.Get("Content-Type"), body)
		for name, values := range more {
			fields[name] = append(fields[name], values...)
		}
	}
	if !ok || repeated(fields) {
		return refuse(paper.InvalidArguments)
	}
	value, err := method(query{fields: fields, now: time.Now().UTC()})
	if err != nil {
		return refuse(err)
	}
	return result(value)
}

// publicMethods are as many as a client needs to set its clock and load its markets.
var publicMethods = map[string]func(q query) (any, error){
	"/0/public/Time": func(q query) (any, error) {
		return object{"unixtime": q.now.Unix(), "rfc1123": q.now.Format("Mon, 02 Jan 06 15:04:05 -0700")}, nil
	},
	"/0/public/SystemStatus": func(q query) (any, error) {
		return object{"status": "online", "timestamp": q.now.Format(time.RFC3339)}, nil
	},
	"/0/public/Assets":     assets,
	"/0/public/AssetPairs": assetPairs,
}

// named is the part of a list that a field has the names of, separated by commas; all of it if the field isn't there.
func named[T any](q query, field string, list []T, names func(T) []string, unknown paper.Refusal) (some []T, err error) {
	if q.text(field) == "" {
		return list, nil
	}
	for name := range strings.SplitSeq(q.text(field), ",") {
		i := slices.IndexFunc(list, func(one T) bool { return slices.Contains(names(one), strings.TrimSpace(name)) })
		if i < 0 {
			return nil, unknown
		}
		some = append(some, list[i])
	}
	return some, nil
}

// assets are displayed with half of the decimals that are counted (support.kraken.com, "Decimal precision for API
// calculations").
func assets(q query) (any, error) {
	if err := q.refuseForeign([]foreign{{name: "aclass", only: []string{"currency"}}}); err != nil {
		return nil, err
	}
	some, err := named(q, "asset", paper.Assets, assetNames, paper.UnknownAsset)
	all := object{}
	for _, asset := range some {
		all[asset.ID] = object{
			"aclass": "currency", "altname": asset.Altname, "decimals": asset.Decimals,
			"display_decimals": asset.Decimals / 2, "collateral_value": 1.0, "status": "enabled",
		}
	}
	return all, err
}

// assetPairs has no leverage, which the paper accounts don't have either, and one fee for all.
func assetPairs(q query) (any, error) {
	err := q.refuseForeign([]foreign{{name: "info", only: []string{"info"}}, {name: "aclass_base", only: []string{"currency"}}})
	if err != nil {
		return nil, err
	}
	some, err := named(q, "pair", paper.Pairs, pairNames, paper.UnknownPair)
	fee := [][]float64{{0, paper.FeeRate * 100}}
	all := object{}
	for _, pair := range some {
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
	return all, err
}
