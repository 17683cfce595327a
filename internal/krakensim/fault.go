package krakensim

import "github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/fault"

// A Fault is one way to misbehave, for a number of REST requests.
type Fault = fault.Fault

// Misbehave appends faults to the queue. A request gets the first fault in the queue whose Path it matches; once that
// has served its Times, the next one has its turn.
func (x *Exchange) Misbehave(faults ...Fault) { x.faults.Misbehave(faults...) }

// Behave forgets all faults, lets hanging and delayed requests go on, and closes connections that are swallowed.
func (x *Exchange) Behave() { x.faults.Behave() }
