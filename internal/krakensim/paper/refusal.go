package paper

// A Refusal is why something can't be done, in Kraken's words: its error string.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// What more than one operation refuses.
const (
	InvalidArguments Refusal = "EGeneral:Invalid arguments" // that don't go together
	PermissionDenied Refusal = "EGeneral:Permission denied"
	UnknownAsset     Refusal = "EQuery:Unknown asset"
	UnknownPair      Refusal = "EQuery:Unknown asset pair"
	UnknownOrder     Refusal = "EOrder:Unknown order"
	InvalidOrder     Refusal = "EOrder:Invalid order" // not even an order's id
)

// Invalid is how Kraken refuses the value of a field that it knows.
func Invalid(field string) Refusal { return InvalidArguments + Refusal(":"+field) }
