package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/servers"
)

// simulator is a Kraken. It is a process of its own, so that its memory and garbage collection aren't the driver's.
type simulator struct {
	*servers.Kraken
	caPEM  string // "" without TLS
	caFile string
	client *http.Client // for the control paths
}

// startSimulator starts a simulated Kraken with its files in dir under that name, with TLS if wanted.
func startSimulator(ctx context.Context, binary, dir, name string, tls bool) (*simulator, error) {
	s := &simulator{}
	var flags []string
	if tls {
		s.caFile = filepath.Join(dir, name+"-ca.pem")
		flags = append(flags, "-tls-ca", s.caFile)
	}
	var err error
	if s.Kraken, err = servers.StartKraken(ctx, binary, filepath.Join(dir, name+".log"), flags...); err != nil {
		return nil, err
	}
	if tls {
		var pem []byte
		pem, err = os.ReadFile(s.caFile)
		s.caPEM = string(pem)
	}
	if err == nil {
		s.client, err = newClient(s.caPEM, 8)
	}
	if err != nil {
		_ = s.Terminate(stopTimeout)
		return nil, err
	}
	return s, nil
}

// addKeys tells Kraken of key pairs.
func (s *simulator) addKeys(ctx context.Context, pairs ...keyPair) error {
	for _, pair := range pairs {
		if err := s.control(ctx, http.MethodPut, "key", pair, nil); err != nil {
			return err
		}
	}
	return nil
}

// calls counts the calls of a key since the last forgetCalls.
func (s *simulator) calls(ctx context.Context, apiKey string) (count int, err error) {
	var calls []struct {
		APIKey string `json:"api_key"`
	}
	if err := s.control(ctx, http.MethodGet, "calls", nil, &calls); err != nil {
		return 0, err
	}
	for _, call := range calls {
		if call.APIKey == apiKey {
			count++
		}
	}
	return count, nil
}

func (s *simulator) forgetCalls(ctx context.Context) error {
	return s.control(ctx, http.MethodDelete, "calls", nil, nil)
}

// closeConnections closes the connections that are idle, as Kraken does after a while.
func (s *simulator) closeConnections(ctx context.Context) error {
	return s.control(ctx, http.MethodPost, "close-connections", nil, nil)
}

func (s *simulator) control(ctx context.Context, method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.ControlURL+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("simulator: %s %s: %s", method, path, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
