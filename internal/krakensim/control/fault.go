package control

import (
	"errors"

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
	if err := fault.Validate(); err != nil {
		return err
	}
	if fault.Times == 0 && fault.Idle() {
		return errors.New("the fault does nothing, and keeps later ones from their turn")
	}
	s.Misbehave(fault)
	return nil
}
