package account

import (
	"strings"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/stretchr/testify/require"
)

// TestStorageCalls says what each request asks of Vault's storage: each is one more round trip to Vault. The account "" has the first pair and runs, "new" isn't configured.
func TestStorageCalls(t *testing.T) {
	exists := func(name string) func(m *mount) error {
		return func(m *mount) error {
			_, err := m.Exists(m.t.Context(), m.storage, name)
			return err
		}
	}
	write := func(name string, given fields) func(m *mount) error {
		return func(m *mount) error { return m.write(name, given) }
	}
	restarted := func(do func(m *mount) error) func(m *mount) error {
		return func(m *mount) error {
			m.Close()
			m.start(time.Now)
			return do(m)
		}
	}
	read := func(m *mount) error {
		_, err := m.read("")
		return err
	}
	for name, test := range map[string]struct {
		do    func(m *mount) error
		calls string
	}{
		"whether an account exists":                 {exists("new"), "get config/new"},
		"whether one exists that runs":              {exists(""), ""},
		"a first write":                             {write("new", pair(second, unproved)), "get config/new, get nonce/second, put nonce/second, put config/new"},
		"a first write, proved":                     {write("new", pair(second)), "get config/new, get nonce/second, put nonce/second, put config/new"},
		"another field":                             {write("", fields{FieldTier: "pro"}), "get config, put config"},
		"another field, when the account isn't run": {restarted(write("", fields{FieldTier: "pro"})), "get config, get nonce/first, put config"},
		"nothing new":                               {write("", fields{FieldTier: "none"}), "get config"},
		"the key of another account": {func(m *mount) error {
			require.Error(m.t, m.write("new", pair(first)))
			return nil
		}, "get config/new, get config"},
		"a rotation": {
			write("", pair(second, unproved)),
			"get config, get nonce/second, put nonce/second, put config" + ", get config, get nonce/first", // to see whether the old key's record is worth anything
		},
		"a delete":                {func(m *mount) error { return m.delete("") }, "get config, delete config, get config, get nonce/first"},
		"a cached read":           {read, ""},
		"a read that isn't":       {func(m *mount) error { _, err := m.Mint(m.t.Context(), m.storage, ""); return err }, ""},
		"the first read of a run": {restarted(read), "get config, get nonce/first, put nonce/first"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				require.NoError(t, m.write("", pair(first, fields{FieldCacheTTL: "5m"})))
				m.mustRead("")
				m.storage.takeUsed()
				require.NoError(t, test.do(m))
				used := strings.NewReplacer(keeper.ID(first.APIKey), "first", keeper.ID(second.APIKey), "second").Replace(strings.Join(m.storage.takeUsed(), ", "))
				require.Equal(t, test.calls, used)
			})
		})
	}
}
