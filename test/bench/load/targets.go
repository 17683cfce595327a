package main

import (
	"fmt"
	"math"
	"strconv"
)

// kind is how a figure is written.
type kind int

const (
	ratio kind = iota
	count
	mebibytes
	roundTrips
)

func (k kind) format(value float64) string {
	switch k {
	case count:
		return fmt.Sprintf("%.0f", value)
	case mebibytes:
		return fmt.Sprintf("%.1f MiB", value)
	case roundTrips:
		return fmt.Sprintf("%.2f", value)
	default:
		return fmt.Sprintf("%.3f", value)
	}
}

// target is a row of the table: what is measured, and what it must reach.
type target struct {
	id      string
	about   string
	kind    kind
	atLeast float64 // 0: no such bound
	atMost  float64 // 0: no such bound
}

// targets are all rows, in the table's order; those without a bound are told for comparison.
var targets = []target{
	{id: "floor-1", about: "cached read, throughput over the floor's, 1 reader", atLeast: 0.95},
	{id: "floor-16", about: "the same, 16 readers", atLeast: 0.95},
	{id: "floor-64", about: "the same, 64 readers", atLeast: 0.95},
	{id: "constant-1", about: "cached read, throughput over the constant plugin's, 1 reader", atLeast: 1.2},
	{id: "constant-16", about: "the same, 16 readers", atLeast: 1.2},
	{id: "constant-64", about: "the same, 64 readers"},
	{id: "floor-p99", about: "cached read, p99 over the floor's, 16 readers", atMost: 1.1},
	{id: "floor-cost", about: "cached read, processor time of Vault and plugin over the floor's, 16 readers"},
	{id: "constant-cost", about: "cached read, processor time of Vault and plugin over the constant plugin's, 16 readers"},
	{id: "kv-external-16", about: "cached read, throughput over an external KV engine's, 16 readers"},
	{id: "kv-builtin-16", about: "cached read, throughput over the built-in KV engine's, 16 readers"},
	{id: "minted", about: "minted read, 1 reader, p50 over (constant plugin + bare signed call)", atMost: 1.0},
	{id: "minted-least", about: "the same, over the least plugin that makes the call"},
	{id: "minted-40", about: "minted read, 40 ms to a TLS Kraken, p50 over 40 ms", atMost: 1.05},
	{id: "minted-40-least", about: "the same, over the least plugin that makes the call"},
	{id: "seed", about: "Kraken's example program over `curl` reading `ws-token` minted, fresh processes, 40 ms to a TLS Kraken, wall time", atLeast: 3},
	{id: "herd-calls", about: "1,000 readers at once, cold cache: calls to Kraken", kind: count, atLeast: 1, atMost: 1},
	{id: "herd-p99", about: "the same: p99 over the same herd's on the floor", atMost: 1.3},
	{id: "many-p50", about: "10,000 accounts: p50 of a cached read over that with one account", atMost: 1.05},
	{id: "many-memory", about: "10,000 accounts: plugin's resident memory, more than with one account", kind: mebibytes, atMost: 30},
	{id: "writes", about: "10,000 config writes of different accounts, 8 at a time, `verify=false`, time over the same writes to an external KV engine", atMost: 2.2},
	{id: "cold", about: "cold read (Kraken has closed the connection while idle) over a warm one, 40 ms to a TLS Kraken, in round trips more", kind: roundTrips, atMost: 3},
	{id: "cold-race", about: "the same, with the close still under way to the plugin", kind: roundTrips},
	{id: "idle-memory", about: "idle plugin's resident memory over the constant plugin's", atMost: 1.10},
	{id: "binary", about: "stripped binary over the constant plugin's", atMost: 1.10},
	{id: "start", about: "plugin start to first token, over (the constant plugin's first answer + one cold TLS call)", atMost: 1.2},
	{id: "signing-time", about: "signing, time over two SHA-512 HMACs of that length", atMost: 1.5},
	{id: "signing-allocations", about: "signing, allocations", kind: count, atMost: 4},
	{id: "growth-cached-100", about: "growth: time per cached read with 100 keys in use at once over 1", atMost: 1.10},
	{id: "growth-cached-10000", about: "the same, 10,000 keys", atMost: 1.10},
	{id: "growth-minted-100", about: "growth: time per minted read with 100 keys in use at once over 1", atMost: 1.10},
	{id: "growth-minted-10000", about: "the same, 10,000 keys", atMost: 1.10},
}

// bound is what must be reached, in words.
func (t target) bound() string {
	switch {
	case t.atLeast != 0 && t.atLeast == t.atMost:
		return t.exactly(t.atLeast)
	case t.atLeast != 0:
		return "≥ " + t.exactly(t.atLeast)
	case t.atMost != 0:
		return "≤ " + t.exactly(t.atMost)
	default:
		return ""
	}
}

// exactly writes a bound as it was set.
func (t target) exactly(bound float64) string {
	text := strconv.FormatFloat(bound, 'f', -1, 64)
	if t.kind == mebibytes {
		text += " MiB"
	}
	return text
}

// met tells whether a figure is within the bounds. One that isn't a number is not.
func (t target) met(value float64) bool {
	return !math.IsNaN(value) && (t.atLeast == 0 || value >= t.atLeast) && (t.atMost == 0 || value <= t.atMost)
}

// verdict is empty where nothing has to be reached.
func (t target) verdict(value float64) string {
	switch {
	case t.bound() == "":
		return ""
	case t.met(value):
		return "yes"
	default:
		return "**no**"
	}
}
