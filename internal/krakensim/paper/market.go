package paper

import "slices"

// Asset is something an account holds. Kraken has three names for it: the id of REST, the code of WebSocket v2, and the
// altname, which stands in the pairs of WebSocket v1.
type Asset struct {
	ID       string
	Altname  string // of REST too
	Code     string
	Decimals int
	Start    float64 // what every account begins with
	Worth    float64 // of a unit, in US dollars: made up, for there is no market here
}

// Assets are those that every account has.
var Assets = []Asset{
	{ID: "ZUSD", Altname: "USD", Code: "USD", Decimals: 4, Start: 100_000, Worth: 1},
	{ID: "XXBT", Altname: "XBT", Code: "BTC", Decimals: 10, Start: 2, Worth: 50_000},
	{ID: "XETH", Altname: "ETH", Code: "ETH", Decimals: 10, Start: 50, Worth: 2_500},
}

// Pair is a market.
type Pair struct {
	ID           string // of REST
	Altname      string // of REST too, and in the description of an order
	WSName       string // of WebSocket v1
	Symbol       string // of WebSocket v2
	Base, Quote  string // codes of assets
	Decimals     int    // of the price
	CostDecimals int    // of price times volume
	MinVolume    float64
	MinCost      float64
}

// Pairs are the markets. Their decimals and least orders are those that Kraken's AssetPairs tells. Kraken changes least orders as
// prices go: of ETH/USD, recordings have 0.001 and 0.002.
var Pairs = []Pair{
	{ID: "XXBTZUSD", Altname: "XBTUSD", WSName: "XBT/USD", Symbol: "BTC/USD", Base: "BTC", Quote: "USD",
		Decimals: 1, CostDecimals: 5, MinVolume: 0.00005, MinCost: 0.5},
	{ID: "XETHZUSD", Altname: "ETHUSD", WSName: "ETH/USD", Symbol: "ETH/USD", Base: "ETH", Quote: "USD",
		Decimals: 2, CostDecimals: 5, MinVolume: 0.001, MinCost: 0.5},
}

// VolumeDecimals is how finely a volume can be given, in all pairs.
const VolumeDecimals = 8

// FeeRate is what a trade costs, as part of what was paid. It is Kraken's lowest tier's for an order that rested, for all
// orders of these accounts do.
const FeeRate = 0.0025

// FindAsset returns the asset with a code, which is one of [Assets].
func FindAsset(code string) Asset {
	return Assets[slices.IndexFunc(Assets, func(asset Asset) bool { return asset.Code == code })]
}

// FindPair returns the pair that matches. The error is a [Refusal].
func FindPair(match func(Pair) bool) (Pair, error) {
	i := slices.IndexFunc(Pairs, match)
	if i < 0 {
		return Pair{}, UnknownPair
	}
	return Pairs[i], nil
}
