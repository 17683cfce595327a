package paper

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Request is an order that somebody wants to place.
type Request struct {
	Pair        Pair
	Side        string  // buy or sell
	Type        string  // market or limit
	Quantity    float64 // of the pair's base
	Price       float64 // a limit order's, in the pair's quote
	PostOnly    bool
	TimeInForce string // "" or GTC: it rests until it is canceled; IOC: it doesn't rest at all
	ClientID    string // cl_ord_id; "" for none
	Userref     int64  // 0 for none

	// What is refused, for no account has a position or can borrow.
	Margin     bool
	ReduceOnly bool
}

// Status is what has become of an order.
type Status string

// The states of an order.
const (
	Open     Status = "open"
	Filled   Status = "filled"
	Canceled Status = "canceled"
)

// Order is an order that was placed.
type Order struct {
	Request
	ID     string
	Opened time.Time

	Status   Status
	Executed float64 // of Quantity
	Cost     float64 // of what was executed, without Fee
	Fee      float64 // in the pair's quote
	exact    float64 // Cost before it was rounded
	Trades   []string
	Amended  bool      // since it was placed
	Closed   time.Time // zero while it is open
	Reason   string    // why it was canceled
}

// AveragePrice is what was paid for a unit; 0 if nothing was executed.
func (o Order) AveragePrice() float64 {
	if o.Executed == 0 {
		return 0
	}
	return round(o.Cost/o.Executed, o.Pair.CostDecimals)
}

// Rest is what can still be executed.
func (o Order) Rest() float64 { return round(o.Quantity-o.Executed, VolumeDecimals) }

// Describe is the sentence in which Kraken repeats an order, with the name that the pair has there.
func (r Request) Describe(pair string) string {
	text := fmt.Sprintf("%s %.8f %s @ %s", r.Side, r.Quantity, pair, r.Type)
	if r.Type == "market" {
		return text
	}
	return text + " " + strconv.FormatFloat(r.Price, 'f', r.Pair.Decimals, 64)
}

// normalized is the request as its order has it: with no more decimals than a volume has, no price at market, and how long it
// rests.
func (r Request) normalized() Request {
	r.Quantity = round(r.Quantity, VolumeDecimals)
	if r.Type == "market" {
		r.Price = 0
	}
	r.TimeInForce = cmp.Or(r.TimeInForce, "GTC")
	return r
}

// Validate returns the [Refusal] for an order that no account could place; nil if there is nothing wrong with it in itself.
func (r Request) Validate() error {
	r = r.normalized()
	switch {
	case r.Side != "buy" && r.Side != "sell":
		return Invalid("type")
	case r.Type != "market" && r.Type != "limit":
		return Invalid("ordertype")
	case r.TimeInForce != "GTC" && r.TimeInForce != "IOC":
		return Invalid("timeinforce")
	case r.ClientID != "" && !clientIDForm.MatchString(r.ClientID):
		return Invalid("cl_ord_id")
	case r.Userref != int64(int32(r.Userref)): // docs.kraken.com, "Add Order": int32
		return Invalid("userref")
	case r.ClientID != "" && r.Userref != 0: // an order has one of both
		return InvalidArguments
	case r.Margin:
		return Refusal("EOrder:Cannot open position")
	case r.ReduceOnly:
		return Refusal("EOrder:Reduce only:No position exists")
	case r.PostOnly && (r.Type == "market" || r.TimeInForce == "IOC"): // which take, or nothing
		return Invalid("post_only")
	case !possible(r.Quantity):
		return Invalid("volume")
	case r.Type == "limit" && !possible(r.Price):
		return Invalid("price")
	case r.Type == "limit" && r.Price != round(r.Price, r.Pair.Decimals):
		return Refusal(fmt.Sprintf("EOrder:Invalid price:%s price can only be specified up to %d decimals.",
			r.Pair.Altname, r.Pair.Decimals))
	case r.Quantity < r.Pair.MinVolume:
		return Refusal("EGeneral:Invalid arguments:volume minimum not met")
	case r.Type == "limit" && r.Quantity*r.Price < r.Pair.MinCost:
		return Refusal("EOrder:Cost minimum not met")
	}
	return nil
}

// clientIDForm is a UUID with or without its dashes, or up to 18 characters of text (docs.kraken.com, "Add Order").
var clientIDForm = regexp.MustCompile(`^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[ -~]{1,18})$`)

// idForm is what an order's id looks like.
var idForm = regexp.MustCompile(`^O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}$`)

// maxAmount bounds volumes and prices, so that no sum of them is more than a number can be.
const maxAmount = 1e9

func possible(v float64) bool { return v > 0 && v <= maxAmount }

// round gives back the number with so many decimals that is nearest, so that sums of amounts stay amounts.
func round(v float64, decimals int) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', decimals, 64), 64)
	if rounded == 0 {
		return 0 // and not -0, which is written so
	}
	return rounded
}

// newID makes an id of the shape of Kraken's: for orders (O) OXXXXX-XXXXX-XXXXXX, for trades (T) and ledger entries (L)
// alike.
func newID(kind string) string {
	text := strings.ToUpper(rand.Text()) // 26 characters of base32
	return kind + text[:5] + "-" + text[5:10] + "-" + text[10:16]
}
