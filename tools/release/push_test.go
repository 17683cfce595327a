package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPushIsFoundUnderBothTagsForEachPlatform(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	dist := t.TempDir()
	ids := map[string]v1.Hash{}
	for _, arch := range []string{"amd64", "arm64"} {
		written, image := imageOf(t, file{os: "linux", arch: arch}, "the plugin for "+arch)
		require.NoError(t, os.Rename(written, filepath.Join(dist, pluginName+"_v1.2.3_linux_"+arch+".oci.tar")))
		id, err := image.ConfigName()
		require.NoError(t, err)
		ids[arch] = id
	}
	repository := strings.TrimPrefix(server.URL, "http://") + "/org/plugin"

	signed, err := push(dist, repository, "v1.2.3")
	require.NoError(t, err)
	for _, reference := range []string{repository + ":1.2.3", repository + ":v1.2.3", signed} {
		parsed, err := name.ParseReference(reference)
		require.NoError(t, err)
		for arch, id := range ids {
			image, err := remote.Image(parsed, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
			require.NoError(t, err)
			require.NoError(t, validate.Image(image))
			found, err := image.ConfigName()
			require.NoError(t, err)
			assert.Equal(t, id, found, "%s for %s", reference, arch)
		}
	}
	again, err := push(dist, repository, "v1.2.3")
	require.NoError(t, err)
	assert.Equal(t, signed, again)
}

func TestPushSaysWhatIsMissing(t *testing.T) {
	_, err := push(t.TempDir(), "registry.example.com/plugin", "v1.2.3")
	assert.ErrorContains(t, err, "make release makes them")

	dist := t.TempDir()
	written, _ := imageOf(t, file{os: "linux", arch: "amd64"}, "the plugin")
	require.NoError(t, os.Rename(written, filepath.Join(dist, pluginName+"_v1.2.2_linux_amd64.oci.tar")))
	_, err = push(dist, "registry.invalid/plugin", "v1.2.3")
	assert.ErrorContains(t, err, "no container images of v1.2.3", "what was made before the version was changed")

	_, err = push(t.TempDir(), "", "v1.2.3")
	assert.Error(t, err)
}
