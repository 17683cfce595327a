package control

import (
	"errors"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

type fillRequest struct {
	OrderID  string  `json:"order_id"`
	Quantity float64 `json:"quantity"`
	Price    float64 `json:"price"`
}

func fill(s *krakensim.Server, request fillRequest) error {
	if request.OrderID == "" {
		return errors.New("order_id is required")
	}
	return s.Fill(request.OrderID, request.Quantity, request.Price)
}
