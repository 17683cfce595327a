// Command release makes what is published of a version: binaries, archives, container images, bills of materials, their
// sums, the commands that register them with Vault, and the release notes. make release runs it.
//
// The same source and the same Go make the same files, whatever the directory, the time and the state of git. The version
// is that of version.go; the date of all files is that of the version's section in CHANGELOG.md.
//
// GoReleaser builds and archives. The rest is made here, because its own ways either need Docker or say when and by which
// build of a tool they ran.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	pluginName = "vault-plugin-secrets-kraken"
	source     = "https://github.com/krakensecrets/" + pluginName
	license    = "MPL-2.0"
)

func main() {
	root := flag.String("root", "../..", "directory of the plugin's source")
	targets := flag.String("targets", "", "what to build for, as linux_amd64,linux_arm64; all of .goreleaser.yaml unless given")
	repository := flag.String("push", "", "push the container images in dist to this repository instead, and print what is to be signed")
	flag.Parse()
	err := func() error {
		if *repository == "" {
			return run(*root, strings.FieldsFunc(*targets, func(r rune) bool { return r == ',' || r == ' ' }))
		}
		signed, err := push(filepath.Join(*root, "dist"), *repository, os.Getenv("VERSION"))
		if err == nil {
			fmt.Println(signed)
		}
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is what all files of a release have in common.
type release struct {
	version string // vX.Y.Z
	date    time.Time
	notes   string // Markdown
}

// run makes the release of the source in root, in its directory dist. No targets are all.
func run(root string, targets []string) error {
	changelog, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	about := release{version: os.Getenv("VERSION")}
	if tag := os.Getenv("TAG"); tag != "" && tag != about.version {
		return fmt.Errorf("the tag is %s, but version.go says %s", tag, about.version)
	}
	if about.notes, about.date, err = cutNotes(string(changelog), about.version); err != nil {
		return err
	}
	if err := goreleaser(root, about, targets); err != nil {
		return err
	}
	dist := filepath.Join(root, "dist")
	files, err := built(dist, root)
	if err != nil {
		return err
	}
	for i := range files {
		if err := files[i].complete(about, dist); err != nil {
			return fmt.Errorf("%s: %w", files[i].name(), err)
		}
	}
	registration, err := register(about, files)
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(dist, "REGISTER.md"), registration, 0o644),
		os.WriteFile(filepath.Join(dist, "RELEASE_NOTES.md"), []byte(about.notes), 0o644),
		// GoReleaser's own notes, which are of use to nobody else.
		os.Remove(filepath.Join(dist, "artifacts.json")),
		os.Remove(filepath.Join(dist, "config.yaml")),
		os.Remove(filepath.Join(dist, "metadata.json")),
	); err != nil {
		return err
	}
	return writeSums(dist)
}

// goreleaser builds and archives into root's directory dist.
func goreleaser(root string, about release, targets []string) error {
	config, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		return err
	}
	if config, err = only(config, targets); err != nil {
		return err
	}
	// A snapshot, because other releases want a git tag, which a tarball of the source doesn't have.
	command := exec.Command("go", "tool", "-modfile=tools/release/go.mod", "goreleaser", "release", "--config=-", "--snapshot", "--clean")
	command.Dir = root
	command.Env = append(os.Environ(), "RELEASE_DATE="+about.date.Format(time.RFC3339), "RELEASE_TIMESTAMP="+strconv.FormatInt(about.date.Unix(), 10))
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(config), os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("goreleaser: %w", err)
	}
	return nil
}

// only returns GoReleaser's configuration with some of its targets; none are all.
func only(config []byte, targets []string) ([]byte, error) {
	if len(targets) == 0 {
		return config, nil
	}
	var parsed map[string]any
	if err := yaml.Unmarshal(config, &parsed); err != nil {
		return nil, err
	}
	build := parsed["builds"].([]any)[0].(map[string]any)
	known := build["targets"].([]any)
	for _, target := range targets {
		if !slices.Contains(known, any(target)) {
			return nil, fmt.Errorf("there is no target %q in .goreleaser.yaml; there are %s", target, known)
		}
	}
	build["targets"] = targets
	return yaml.Marshal(parsed)
}

// built is what GoReleaser has built, in the order of the platforms' names.
func built(dist, root string) ([]file, error) {
	text, err := os.ReadFile(filepath.Join(dist, "artifacts.json"))
	if err != nil {
		return nil, err
	}
	var artifacts []struct{ Type, Path, Goos, Goarch, Goarm string }
	if err := json.Unmarshal(text, &artifacts); err != nil {
		return nil, err
	}
	var files []file
	for _, a := range artifacts {
		if a.Type == "Binary" {
			files = append(files, file{os: a.Goos, arch: a.Goarch, arm: a.Goarm, binary: filepath.Join(root, a.Path)})
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("goreleaser has built nothing")
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name(), b.name()) })
	return files, nil
}
