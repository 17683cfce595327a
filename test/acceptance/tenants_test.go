package acceptance

import (
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// TestAMountWhoseOptionIsWrongComesUp: the mount's option was given a value that is none, and Vault is unsealed before anybody notices. The mount comes up all the
// same, says what is wrong, and is mended by tune and a reload, as docs/tenants.md has it.
func TestAMountWhoseOptionIsWrongComesUp(t *testing.T) {
	c := startCluster(t, setup{storage: inMemory})
	c.enable(t)
	c.configure(t, "", nil)
	s := c.leader(t)
	s.run(t, "secrets", "tune", "-options=allowed_api_urls=kraken.com", "kraken")
	require.NoError(t, s.client.Sys().Seal())
	s.unseal(t, c.unsealKey)

	var refused *api.ResponseError
	waitUntil(t, "the mount answers", func() error {
		_, err := s.client.Logical().Read("kraken/ws-token")
		require.ErrorAs(t, err, &refused)
		if refused.StatusCode == 400 {
			return nil
		}
		return err // a 503 while the unsealing isn't over
	})
	require.Contains(t, refused.Error(), `the mount's option is wrong, so Kraken is asked nothing: allowed_api_urls: "kraken.com" is not a URL with a host`)
	read, err := s.client.Logical().Read("kraken/config")
	require.NoError(t, err)
	require.Contains(t, read.Warnings[0], `"kraken.com" is not a URL with a host`)

	s.run(t, "secrets", "tune", allowedURLs, "kraken")
	s.run(t, "write", "sys/plugins/reload/backend", "mounts=kraken")
	_, err = s.client.Logical().Read("kraken/ws-token")
	require.NoError(t, err)
	s.run(t, "write", "kraken/config", "cache_ttl=5m")
	c.configs = nil // that was changed
	c.assertIntact(t, 0)
}
