package control

import (
	"errors"
	"fmt"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

type faultRequest struct {
	krakensim.Fault
	Latency string `json:"latency"`
}

func misbehave(s *krakensim.Server, request faultRequest) error {
	fault := request.Fault
	var err error
	if fault.Latency, err = duration("latency", request.Latency); err != nil {
		return err
	}
	if status := fault.Status; status != 0 && (status < 200 || status > 599) {
		return fmt.Errorf("status: %d isn't an HTTP status from 200 to 599", status)
	}
	if fault.Times < 0 || fault.Oversize < 0 {
		return errors.New("times and oversize can't be negative")
	}
	s.Misbehave(fault)
	return nil
}
