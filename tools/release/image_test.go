package main

import (
	"archive/tar"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var about = release{version: "v1.2.3", date: time.Date(2026, time.November, 28, 0, 0, 0, 0, time.UTC)}

// imageOf writes the image of a made-up plugin, and returns where, and what it is.
func imageOf(t *testing.T, f file, content string) (string, v1.Image) {
	t.Helper()
	dir := t.TempDir()
	f.binary = filepath.Join(dir, "plugin")
	require.NoError(t, os.WriteFile(f.binary, []byte(content), 0o600))
	image, err := f.image(about)
	require.NoError(t, err)
	written := filepath.Join(dir, "image.oci.tar")
	require.NoError(t, writeImage(image, about, v1.Platform{OS: f.os, Architecture: f.arch}, imageRepository+":1.2.3", written))
	return written, image
}

func TestImageHasNothingButThePluginAndRootCertificates(t *testing.T) {
	_, image := imageOf(t, file{os: "linux", arch: "arm", arm: "7"}, "the plugin")
	config, err := image.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "linux", config.OS)
	assert.Equal(t, "arm", config.Architecture)
	assert.Equal(t, "v7", config.Variant)
	assert.Equal(t, []string{"/" + pluginName}, config.Config.Entrypoint)
	assert.Equal(t, imageUser, config.Config.User, "not root")
	assert.Equal(t, "v1.2.3", config.Config.Labels["org.opencontainers.image.version"])
	assert.Equal(t, about.date, config.Created.Time)
	manifest, err := image.Manifest()
	require.NoError(t, err)
	assert.Equal(t, config.Config.Labels, manifest.Annotations)

	reader := mutate.Extract(image)
	defer reader.Close()
	contents, modes := map[string]string{}, map[string]int64{}
	for archive := tar.NewReader(reader); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		data, err := io.ReadAll(archive)
		require.NoError(t, err)
		contents[header.Name], modes[header.Name] = string(data), header.Mode
	}
	require.Contains(t, contents, rootsPath)
	assert.True(t, x509.NewCertPool().AppendCertsFromPEM([]byte(contents[rootsPath])))
	delete(contents, rootsPath)
	assert.Equal(t, map[string]string{"etc/ssl/certs": "", pluginName: "the plugin"}, contents)
	assert.Equal(t, int64(0o755), modes[pluginName])
}

func TestImageIsAnOCILayoutThatDockerLoads(t *testing.T) {
	written, image := imageOf(t, file{os: "linux", arch: "amd64"}, "the plugin")
	digest, err := image.Digest()
	require.NoError(t, err)
	id, err := image.ConfigName()
	require.NoError(t, err)

	dir := filepath.Join(t.TempDir(), "layout")
	require.NoError(t, untar(written, dir))
	index, err := layout.ImageIndexFromPath(dir)
	require.NoError(t, err)
	require.NoError(t, validate.Index(index))
	found, err := index.Image(digest)
	require.NoError(t, err)
	require.NoError(t, validate.Image(found))
	described, err := index.IndexManifest()
	require.NoError(t, err)
	assert.Equal(t, "1.2.3", described.Manifests[0].Annotations[refName])

	loaded, err := tarball.ImageFromPath(written, nil)
	require.NoError(t, err)
	loadedID, err := loaded.ConfigName()
	require.NoError(t, err)
	assert.Equal(t, id, loadedID)
}

func TestImageDependsOnItsContentAlone(t *testing.T) {
	first, _ := imageOf(t, file{os: "linux", arch: "amd64"}, "the plugin")
	second, _ := imageOf(t, file{os: "linux", arch: "amd64"}, "the plugin")
	other, _ := imageOf(t, file{os: "linux", arch: "amd64"}, "another plugin")
	assert.Equal(t, sumOfFile(t, first), sumOfFile(t, second))
	assert.NotEqual(t, sumOfFile(t, first), sumOfFile(t, other))
}

func sumOfFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return sumOf(data)
}
