package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// pluginProcess is the process of the plugin of that name, found in /proc by the program that it was started as. Where there is no
// /proc, found is false and there is no error.
func pluginProcess(name string) (pid int, found bool, err error) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		return 0, false, nil
	}
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
	for _, file := range files {
		arguments, _ := os.ReadFile(file)
		program, _, _ := bytes.Cut(arguments, []byte{0})
		if filepath.Base(string(program)) == name {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return pid, true, err
		}
	}
	return 0, false, fmt.Errorf("the plugin %s doesn't run", name)
}

// processorTime is what processes have used of the processor until now, user and system. Without /proc it is 0.
func processorTime(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, fields, _ := bytes.Cut(text, []byte(") ")) // behind the name in brackets
		const userTime, systemTime, perSecond = 11, 12, 100
		for i, field := range bytes.Fields(fields) {
			if i == userTime || i == systemTime {
				ticks, _ := strconv.Atoi(string(field)) // it is a number
				sum += time.Duration(ticks) * time.Second / perSecond
			}
		}
	}
	return sum
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// residentMemory is a process's, in MiB.
func residentMemory(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	found := residentLine.FindSubmatch(status)
	if found == nil {
		return 0, errors.New("/proc has no VmRSS")
	}
	kibibytes, err := strconv.ParseFloat(string(found[1]), 64)
	return kibibytes / 1024, err
}

// settledMemory is the resident memory of plugins, in MiB, once it has hardly changed for two seconds, or after 20. Without
// /proc it is nil.
func (w *world) settledMemory(names ...string) ([]float64, error) {
	var pids []int
	for _, name := range names {
		pid, found, err := pluginProcess(name)
		if err != nil || !found {
			return nil, err
		}
		pids = append(pids, pid)
	}
	var last []float64
	steadySince, deadline := time.Now(), time.Now().Add(20*time.Second)
	for {
		now := make([]float64, len(pids))
		for i, pid := range pids {
			var err error
			if now[i], err = residentMemory(pid); err != nil {
				return nil, err
			}
		}
		steady := last != nil && slices.EqualFunc(now, last, func(a, b float64) bool { return max(a, b) <= 1.01*min(a, b) })
		if !steady {
			steadySince, last = time.Now(), now
		}
		if w.quick || time.Since(steadySince) > 2*time.Second || time.Now().After(deadline) {
			return now, w.ctx.Err()
		}
		time.Sleep(100 * time.Millisecond)
	}
}
