//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// dev sets everything up, and tells how to play with it until Ctrl-C.
func dev(ctx context.Context) error {
	return onStage(ctx, stdout(), func(s *stage) error {
		if err := s.play(ctx, s.operator()...); err != nil {
			return err
		}
		s.invite()
		return s.awaitEnd(ctx)
	})
}

// invite tells what can be tried in another terminal.
func (s *stage) invite() {
	s.step("Everything is up. In another terminal, be the operator:")
	fmt.Fprintf(s, `  cd %[1]s
  export PATH=%[4]s:$PATH VAULT_ADDR=%[2]s VAULT_TOKEN=%[3]s
  vault read kraken/config
  vault read kraken/ws-token
  vault write kraken/config cache_ttl=5m
  vault path-help kraken
`, quoted(s.dir), s.vault.Address, s.vault.Token, quoted(s.file("bin")))
	s.step("Or the application:")
	fmt.Fprintf(s, "  %s\n  %s\n", logIn, s.subscribe())
	if s.kraken != nil {
		s.step("Let Kraken misbehave, and behave again (kraken-sim -help tells what else it can do):")
		fmt.Fprintf(s, `  curl --cacert kraken-ca.pem -d '{"errors": ["EService:Unavailable"]}' %[1]smisbehave
  curl --cacert kraken-ca.pem -X POST %[1]sbehave
`, s.kraken.ControlURL)
	}
	s.step("See what Vault and the plugin log, at trace level:")
	fmt.Fprintf(s, "  tail -f %s\n", quoted(s.file("vault.log")))
	s.step("Ctrl-C stops and removes everything.")
}

// awaitEnd waits for Ctrl-C, which is the way to end it, or for a server that ends by itself.
func (s *stage) awaitEnd(ctx context.Context) error {
	var krakenEnded <-chan struct{}
	if s.kraken != nil {
		krakenEnded = s.kraken.Ended()
	}
	select {
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), interrupt{syscall.SIGINT}) {
			return nil
		}
		return ctx.Err()
	case <-s.vault.Ended():
		return fmt.Errorf("vault has ended: %s", s.logTail("vault.log"))
	case <-krakenEnded:
		return fmt.Errorf("the simulator has ended: %s", s.logTail("kraken.log"))
	}
}
