package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/control"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

const usage = `Usage: kraken-sim [flags]

kraken-sim is a simulated Kraken with one API key and a paper account. It serves
REST under /0/, WebSocket v1 at / and v2 at /v2, until it gets SIGINT or
SIGTERM. The first line it prints is a JSON object that says where: rest_url,
ws_url, ws_v2_url, control_url. What it knows, and what it isn't, stands in
docs/simulator.md.

Without flags it listens on a free port of 127.0.0.1, and knows the key pair

  api-key     ` + krakensim.ExampleAPIKey + `
  api-secret  ` + krakensim.ExampleAPISecret + `

It can be commanded while it runs, by whoever can reach the listener. Below, URL
is its control_url; with -tls-ca FILE, curl needs --cacert FILE.

` + control.Usage + `
Flags:
`

// parse reads the flags. What is wrong with them is told by the error alone; the usage text goes to help for -help.
func parse(args []string, help io.Writer) (options krakensim.Options, caFile string, err error) {
	flags := flag.NewFlagSet("kraken-sim", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	options.Control = control.Handler
	flags.StringVar(&options.Addr, "listen", "127.0.0.1:0", "`address` to listen on; port 0 is any free one")
	flags.StringVar(&caFile, "tls-ca", "", "serve https and wss; this `file` has the CA's certificate, FILE.key its\n"+
		"private key; both are made if there is neither, and used again then")

	key := krakensim.Key{}
	flags.StringVar(&key.APIKey, "api-key", krakensim.ExampleAPIKey, "public `key` (default the one above)")
	flags.StringVar(&key.APISecret, "api-secret", krakensim.ExampleAPISecret,
		"private `key`, base64; never a real one, for flags can be seen by\nothers on this machine (default the one above)")
	flags.StringVar(&key.Name, "api-key-name", "kraken-sim", "the key's `name`")
	defaults := strings.Join(permission.Default(), ",")
	permissions := flags.String("permissions", defaults, "the key's `permissions`, comma-separated (default\n"+
		strings.Replace(defaults, ",close-trades", ",\nclose-trades", 1)+")")
	flags.Func("valid-until", "`time` at which the key expires, such as 2026-12-31T23:59:59Z\n(default never)", func(text string) (err error) {
		key.ValidUntil, err = time.Parse(time.RFC3339, text)
		return err
	})
	flags.StringVar(&key.OTPPassword, "otp-password", "", "the key's second factor, a fixed `password`")
	flags.StringVar(&key.TOTPSecret, "totp-secret", "", "the key's second factor, an authenticator's base32 `seed`")
	flags.BoolVar(&key.SingleUseCodes, "single-use-codes", false, "take each of the authenticator's codes once")
	tier := flags.String("tier", "none", "call counter's `tier`: starter, intermediate, pro or none")
	flags.DurationVar(&key.DecayStep, "decay-step", krakensim.DefaultDecayStep, "`time` for which the call counter stands still before it decays; 1ns: it\n"+
		"decays continuously")
	infoCase := flags.String("api-key-info-case", "snake", "`case` of GetApiKeyInfo's field names: snake, as Kraken most likely has\n"+
		"them, or camel, as its page has them")

	lockout := &options.Lockout
	scope := flags.String("lockout", string(krakensim.LockoutAddress), "`scope` of the lockout that repeated refusals lead to: address (the\nclient's), key or off")
	flags.IntVar(&lockout.After, "lockout-after", krakensim.DefaultLockoutAfter, "`number` of refusals within 5 minutes that lock out")
	flags.DurationVar(&lockout.For, "lockout-for", krakensim.DefaultLockoutFor, "`time` since the last call after which a lockout ends")

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(help, usage)
			for _, long := range []string{"api-key", "api-secret", "permissions"} {
				flags.Lookup(long).DefValue = "" // it is in the text
			}
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return options, "", err
	}
	if flags.NArg() > 0 {
		return options, "", fmt.Errorf("unexpected argument %q: everything is a flag", flags.Arg(0))
	}
	options.TLS = caFile != ""
	key.Tier, lockout.Scope = krakensim.Tier(*tier), krakensim.LockoutScope(*scope)
	key.Permissions = []string{} // an empty flag is no permissions, not the default ones
	if *permissions != "" {
		key.Permissions = strings.Split(*permissions, ",")
	}
	switch *infoCase {
	case "snake":
	case "camel":
		key.CamelCase = true
	default:
		return options, "", fmt.Errorf("-api-key-info-case %q: want snake or camel", *infoCase)
	}
	if key.DecayStep <= 0 || lockout.After <= 0 || lockout.For <= 0 {
		return options, "", errors.New("-decay-step, -lockout-after and -lockout-for have to be more than 0")
	}
	options.Keys = []krakensim.Key{key}
	return options, caFile, errors.Join(key.Validate(), lockout.Validate())
}
