package account

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// This file has the storage of the model test.

// modelStorage is a storage that can have troubles, and freezes when its process crashes.
type modelStorage struct {
	*logical.InmemStorage
	mu      sync.Mutex
	now     storageTrouble
	crashed bool
}

// storageTrouble is what a storage may have.
type storageTrouble struct {
	until time.Time
	err   error
	after bool // the error comes when all is done
	delay time.Duration
	lands bool // it is done although its context ends meanwhile, as raft's writes are
}

func (s *modelStorage) trouble(trouble storageTrouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = trouble
}

func (s *modelStorage) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashed = true
}

// thaw is the storage as the next process finds it.
func (s *modelStorage) thaw() *modelStorage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &modelStorage{InmemStorage: s.InmemStorage, now: s.now}
}

// use does something with the storage, as far as its troubles allow.
func (s *modelStorage) use(ctx context.Context, do func() error) error {
	s.mu.Lock()
	trouble := s.now
	s.mu.Unlock()
	if !time.Now().Before(trouble.until) {
		trouble = storageTrouble{}
	}
	if trouble.err != nil && !trouble.after {
		return trouble.err
	}
	var late error
	if trouble.delay > 0 {
		late = pause(ctx, trouble.delay)
	}
	if late != nil && !trouble.lands {
		return late
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return errors.New("this process has crashed")
	}
	return errors.Join(do(), trouble.err, late)
}

func (s *modelStorage) Get(ctx context.Context, key string) (entry *logical.StorageEntry, err error) {
	err = s.use(ctx, func() (err error) {
		entry, err = s.InmemStorage.Get(ctx, key)
		return err
	})
	return entry, err
}

func (s *modelStorage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	return s.use(ctx, func() error { return s.InmemStorage.Put(context.WithoutCancel(ctx), entry) })
}

func (s *modelStorage) Delete(ctx context.Context, key string) error {
	return s.use(ctx, func() error { return s.InmemStorage.Delete(context.WithoutCancel(ctx), key) })
}
