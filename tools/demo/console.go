//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
)

// console is where the demo tells what it does.
type console struct {
	io.Writer
	bold, green, plain string // "" where there is no colour
}

// newConsole writes to a terminal, or to a file, which is better without colour.
func newConsole(writer io.Writer, colour bool) console {
	if !colour {
		return console{Writer: writer}
	}
	return console{writer, "\x1b[1m", "\x1b[32m", "\x1b[0m"}
}

// stdout is with colour on a terminal, unless the user wants none: https://no-color.org.
func stdout() console {
	return newConsole(os.Stdout, isTerminal(os.Stdout) && os.Getenv("NO_COLOR") == "")
}

// isTerminal tells whether a file is a terminal, or something like it.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// step says what comes next.
func (c console) step(text string) { fmt.Fprintf(c, "\n%s%s%s\n", c.bold, text, c.plain) }

// command shows a command, as it can be copied.
func (c console) command(text string) { fmt.Fprintf(c, "%s$ %s%s\n", c.green, text, c.plain) }

func (c console) print(text string) { fmt.Fprint(c, text) }

var (
	certificate = regexp.MustCompile(`(?s)(-----BEGIN CERTIFICATE-----).*-----END CERTIFICATE-----`)
	tokenField  = regexp.MustCompile(`(?m)^( *token +)(\S{6})\S{10,}`)
	tokenJSON   = regexp.MustCompile(`("token": ?")([^"]{6})[^"]{10,}`)
)

// shorten leaves the first line of a certificate in what a command has printed, and the beginning of a token.
func shorten(printed string) string {
	printed = certificate.ReplaceAllString(printed, "$1 ...")
	printed = tokenField.ReplaceAllString(printed, "$1$2...")
	return tokenJSON.ReplaceAllString(printed, "$1$2...")
}
