package acceptance

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// block is a fenced block of a Markdown document.
type block struct {
	section, part string // the headings above it: of the second level, and of the third, if any
	language      string // sh, console, yaml, …
	indent        string
	notRun        string // why no test runs it, if it is marked so: <!-- not run: REASON --> in the line before it
	text          string
	line          int // of its fence
}

// commands are the shell commands of a block: all of one of sh; of one of console, which shows a session, what stands behind the prompts.
func (b block) commands() string {
	switch b.language {
	case "sh":
		return b.text
	case "console":
		var commands strings.Builder
		for line := range strings.Lines(b.text) {
			if command, found := strings.CutPrefix(line, "$ "); found {
				commands.WriteString(command)
			}
		}
		return commands.String()
	}
	return ""
}

var (
	heading    = regexp.MustCompile(`^(#{1,3}) (.*)$`)
	fence      = regexp.MustCompile("^( *)```(\\w*)")
	notRunMark = regexp.MustCompile(`^ *<!-- not run: (.+) -->$`)
)

// blocksOf returns the fenced blocks of a Markdown text.
func blocksOf(text string) []block {
	var (
		blocks  []block
		current block
		inside  bool
		mark    string
	)
	for number, line := range strings.Split(text, "\n") {
		if opening := fence.FindStringSubmatch(line); inside && strings.TrimSpace(line) == "```" {
			blocks, inside = append(blocks, current), false
		} else if inside {
			current.text += strings.TrimPrefix(line, current.indent) + "\n"
		} else if opening != nil {
			current.indent, current.language, current.notRun, current.text = opening[1], opening[2], mark, ""
			current.line, inside = number+1, true
		} else if title := heading.FindStringSubmatch(line); title != nil && len(title[1]) == 3 {
			current.part = title[2]
		} else if title != nil {
			current.section, current.part = title[2], ""
		}
		mark = ""
		if marked := notRunMark.FindStringSubmatch(line); marked != nil {
			mark = marked[1]
		}
	}
	return blocks
}

// isUnder tells whether a block stands under a heading, given as SECTION, or as SECTION/PART.
func (b block) isUnder(title string) bool {
	return title == b.section || b.part != "" && title == b.section+"/"+b.part
}

// cmdFollow does what a document says, so that the document is right: it runs the shell commands that stand under its
// headings in bash, which stops at the first that fails. What they print is there for stdout and stderr. Blocks that are
// marked as not run are left out.
//
// HEADING is that of a section, or SECTION/PART of a part of it.
//
//	follow docs/FILE.md HEADING...
func cmdFollow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: follow FILE HEADING...")
	}
	text, err := os.ReadFile("../../" + args[0])
	ts.Check(err)
	var commands strings.Builder
	for _, title := range args[1:] {
		section := shellCommands(string(text), title)
		if section == "" {
			ts.Fatalf("%s has no shell commands to run under a heading %q", args[0], title)
		}
		commands.WriteString(section)
	}
	if err := ts.Exec("bash", "-euo", "pipefail", "-c", commands.String()); err != nil {
		ts.Fatalf("%s: %v\n%s\n%s", args[0], err, commands.String(), ts.ReadFile("stderr"))
	}
}

// shellCommands returns the shell commands under a heading of a Markdown text.
func shellCommands(text, title string) string {
	var commands strings.Builder
	for _, b := range blocksOf(text) {
		if b.isUnder(title) && b.notRun == "" {
			commands.WriteString(b.commands())
		}
	}
	return commands.String()
}

// Each command in a document is run by a script, or is marked with the reason why it isn't. And it can be pasted as it is.
func TestEachCommandOfADocumentIsRunOrSaysWhyNot(t *testing.T) {
	followed := followedHeadings(t)
	documents, commands := 0, 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(filepath.ToSlash(path), "../../")
		if err == nil && entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." || entry.Name() == "node_modules" || name == "dist") {
			return fs.SkipDir
		}
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		documents++
		for _, b := range blocksOf(string(text)) {
			if b.commands() == "" {
				continue
			}
			commands++
			place := fmt.Sprintf("%s:%d, under %q", name, b.line, strings.Trim(b.section+"/"+b.part, "/"))
			run := false
			for _, title := range followed[name] {
				run = run || b.isUnder(title)
			}
			assert.True(t, run || b.notRun != "", "%s: no script follows this, and no line <!-- not run: REASON --> is before it", place)
			assert.False(t, b.indent != "" && strings.Contains(b.text, "<<"), "%s: a here-document that is indented fails when it is pasted", place)
			assert.False(t, b.language == "sh" && strings.HasPrefix(b.text, "$ "), "%s: a prompt can't be pasted", place)
		}
		return nil
	}))
	t.Logf("%d documents with %d blocks of commands", documents, commands)
	assert.Greater(t, commands, 50)
}

// followedHeadings returns the headings that the scripts follow, by document.
func followedHeadings(t *testing.T) map[string][]string {
	t.Helper()
	scripts, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	followed := map[string][]string{}
	word := regexp.MustCompile(`'(?:[^']|'')*'|[^\s']+`)
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			words := word.FindAllString(line, -1)
			for len(words) > 0 && strings.HasPrefix(words[0], "[") {
				words = words[1:] // a condition
			}
			if len(words) < 3 || words[0] != "follow" {
				continue
			}
			for _, title := range words[2:] {
				title = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(title, "'"), "'"), "''", "'")
				followed[words[1]] = append(followed[words[1]], title)
			}
		}
	}
	return followed
}
