package acceptance

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// releaseTarget is what .goreleaser.yaml calls this machine's platform.
func releaseTarget() string {
	target := runtime.GOOS + "_" + runtime.GOARCH
	if runtime.GOARCH == "arm" {
		target += "_7"
	}
	return target
}

// A release is the same files wherever it is made, and its binary the one that make build makes. It is registered, and
// mounts are moved to it and back, by the commands that come with it; then a token is read.
//
// make release-check does the same for all platforms: RELEASE_TARGETS is "all" then.
func TestRelease(t *testing.T) {
	targets := releaseTarget()
	if os.Getenv("RELEASE_TARGETS") == "all" {
		targets = ""
	}
	tarball, clone := copySource(t), copySource(t)
	initGit(t, clone)
	runIn(t, tarball, "make", "release", "TARGETS="+targets)
	runIn(t, clone, "make", "release", "TARGETS="+targets)
	first, second := sumsOf(t, tarball), sumsOf(t, clone)
	assert.Equal(t, first, second, "a tarball and a clone, in different directories")

	version := strings.TrimSpace(runIn(t, clone, "make", "-s", "version"))
	name := pluginName + "_" + version + "_" + runtime.GOOS + "_" + runtime.GOARCH
	dist := filepath.Join(tarball, "dist")
	assert.Equal(t, version, strings.TrimSpace(runIn(t, dist, "./"+name, "-version")))
	runIn(t, clone, "make", "build")
	built := strings.Fields(runIn(t, clone, "sha256sum", "bin/"+pluginName))[0]
	assert.Equal(t, built, first[name], "make build makes another binary")
	unpacked := t.TempDir()
	runIn(t, unpacked, "tar", "-xzf", filepath.Join(dist, name+".tar.gz"))
	assert.Equal(t, first[name], strings.Fields(runIn(t, unpacked, "sha256sum", name))[0], "the archive has another binary")
	assert.FileExists(t, filepath.Join(unpacked, "examples/python/subscribe.py"), "which the README uses")

	register, err := os.ReadFile(filepath.Join(dist, "REGISTER.md"))
	require.NoError(t, err)
	plugins := t.TempDir()
	before := "v0.0.1"
	require.NoError(t, buildPlugin(filepath.Join(plugins, pluginName+"_"+before), before))
	c := startCluster(t, setup{storage: onDisk, plugins: plugins})
	var followed []string
	follow := func(heading string) {
		t.Helper()
		followed = append(followed, heading)
		commands := shellCommands(string(register), heading)
		require.NotEmpty(t, commands, heading)
		c.servers[0].bash(t, dist, commands, "PLUGIN_DIRECTORY="+plugins)
	}
	follow("Check what you downloaded")
	follow("Register/" + runtime.GOOS + " " + runtime.GOARCH)
	follow("Mount it")
	c.servers[0].run(t, "secrets", "tune", allowedURLs, "kraken/")
	c.servers[0].run(t, "write", "sys/plugins/reload/backend", "mounts=kraken/")
	c.configure(t, "", nil)
	assert.Equal(t, version, c.runningVersion(t))

	back := func() {
		t.Helper()
		c.servers[0].run(t, "secrets", "tune", "-plugin-version="+before, "kraken/")
		c.servers[0].run(t, "write", "sys/plugins/reload/backend", "mounts=kraken/")
		require.Equal(t, before, c.runningVersion(t))
	}
	back()
	follow("Move a mount to this version")
	assert.Equal(t, version, c.runningVersion(t))
	back()
	follow("Or pin all mounts to this version")
	assert.Equal(t, before, c.runningVersion(t), "the pin is gone again")
	follow("Move a mount to this version")

	token, err := c.servers[0].client.Logical().Read("kraken/ws-token")
	require.NoError(t, err)
	require.NoError(t, c.evidence.addSecret(token.Data["token"].(string)))
	assert.Equal(t, version, c.runningVersion(t))
	c.assertIntact(t, 0)
	for _, b := range blocksOf(string(register)) {
		if b.commands() != "" && b.notRun == "" && b.section != "Register" { // which has other platforms', too
			assert.True(t, slices.ContainsFunc(followed, b.isUnder), "REGISTER.md:%d isn't run", b.line)
		}
	}
}

// copySource copies what a tarball of the source has in it, changes that aren't committed included.
func copySource(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, filepath.WalkDir("../..", func(path string, found fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel("../..", path)
		if err != nil {
			return err
		}
		if relative == ".git" || relative == "bin" || relative == "dist" || found.Name() == "node_modules" {
			if found.IsDir() {
				return fs.SkipDir
			}
			return nil // a worktree's .git is a file
		}
		target := filepath.Join(to, relative)
		if found.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if !found.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := found.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, info.Mode().Perm())
	}))
	return to
}

// initGit makes a clone of a copy, with a tag of another version and a file that isn't committed: none of it may matter.
func initGit(t *testing.T, dir string) {
	t.Helper()
	runIn(t, dir, "git", "init", "--quiet")
	runIn(t, dir, "git", "add", ".")
	runIn(t, dir, "git", "-c", "user.name=Nobody", "-c", "user.email=nobody@example.com", "commit", "--quiet", "--message=Start")
	runIn(t, dir, "git", "tag", "v9.9.9")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "untracked"), nil, 0o600))
}

// sumsOf is what SHA256SUMS of a release says, by the files' names. Each file is there, and no other.
func sumsOf(t *testing.T, root string) map[string]string {
	t.Helper()
	dist := filepath.Join(root, "dist")
	runIn(t, dist, "sha256sum", "--check", "--quiet", "SHA256SUMS")
	text, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	require.NoError(t, err)
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		require.Len(t, fields, 2)
		sums[fields[1]] = fields[0]
	}
	files, err := os.ReadDir(dist)
	require.NoError(t, err)
	for _, file := range files {
		if file.Name() != "SHA256SUMS" {
			assert.Contains(t, sums, file.Name(), "has no sum")
		}
	}
	return sums
}

// runIn runs a program in a directory, and returns what it prints.
func runIn(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	command := exec.Command(program, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "PATH="+realPath)
	var complaints strings.Builder
	command.Stderr = &complaints
	printed, err := command.Output()
	require.NoError(t, err, "%s %s: %s\n%s", program, args, printed, &complaints)
	return string(printed)
}
