package control

import (
	"errors"
	"reflect"

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
	if fault.Times == 0 && idle(fault) {
		return errors.New("the fault does nothing, and keeps later ones from their turn")
	}
	s.Misbehave(fault)
	return nil
}

// idle reports whether requests that meet the fault are answered as if there were none.
func idle(fault krakensim.Fault) bool {
	fault.Path, fault.Process = "", false
	if len(fault.Errors) == 0 {
		fault.Errors = nil
	}
	if len(fault.Header) == 0 {
		fault.Header = nil
	}
	return reflect.DeepEqual(fault, krakensim.Fault{})
}
