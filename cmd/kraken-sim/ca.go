package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/ca"
)

// keptCA is the CA whose certificate is in a file, and whose private key is beside it. Where there is neither it makes
// one, so that clients that trusted it go on to do so when the simulator is started again. Nothing is overwritten: the
// error says what to remove.
func keptCA(file string) (*ca.CA, error) {
	keyFile := file + ".key"
	certificate, err := os.ReadFile(file)
	key, keyErr := os.ReadFile(keyFile)
	isThere, keyIsThere := !errors.Is(err, fs.ErrNotExist), !errors.Is(keyErr, fs.ErrNotExist)
	switch {
	case !isThere && !keyIsThere:
		return makeCA(file, keyFile)
	case !isThere:
		return nil, half(keyFile, file)
	case !keyIsThere:
		return nil, half(file, keyFile)
	}
	if err := errors.Join(err, keyErr); err != nil {
		return nil, err
	}
	kept, err := ca.Parse(string(certificate), string(key))
	if err != nil {
		return nil, fmt.Errorf("the CA in %s and %s: %w; remove both to have another made", file, keyFile, err)
	}
	return kept, nil
}

func half(there, missing string) error {
	return fmt.Errorf("%s is there, but not %s, the other half of the CA: put it there, or remove %[1]s to have another CA made",
		there, filepath.Base(missing))
}

// makeCA makes a CA and keeps it.
func makeCA(file, keyFile string) (*ca.CA, error) {
	made, err := ca.New()
	if err != nil {
		return nil, err
	}
	if err := create(keyFile, made.KeyPEM(), 0o600); err != nil {
		return nil, err
	}
	if err := create(file, made.CertificatePEM(), 0o644); err != nil { // public, to be trusted
		_ = os.Remove(keyFile) // half a CA would stand in the way
		return nil, err
	}
	return made, nil
}

// create writes a file that isn't there yet, whole or not at all: another simulator may have made it meanwhile.
func create(file, text string, mode os.FileMode) error {
	created, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = created.WriteString(text)
	if err = errors.Join(err, created.Close()); err != nil {
		_ = os.Remove(file)
	}
	return err
}
