package krakensim

import (
	"slices"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

func (q query) text(name string) string { return q.fields.Get(name) }

// flag is a field's boolean, in JavaScript's writing or Python's (True); false if it isn't there.
func (q query) flag(name string) (bool, error) {
	switch strings.ToLower(q.text(name)) {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, paper.Invalid(name)
}

// number is a field's volume, price or time; 0 if it isn't there.
func (q query) number(name string) (float64, error) {
	text := q.text(name)
	if text == "" {
		return 0, nil
	}
	return paper.ParseNumber(name, text)
}

// optional is as number, but nil if it isn't there.
func (q query) optional(name string) (*float64, error) {
	if q.text(name) == "" {
		return nil, nil
	}
	number, err := q.number(name)
	return &number, err
}

// integer is a field's 32-bit integer; 0 if it isn't there.
func (q query) integer(name string) (int64, error) {
	text := q.text(name)
	if text == "" {
		return 0, nil
	}
	return paper.ParseInteger(name, text)
}

// pairNames are the names of a market that REST takes.
func pairNames(p paper.Pair) []string { return []string{p.ID, p.Altname, p.WSName} }

// assetNames are the names of an asset that REST takes.
func assetNames(a paper.Asset) []string { return []string{a.ID, a.Altname} }

// pair is a field's market.
func (q query) pair() (paper.Pair, error) {
	return paper.FindPair(func(pair paper.Pair) bool { return slices.Contains(pairNames(pair), q.text("pair")) })
}

// foreign is a field of Kraken's that the paper account has nothing for.
type foreign struct {
	name string
	only []string // values that ask for nothing, which many clients send with every order
}

func (q query) refuseForeign(fields []foreign) error {
	for _, field := range fields {
		if text := strings.ToLower(q.text(field.name)); text != "" && !slices.Contains(field.only, text) {
			return paper.Invalid(field.name)
		}
	}
	return nil
}

// deadline refuses a request that comes too late, or whose deadline isn't 2 to 60 seconds ahead (docs.kraken.com, "Add Order").
func (q query) deadline() error { return paper.CheckDeadline(q.text("deadline"), 2*time.Second, q.now) }
