package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// imageRepository is where releases' images are published, and what docker load calls them.
const imageRepository = "ghcr.io/krakensecrets/" + pluginName

// file is a binary of the release, for one platform.
type file struct {
	os, arch, arm string // as GOOS, GOARCH and GOARM have them
	binary        string // path

	// From complete.
	sum         string // SHA-256 of the binary, in hexadecimal
	goVersion   string // that built it
	imageID     string // of the container image: SHA-256 of its configuration; "" where there is none
	imageDigest string // SHA-256 of the image's manifest
}

// name is the file's own, without a directory.
func (f file) name() string { return filepath.Base(f.binary) }

func (f file) variant() string {
	if f.arch == "arm" {
		return "v" + f.arm
	}
	return ""
}

// complete makes what stands beside a binary in dist.
func (f *file) complete(about release, dist string) error {
	binary, err := os.ReadFile(f.binary)
	if err != nil {
		return err
	}
	f.sum = sumOf(binary)
	info, err := buildinfo.ReadFile(f.binary)
	if err != nil {
		return err
	}
	f.goVersion = info.GoVersion
	beside := filepath.Join(dist, strings.TrimSuffix(f.name(), ".exe"))
	if err := writeBOM(f.binary, about.version, beside+".cdx.json"); err != nil {
		return fmt.Errorf("bill of materials: %w", err)
	}
	if f.os != "linux" {
		return nil
	}
	image, err := f.image(about)
	if err != nil {
		return fmt.Errorf("container image: %w", err)
	}
	id, err := image.ConfigName()
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	f.imageID, f.imageDigest = id.Hex, digest.Hex
	platform := v1.Platform{OS: f.os, Architecture: f.arch, Variant: f.variant()}
	return writeImage(image, about, platform, imageRepository+":"+about.tag(), beside+".oci.tar")
}

// tag is the version as container images are tagged: without the v. It is what Vault asks for.
func (about release) tag() string { return strings.TrimPrefix(about.version, "v") }

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// writeSums writes SHA256SUMS for all other files in dist.
func writeSums(dist string) error {
	const name = "SHA256SUMS"
	files, err := os.ReadDir(dist) // sorted
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, f := range files {
		if f.Name() == name {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dist, f.Name())) // fails on a directory, which dist has none of
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sumOf(data), f.Name())
	}
	return os.WriteFile(filepath.Join(dist, name), []byte(sums.String()), 0o644)
}
