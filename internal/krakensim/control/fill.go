package control

import (
	"errors"
	"fmt"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

type fillRequest struct {
	OrderID  string   `json:"order_id"`
	Quantity *float64 `json:"quantity"`
	Price    *float64 `json:"price"`
}

func fill(s *krakensim.Server, request fillRequest) error {
	if request.OrderID == "" {
		return errors.New("order_id is required")
	}
	quantity, err := more("quantity", request.Quantity)
	if err != nil {
		return err
	}
	price, err := more("price", request.Price)
	if err != nil {
		return err
	}
	return s.Fill(request.OrderID, quantity, price)
}

// more is a number that has to be more than 0, for that is all there is, and stands for a number that isn't there.
func more(name string, number *float64) (float64, error) {
	switch {
	case number == nil:
		return 0, nil
	case *number <= 0:
		return 0, fmt.Errorf("%s: want more than 0", name)
	}
	return *number, nil
}
