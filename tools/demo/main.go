//go:build unix

// Command demo shows the main job end to end, on a Vault dev server and a simulated Kraken: an operator stores a key pair,
// an application reads a token and opens Kraken's private feed with it. The Makefile builds and runs it.
//
//	demo demo                  tell and do it, step by step
//	demo dev                   set it up to play with, until Ctrl-C
//	demo picture               the part of it that docs/demo.svg shows
//	demo vault [MODULE_DIR]    print the path of a Vault binary; scripts/vault says more
//
// It works in the directory of this repository. However it ends, nothing of it is left: no process, no file.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is the program; it returns the exit code: 2 for bad arguments, 1 for what went wrong, 128 and the signal's number as
// a shell does.
func run(args []string) int {
	// A reader of the output who goes away (make demo | head) is SIGPIPE. A terminal that is closed is SIGHUP.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		received := <-signals // any others come too late to matter, and don't end what tidies up
		cancel(interrupt{received.(syscall.Signal)})
	}()

	err := dispatch(ctx, args)
	var end interrupt
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "usage: demo demo|dev|picture|vault [MODULE_DIR]")
		return 2
	case errors.As(context.Cause(ctx), &end): // what else went wrong did so because of it
		return 128 + int(end.signal)
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
}

var errUsage = errors.New("bad arguments")

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch command := args[0]; {
	case command == "vault" && len(args) <= 2:
		path, err := findVault(ctx, args[1:]...)
		if err == nil {
			fmt.Println(path)
		}
		return err
	case command == "demo" && len(args) == 1:
		return demo(ctx)
	case command == "dev" && len(args) == 1:
		return dev(ctx)
	case command == "picture" && len(args) == 1:
		return picture(ctx)
	default:
		return errUsage
	}
}

// interrupt is a signal that ends the program.
type interrupt struct{ signal syscall.Signal }

func (i interrupt) Error() string { return i.signal.String() }
