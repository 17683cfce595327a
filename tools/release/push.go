package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// push puts a version's images in dist into a repository of a registry, under one name for all platforms. It returns that name
// with its digest, which is what is to be signed. Who may push is for docker login to say, or what else writes Docker's
// config.json.
//
// There are two tags: Vault looks for the version without the v, OpenBao for what its configuration says, which is the
// version with it.
func push(dist, repository, version string) (signed string, err error) {
	target, err := name.NewRepository(repository)
	if err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(dist, pluginName+"_"+version+"_*.oci.tar")) // sorted
	if err != nil {
		return "", err
	}
	if len(archives) == 0 {
		return "", fmt.Errorf("no container images of %s in %s: make release makes them", version, dist)
	}
	dir, err := os.MkdirTemp("", "push-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, archive := range archives {
		unpacked := filepath.Join(dir, filepath.Base(archive))
		if err := untar(archive, unpacked); err != nil {
			return "", fmt.Errorf("%s: %w", archive, err)
		}
		added, err := addendum(unpacked)
		if err != nil {
			return "", fmt.Errorf("%s: %w", archive, err)
		}
		index = mutate.AppendManifests(index, added)
	}
	about := release{version: version}
	for _, tag := range []string{about.tag(), version} {
		if err := remote.WriteIndex(target.Tag(tag), index, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return "", err
		}
	}
	digest, err := index.Digest()
	return target.Digest(digest.String()).String(), err
}

// addendum is the one image of an OCI layout, with its platform.
func addendum(unpacked string) (mutate.IndexAddendum, error) {
	var none mutate.IndexAddendum
	found, err := layout.ImageIndexFromPath(unpacked)
	if err != nil {
		return none, err
	}
	manifest, err := found.IndexManifest()
	if err != nil {
		return none, err
	}
	if len(manifest.Manifests) != 1 {
		return none, fmt.Errorf("%d images, not 1", len(manifest.Manifests))
	}
	image, err := found.Image(manifest.Manifests[0].Digest)
	return mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: manifest.Manifests[0].Platform}}, err
}

// untar unpacks an archive that writeTar wrote, into a directory that it makes.
func untar(archive, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // no name leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	from, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer from.Close()
	for reader := tar.NewReader(from); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeDir {
			if err := root.MkdirAll(header.Name, 0o700); err != nil {
				return err
			}
			continue
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		if err := root.WriteFile(header.Name, data, 0o600); err != nil {
			return err
		}
	}
}
