package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	// imageUser is nobody's number on a host: with it, the container can't be root.
	imageUser = "65532:65532"
	// rootsPath is where Go looks for the certificates of authorities on Linux. An empty base has none, and the plugin
	// couldn't tell Kraken from anybody else.
	rootsPath = "etc/ssl/certs/ca-certificates.crt"
	refName   = "org.opencontainers.image.ref.name"
)

// image is a container image with a file's plugin in it, for Vault's plugin runtimes and for OpenBao, which takes the
// plugin out. It has no shell and no libraries: the plugin is static.
func (f file) image(about release) (v1.Image, error) {
	binary, err := os.ReadFile(f.binary)
	if err != nil {
		return nil, err
	}
	roots, err := rootCertificates()
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	if err := writeTar(&layer, about.date, []entry{
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: rootsPath, mode: 0o644, data: roots},
		{name: pluginName, mode: 0o755, data: binary},
	}); err != nil {
		return nil, err
	}
	files, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}

	labels := about.labels()
	made := v1.Time{Time: about.date}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:   files,
		History: v1.History{Created: made, CreatedBy: "make release"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = made
	config.OS, config.Architecture, config.Variant = f.os, f.arch, f.variant()
	config.Config = v1.Config{
		User:       imageUser,
		Entrypoint: []string{"/" + pluginName},
		WorkingDir: "/",
		Labels:     labels,
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
	return mutate.Annotations(image, labels).(v1.Image), nil
}

// labels says what an image is, in the terms of https://specs.opencontainers.org/image-spec/annotations.
func (about release) labels() map[string]string {
	const key = "org.opencontainers.image."
	return map[string]string{
		key + "title":         pluginName,
		key + "description":   "HashiCorp Vault secrets engine for tokens of Kraken's private WebSocket feeds",
		key + "source":        source,
		key + "url":           source,
		key + "documentation": source + "#readme",
		key + "licenses":      license,
		key + "version":       about.version,
		key + "created":       about.date.Format(time.RFC3339),
	}
}

// writeImage writes an image as an OCI layout in one tar file, that docker load takes as well. tag is what it is called.
func writeImage(image v1.Image, about release, platform v1.Platform, tag, file string) error {
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	index, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := index.AppendImage(image, layout.WithPlatform(platform), layout.WithAnnotations(map[string]string{refName: about.tag()})); err != nil {
		return err
	}
	if err := addDockerManifest(image, tag, dir); err != nil {
		return err
	}

	var entries []entry
	if err := fs.WalkDir(os.DirFS(dir), ".", func(name string, found fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if found.IsDir() {
			entries = append(entries, entry{name: name + "/", mode: 0o755})
			return nil
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		entries = append(entries, entry{name: name, mode: 0o644, data: data})
		return err
	}); err != nil {
		return err
	}
	output, err := os.Create(file)
	if err != nil {
		return err
	}
	defer output.Close()
	if err := writeTar(output, about.date, entries); err != nil {
		return err
	}
	return output.Close()
}

// addDockerManifest adds the one file to an OCI layout that docker load asks for, where Docker isn't new enough to read
// the layout itself.
func addDockerManifest(image v1.Image, tag, dir string) error {
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	blob := func(hash v1.Hash) string { return path.Join("blobs", hash.Algorithm, hash.Hex) }
	described := tarball.Descriptor{Config: blob(manifest.Config.Digest), RepoTags: []string{tag}}
	for _, layer := range manifest.Layers {
		described.Layers = append(described.Layers, blob(layer.Digest))
	}
	text, err := json.Marshal(tarball.Manifest{described})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o600)
}

// entry is a file in a tar archive, or a directory where the name ends in a slash.
type entry struct {
	name string
	mode int64
	data []byte
}

// writeTar writes an archive that depends on nothing but its arguments.
func writeTar(to io.Writer, date time.Time, entries []entry) error {
	archive := tar.NewWriter(to)
	for _, e := range entries {
		if err := archive.WriteHeader(&tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.data)), ModTime: date}); err != nil {
			return err
		}
		if _, err := archive.Write(e.data); err != nil {
			return err
		}
	}
	return archive.Close()
}

// rootCertificates is Mozilla's list of authorities, as go.mod pins it. Those that are trusted under constraints only
// are left out, because a file can't say so.
func rootCertificates() ([]byte, error) {
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	if roots.Len() == 0 {
		return nil, fmt.Errorf("no root certificates")
	}
	return roots.Bytes(), nil
}
