package control

import (
	"errors"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

type nonceRequest struct {
	APIKey string  `json:"api_key"`
	Nonce  *uint64 `json:"nonce"`
}

func setNonce(s *krakensim.Server, request nonceRequest) error {
	if request.APIKey == "" || request.Nonce == nil {
		return errors.New("api_key and nonce are required")
	}
	s.SetLastNonce(request.APIKey, *request.Nonce)
	return nil
}

type keyRequest struct {
	krakensim.Key
	DecayStep string `json:"decay_step"`
}

func setKey(s *krakensim.Server, request keyRequest) error {
	key := request.Key
	var err error
	if key.DecayStep, err = duration("decay_step", request.DecayStep); err != nil {
		return err
	}
	if err := key.Validate(); err != nil {
		return err
	}
	s.SetKey(key)
	return nil
}

type removeKeyRequest struct {
	APIKey string `json:"api_key"`
}

func removeKey(s *krakensim.Server, request removeKeyRequest) error {
	if request.APIKey == "" {
		return errors.New("api_key is required")
	}
	if !s.RemoveKey(request.APIKey) {
		return errors.New("there is no such key")
	}
	return nil
}
