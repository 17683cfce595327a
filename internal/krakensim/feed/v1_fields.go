package feed

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// v1Fields reads what a request to trade has, value by value. The first that is wrong is its error, a [paper.Refusal].
type v1Fields struct {
	params
	err error
}

// refuse notes what is wrong, if something is, and if nothing was before.
func (f *v1Fields) refuse(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *v1Fields) pair() paper.Pair {
	pair, err := paper.FindPair(func(p paper.Pair) bool { return p.WSName == f.text("pair") })
	f.refuse(err)
	return pair
}

// v1Decimal leaves out the prices relative to the market's that Kraken has ("+2%"): here is no market.
var v1Decimal = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// decimal is nil if the field isn't there.
func (f *v1Fields) decimal(name string) *float64 {
	if f.params[name] == nil {
		return nil
	}
	text := f.text(name)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !v1Decimal.MatchString(text) {
		f.refuse(paper.Invalid(name))
	}
	return &value
}

// userref is nil if the field isn't there.
func (f *v1Fields) userref(name string) *int64 {
	if f.params[name] == nil {
		return nil
	}
	value, err := strconv.ParseInt(f.text(name), 10, 32)
	if err != nil {
		f.refuse(paper.Invalid(name))
	}
	return &value
}

// postOnly is what the order flags say of it; nil if there are none.
func (f *v1Fields) postOnly() *bool {
	if f.params["oflags"] == nil {
		return nil
	}
	post := false
	for _, flag := range strings.Split(f.text("oflags"), ",") {
		switch flag {
		case "", "fciq": // the fee in the quote currency: so it is here always
		case "nompp": // Kraken takes it without effect
		case "post":
			post = true
		default:
			f.refuse(paper.Invalid("oflags"))
		}
	}
	return &post
}

// or is what a pointer points at.
func or[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}
