package acceptance

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
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

// childrenOf returns the running processes that a process has started; none where there is no /proc.
func childrenOf(pid int) (children []procDir) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, stat := range stats {
		if p := procDir(filepath.Dir(stat)); p.parent() == pid {
			children = append(children, p)
		}
	}
	return children
}

// openFiles are what the process's file descriptors lead to.
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
