package acceptance

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdFollow does what a document says, so that the document is right: it runs the shell commands that stand under its
// headings in bash, which stops at the first that fails. What they print is there for stdout and stderr.
//
//	follow docs/FILE.md HEADING...
func cmdFollow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: follow FILE HEADING...")
	}
	text, err := os.ReadFile("../../" + args[0])
	ts.Check(err)
	var commands strings.Builder
	for _, heading := range args[1:] {
		section, err := shellCommands(string(text), heading)
		ts.Check(err)
		commands.WriteString(section)
	}
	if err := ts.Exec("bash", "-euo", "pipefail", "-c", commands.String()); err != nil {
		ts.Fatalf("%s: %v\n%s\n%s", args[0], err, commands.String(), ts.ReadFile("stderr"))
	}
}

// shellBlock is a block of shell commands in Markdown.
var shellBlock = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```$")

// shellCommands returns the shell commands between a heading of a Markdown text and the next one.
func shellCommands(text, heading string) (string, error) {
	_, section, found := strings.Cut(text, "\n## "+heading+"\n")
	if !found {
		return "", fmt.Errorf("there is no heading %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var commands strings.Builder
	for _, block := range shellBlock.FindAllStringSubmatch(section, -1) {
		commands.WriteString(block[1])
	}
	if commands.Len() == 0 {
		return "", fmt.Errorf("there are no shell commands under %q", heading)
	}
	return commands.String(), nil
}
