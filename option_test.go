package krakensecrets

import (
	"context"
	"net/http"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/stretchr/testify/require"
)

// unsealing is a storage as Vault hands it out while it mounts and unseals: nobody may write.
type unsealing struct{ logical.Storage }

func (unsealing) Put(context.Context, *logical.StorageEntry) error { return logical.ErrSetupReadOnly }
func (unsealing) Delete(context.Context, string) error             { return logical.ErrSetupReadOnly }

// TestAMountWhoseOptionIsWrong is not made, and not reloaded. But if it is there and Vault is unsealed, it comes up, says so, and sends nothing.
func TestAMountWhoseOptionIsWrong(t *testing.T) {
	const wrong = `allowed_api_urls: "kraken.com" is not a URL with a host`
	e := newEngine(t)
	mount := func(storage logical.Storage) (*backend, error) {
		conf := logical.TestBackendConfig()
		conf.StorageView = storage
		conf.Config = map[string]string{account.OptionAllowedURLs: "kraken.com"}
		return newBackend(t.Context(), conf, e.options)
	}
	_, err := mount(unsealing{e.storage})
	require.ErrorContains(t, err, wrong, "a new mount")

	e.configure("", nil)
	e.sim.ForgetCalls()
	before := e.stored()
	_, err = mount(e.storage)
	require.ErrorContains(t, err, wrong, "a reload")
	require.Equal(t, before, e.stored())

	b, err := mount(unsealing{e.storage})
	require.NoError(t, err)
	t.Cleanup(func() { b.Cleanup(context.Background()) })
	e.backend = b
	for _, path := range []string{"ws-token", "key-info"} {
		_, err = e.read(path)
		requireCode(t, http.StatusBadRequest, err)
		require.ErrorContains(t, err, "the mount's option is wrong, so Kraken is asked nothing: "+wrong)
		require.ErrorContains(t, err, "vault secrets tune -options=allowed_api_urls=URL,URL kraken")
	}
	response, err := e.read("config")
	require.NoError(t, err)
	require.Len(t, response.Warnings, 1)
	require.Contains(t, response.Warnings[0], wrong)
	require.NoError(t, e.writeOnly("config", map[string]any{account.FieldDisabled: true}), "Vault lets it write by now")
	requireCode(t, http.StatusBadRequest, e.writeOnly("config", e.pair(map[string]any{account.FieldVerify: false, account.FieldAPIURL: "https://api.kraken.com"})))
	require.NoError(t, e.delete("config"))
	require.Zero(t, e.calls())
}
