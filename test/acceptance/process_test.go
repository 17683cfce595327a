package acceptance

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func hasProc() bool {
	_, err := os.Stat("/proc/self/exe")
	return err == nil
}

// procDir is a process's directory in /proc.
type procDir string

func (p procDir) file(name string) string { return filepath.Join(string(p), name) }

// pid is the process's ID.
func (p procDir) pid() int {
	pid, _ := strconv.Atoi(filepath.Base(string(p))) // it is a number
	return pid
}

// parentPID is in /proc/PID/stat, behind the name in brackets and the state.
var parentPID = regexp.MustCompile(`\) . (\d+) `)

// parent is the process ID of a running process's parent; 0 if it doesn't run any more.
func (p procDir) parent() int {
	text, err := os.ReadFile(p.file("stat"))
	found := parentPID.FindSubmatch(text)
	if err != nil || found == nil || bytes.Contains(text, []byte(") Z ")) {
		return 0
	}
	parent, _ := strconv.Atoi(string(found[1])) // it is a number
	return parent
}

// pluginsOf returns the running plugins of a Vault server; none where there is no /proc to find them in.
func pluginsOf(vault int) (plugins []procDir) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, stat := range stats {
		p := procDir(filepath.Dir(stat))
		if p.parent() != vault {
			continue
		}
		// A process that Vault has just made is Vault itself for a moment. Only root may see what program it is, by /proc/PID/exe.
		arguments, _ := os.ReadFile(p.file("cmdline"))
		if program, _, _ := strings.Cut(string(arguments), "\x00"); strings.HasPrefix(filepath.Base(program), pluginName) {
			plugins = append(plugins, p)
		}
	}
	return plugins
}

// shows is what everybody who may look sees of the process: arguments; and, where the test is root's, environment and what its file
// descriptors lead to.
func (p procDir) shows() []byte {
	arguments, _ := os.ReadFile(p.file("cmdline"))
	environment, _ := os.ReadFile(p.file("environ"))
	files := []byte(strings.Join(p.openFiles(), "\n"))
	return slices.Concat(arguments, []byte("\n"), environment, []byte("\n"), files, []byte("\n"))
}

func (p procDir) openFiles() (files []string) {
	links, _ := filepath.Glob(p.file("fd/*"))
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil {
			files = append(files, file)
		}
	}
	return files
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)
var threadsLine = regexp.MustCompile(`(?m)^Threads:\s+(\d+)$`)

// status is a number of /proc/PID/status.
func (p procDir) status(line *regexp.Regexp) int {
	text, _ := os.ReadFile(p.file("status"))
	number := 0
	if found := line.FindSubmatch(text); found != nil {
		number, _ = strconv.Atoi(string(found[1]))
	}
	return number
}
