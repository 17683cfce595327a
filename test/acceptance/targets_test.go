package acceptance

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a document or a workflow has somebody make, the Makefile makes.
func TestEachMakeTargetOfADocumentExists(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	targets := map[string]bool{}
	for _, target := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllSubmatch(makefile, -1) {
		targets[string(target[1])] = true
	}
	quoted := regexp.MustCompile("(?:`|\\$\\(|- run: )make (?:--?[a-z]+ )*([a-z-]+)")
	command := regexp.MustCompile(`(?m)^make ([a-z-]+)`)
	named := 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || entry.Name() == "dist") {
			return fs.SkipDir
		}
		if extension := filepath.Ext(path); err != nil || extension != ".md" && extension != ".yml" {
			return err
		}
		text, err := os.ReadFile(path)
		all := quoted.FindAllSubmatch(text, -1)
		for _, b := range blocksOf(string(text)) {
			all = append(all, command.FindAllSubmatch([]byte(b.commands()), -1)...)
		}
		for _, found := range all {
			named++
			assert.True(t, targets[string(found[1])], "%s: there is no %s", path, found[0])
		}
		return err
	}))
	assert.Greater(t, named, 20)
}
