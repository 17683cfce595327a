package feed

import "github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"

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

// number is nil if the field isn't there.
func (f *v1Fields) number(name string) *float64 {
	if f.params[name] == nil {
		return nil
	}
	number, err := paper.ParseNumber(name, f.text(name))
	f.refuse(err)
	return &number
}

// userref is nil if the field isn't there.
func (f *v1Fields) userref(name string) *int64 {
	if f.params[name] == nil {
		return nil
	}
	userref, err := paper.ParseInteger(name, f.text(name))
	f.refuse(err)
	return &userref
}

// postOnly is what the order flags say of it; nil if there are none.
func (f *v1Fields) postOnly() *bool {
	if f.params["oflags"] == nil {
		return nil
	}
	postOnly, err := paper.ParseFlags(f.text("oflags"))
	f.refuse(err)
	return &postOnly
}

// or is what a pointer points at.
func or[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}
